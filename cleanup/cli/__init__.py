"""The front door: parse, wire together, print, exit."""

import re
import signal
import sys
import warnings
from importlib import import_module

import click

from cleanup.cli import commands, log_options, output
from cleanup.cli.pages import FRONT, PAGES
from cleanup.cli.refusals import refusal
from cleanup.errors import CleanupError, Interrupted
from cleanup.runtime import Runtime

_SUMMARY = 64  # characters beside the names of commands, at 80 columns
HELP = "A safe bulk cleanup for Huawei Cloud ModelArts images: plan, review, apply exactly that."
# The commands in the order of the help, each in the file of its name, with the first line of its own help:
# reading that from the files would import them all. A test compares.
COMMANDS = {
    "demo": "Show the whole job on the embedded simulator; needs no credentials and no network.",
    "init": "Write a starter policy with its test, from what the project's images are; deletes nothing.",
    "validate": "Check policy files: every problem at once, each as file:line:column and what was meant.",
    "schema": "Print the JSON Schema of a policy file, for editors, or of the reports in JSON.",
    "inventory": "Read images, their users and workspaces into one sealed file, to try policies on without a service.",
    "plan": "List, decide and show, read-only; write the plan file that `apply` takes.",
    "apply": "Delete exactly what the plan names and what still is as the plan saw it.",
    "run": "Plan and apply in one go, for cron. Without --apply it is a dry run.",
    "resume": "Finish an interrupted apply: settle what was in doubt first, then delete the rest.",
    "explain": "Why this image is kept or deleted: the deciding rule or protection, every condition with its value.",
    "report": "Show a plan or a journal in any format; of two plans, what changed.",
    "journals": "List the plans and journals of a folder, finished or not; remove old ones, never an unfinished one.",
    "restore": "Register again what was deleted without its content; it gets a new id.",
    "test": "Test policies: decide about the images of a test file and compare with what it expects.",
    "diff": "The images whose decision changes between two policies: -p OLD -p NEW.",
    "doctor": "Check endpoint, clock, credentials and permissions, each with what to do about it.",
    "simulate": "Serve the embedded simulator of the image API on this machine, until Ctrl-C.",
    "completion": "Print the script that lets a shell complete commands, options, choices and files.",
}


class _Commands(commands.Helped, click.Group):
    """The commands, each imported when it is asked for."""

    page = FRONT

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_part(text)) for name, text in COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cleanup.cli.{cmd_name}")
        asked = getattr(module, f"{cmd_name.capitalize()}Options", None) or getattr(module, cmd_name)
        return commands.command(cmd_name, asked, PAGES[cmd_name])


def _first_part(text: str) -> str:
    """A summary that would take two lines among the others: what stands before its colon or semicolon."""
    return text if len(text) <= _SUMMARY else f"{re.split('[:;]', text.rstrip('.'))[0]}."


def build() -> click.Group:
    """The application with all its commands."""
    app = _Commands(
        "image-cleanup",
        help=HELP,
        no_args_is_help=False,  # the whole help would be one message
        context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    )
    app.params += [log_options.version_option(), *log_options.log_options()]
    app.commands = dict.fromkeys(COMMANDS, click.Command(None))  # click suggests names out of these
    return app


def main(runtime: Runtime | None = None) -> None:
    """Run the command line and exit with its exit code; `runtime` is the real one when left out."""
    if sys.warnoptions:  # PYTHONWARNINGS is for who writes libraries: none of theirs ends or clutters a run
        warnings.simplefilter("ignore")
    output.open_missing_streams()
    output.set_up_logs(output.asked_for(sys.argv[1:]))
    try:
        sys.exit(build().main(prog_name="image-cleanup", standalone_mode=False, obj=runtime))
    except click.Abort:  # Ctrl-C outside of the event loop, which has its own handlers
        output.complain(Interrupted("interrupted: nothing was deleted"))
        sys.exit(7)
    except click.ClickException as error:
        output.complain(refusal(error))
        sys.exit(2)
    except CleanupError as error:
        output.complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        output.report_bug(error)
        sys.exit(1)
    finally:
        if runtime is None:  # the exit code is settled: no signal changes it while Python ends
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        output.forget_full_stderr()
