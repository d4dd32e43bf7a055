"""`run`: what it takes; `cleanup.cli.work.run` plans and applies in one go, for cron."""

from dataclasses import dataclass
from typing import Annotated

from cleanup.cli.options import (
    Connecting,
    Deleting,
    JournalPath,
    PolicyPaths,
    Strict,
    Telling,
    Working,
    Yes,
)
from cleanup.cli.parsing import Option
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Plan and apply in one go, for cron. Without --apply it is a dry run.

    A dry run shows the plan. With --apply it first resumes what an earlier run of the same target left unfinished
    in the journal's folder. The plan is shown as a table before anything is deleted, and on a terminal the target's
    name is asked for; with --format or -o the report of the journal is shown when all is done, and no plan where
    nobody is asked.
    """

    policy: PolicyPaths
    connecting: Connecting
    working: Working
    deleting: Deleting
    showing: Showing
    telling: Telling
    apply: Annotated[bool, Option("--apply", help="Really delete; without it this is a dry run.")] = False
    journal: JournalPath = None
    yes: Yes = False
    strict: Strict = False
