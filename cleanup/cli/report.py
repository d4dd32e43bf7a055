"""`report`: a plan or a journal, as people and programs want to see it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cleanup.cli.parsing import Argument
from cleanup.cli.showing import Showing
from cleanup.errors import UsageError
from cleanup.files import read_regular
from cleanup.kinds import FileKind, require_kind
from cleanup.reports import view
from cleanup.reports.view import Report

if TYPE_CHECKING:
    from cleanup.journal import JournalFile
    from cleanup.plan.plan import Plan


def report(
    file: Annotated[Path, Argument(metavar="FILE", help="A plan or a journal.")],
    showing: Showing,
    older: Annotated[
        Path | None, Argument(metavar="[OLDER]", help="A second plan: show what changed between the two.")
    ] = None,
) -> None:
    """Show a plan or a journal in any format; of two plans, what changed.

    Of two plans the one that was made (or looks, with --as-of) earlier is before, whichever is named first.
    """
    destination = showing.destination()
    if older is None:
        destination.show([_view(file)])
        return
    from cleanup.reports.comparison_view import between_plans

    one, other = (_plan(path) for path in (file, older))
    command = f"image-cleanup report {shlex.quote(str(file))} {shlex.quote(str(older))}"
    destination.show([between_plans(one, other, command)])


def _view(file: Path) -> Report:
    if _is_plan(file):
        return view(_plan(file), file=file)
    from cleanup.apply.earlier_plan import obstacle_to
    from cleanup.cli import event_loop

    journal = _journal(file)
    return view(journal, obstacle=obstacle_to(journal, event_loop.runtime().now()))


def _plan(path: Path) -> "Plan":
    from cleanup.plan import file as plan_file

    require_kind(path, FileKind.PLAN)
    return plan_file.read_to_show(path)


def _journal(path: Path) -> "JournalFile":
    from cleanup import journal

    return journal.read_to_show(path)


def read(file: Path) -> "Plan | JournalFile":
    """A plan or a journal, told apart by its first bytes. Raises UsageError, RecordRejected."""
    return _plan(file) if _is_plan(file) else _journal(file)


def _is_plan(file: Path) -> bool:
    """Whether it is a plan, and no journal. Raises UsageError, RecordRejected for what is neither."""
    try:
        first = read_regular(file, 64)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    require_kind(file, FileKind.PLAN, FileKind.JOURNAL)
    return first.startswith(b'{"kind":')
