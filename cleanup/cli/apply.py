"""`apply` and `run`: delete what a plan names and what still is as the plan saw it."""

from pathlib import Path
from typing import Annotated

import typer

from cleanup import plan as plans
from cleanup.cli import running
from cleanup.cli.deleting import LIFETIME, apply_plan, conclude, run_policy
from cleanup.cli.options import Connecting, Deleting, JournalPath, PolicyPaths, Working
from cleanup.cli.output import emit
from cleanup.cli.plan import make_plan, warn
from cleanup.modelarts.wire import decode_image
from cleanup.policy import load
from cleanup.reports import Format, render


def apply(
    plan: Annotated[Path, typer.Argument(help="A plan file written by `plan`.", show_default=False)],
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    journal: JournalPath = None,
) -> None:
    """Delete exactly what the plan names and what still is as the plan saw it."""
    target = connecting.target(working)
    terms = working.terms(connecting, deleting)
    reviewed = plans.read(plan, decode_image)
    plans.check_applicable(reviewed, target.ref, running.now())
    conclude(
        running.run_stoppable(lambda stop: apply_plan(target, terms, reviewed, plan, journal, stop), terms)
    )


def run(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    apply: Annotated[
        bool, typer.Option("--apply", help="Really delete; without it this is a dry run.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How to show the plan.")] = Format.TABLE,  # noqa: A002
    journal: JournalPath = None,
) -> None:
    """Plan and apply in one go, for cron. Without --apply it is a dry run."""
    target = connecting.target(working)
    terms = working.terms(connecting, deleting)
    read_policy = load(policy)
    if apply:
        conclude(
            running.run_stoppable(
                lambda stop: run_policy(target, terms, read_policy, format, journal, stop), terms
            )
        )
        return
    made = running.run_async(lambda: make_plan(target, terms, read_policy, LIFETIME))
    emit(render(made, format, **running.terminal()))
    warn(made)
    running.log().info("this was a dry run: nothing was deleted; --apply deletes")
