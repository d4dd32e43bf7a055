"""The front door: parse, wire together, print, exit."""

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from cleanup.cli import output
from cleanup.errors import CleanupError

HELP = "A safe bulk cleanup for Huawei Cloud ModelArts images: plan, review, apply exactly that."
EPILOG = (
    "Exit codes: 0 all done, nothing to do, or a dry run; 1 a bug; 2 usage, policy or configuration; "
    "3 some deletes failed, are unknown or denied; 4 refused by a limit; 5 credentials or permission; "
    "6 inventory not complete; 7 interrupted, `resume` finishes it; 8 plan expired, damaged or for another "
    "target; 10 something to delete (--detailed-exitcode)."
)


def build() -> typer.Typer:
    """The application with all its commands."""
    from cleanup.cli.options import grouped

    app = typer.Typer(
        name="image-cleanup",
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, command in _commands().items():
        app.command(name, epilog=EPILOG)(grouped(command))
    app.callback(help=HELP)(_version_option)
    return app


def _commands() -> dict[str, Callable[..., None]]:
    from cleanup.cli import apply, demo, diff, doctor, explain, plan, report, restore, resume, simulate
    from cleanup.cli import test as testing
    from cleanup.cli import validate as policies

    return {
        "demo": demo.demo,
        "validate": policies.validate,
        "schema": policies.schema,
        "plan": plan.plan,
        "apply": apply.apply,
        "run": apply.run,
        "resume": resume.resume,
        "explain": explain.explain,
        "report": report.report,
        "restore": restore.restore,
        "test": testing.run_tests,
        "diff": diff.diff,
        "doctor": doctor.doctor,
        "simulate": simulate.simulate,
    }


def _show_version(wanted: bool) -> None:
    if wanted:
        from cleanup import __version__

        output.say(f"image-cleanup {__version__}")
        raise typer.Exit


def _version_option(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """Run the command line and exit with the code that contract.md names for what happened."""
    output.set_up_logs(output.LogFormat.AUTO)
    try:
        build()()
    except CleanupError as error:
        output.complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        traceback.print_exc()
        output.log().error(f"this is a bug in image-cleanup: {type(error).__name__}", exit_code=1)
        sys.exit(1)
