"""`restore`: what it takes; `cleanup.cli.work.restore` registers again what was deleted without its content."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Connecting, Working
from cleanup.cli.parsing import Argument, Option
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """Register again what was deleted without its content; it gets a new id.

    Without --apply this is a look at the journal: no network, no credentials. What was restored is
    written beside the journal, JOURNAL.restore.jsonl, so that nothing is restored twice.
    """

    journal: Annotated[Path, Argument(metavar="JOURNAL", help="The journal of the run that deleted.")]
    connecting: Connecting
    working: Working
    showing: Showing
    image: Annotated[
        tuple[str, ...], Option(help="Only the image of this (old) id; repeatable. All when left out.")
    ] = ()
    apply: Annotated[
        bool, Option("--apply", help="Really register; without it, only show what could be.")
    ] = False
