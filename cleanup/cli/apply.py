"""`apply`: what it takes; `cleanup.cli.work.apply` deletes what a plan names and what still is as the plan saw it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import (
    Connecting,
    Deleting,
    JournalPath,
    Strict,
    Telling,
    Working,
    Yes,
)
from cleanup.cli.parsing import Argument, Option
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """Delete exactly what the plan names and what still is as the plan saw it.

    On a terminal it says what goes and asks for the target's name. In a pipe it does not ask: who wrote the
    command line named a plan that can be read before. How it ended is one line on stderr; with --format or -o
    the report of the journal is shown, too.
    """

    plan: Annotated[
        Path,
        Argument(metavar="PLAN", help="A plan file written by `plan`; with --targets, the folder of plans."),
    ]
    policy: Annotated[
        tuple[Path, ...],
        Option(
            "--policy",
            "-p",
            help="Apply only a plan that was made from exactly this policy; repeatable.",
            metavar="PATH",
            configured=False,
        ),
    ]
    connecting: Connecting
    working: Working
    deleting: Deleting
    showing: Showing
    telling: Telling
    journal: JournalPath = None
    yes: Yes = False
    strict: Strict = False
