"""`resume`: what it takes; `cleanup.cli.work.resume` finishes an interrupted apply."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Connecting, Deleting, Telling, Working
from cleanup.cli.parsing import Argument
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """Finish an interrupted apply: settle what was in doubt first, then delete the rest.

    It does not ask: what it deletes was confirmed when the run began. How it ended is one line on stderr; with
    --format or -o the report of the journal is shown, too.
    """

    journal: Annotated[Path, Argument(metavar="JOURNAL", help="The journal of the interrupted run.")]
    connecting: Connecting
    working: Working
    deleting: Deleting
    showing: Showing
    telling: Telling
