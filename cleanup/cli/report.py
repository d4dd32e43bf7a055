"""`report`: a plan or a journal, as people and programs want to see it."""

from pathlib import Path
from typing import Annotated

from cleanup import journal
from cleanup.apply.resume import obstacle_to
from cleanup.cli import event_loop
from cleanup.cli.output import emit, terminal
from cleanup.cli.parsing import Argument, Option
from cleanup.errors import UsageError
from cleanup.files import read_regular
from cleanup.journal import JournalFile
from cleanup.kinds import FileKind, require_kind
from cleanup.plan import file as plan_file
from cleanup.plan.file import Plan
from cleanup.reports import Format, render


def report(
    file: Annotated[Path, Argument(metavar="FILE", help="A plan or a journal.")],
    format: Annotated[Format, Option(help="How to show it.")] = Format.TABLE,
) -> None:
    """Show a plan or a journal as table, JSON, CSV, Markdown or HTML (one page for a browser)."""
    subject = read(file)
    obstacle = obstacle_to(subject, event_loop.runtime().now()) if isinstance(subject, JournalFile) else None
    emit(render(subject, format, file=file, obstacle=obstacle, **terminal()))


def read(file: Path) -> Plan | JournalFile:
    """A plan or a journal, told apart by its first bytes. Raises UsageError, RecordRejected."""
    try:
        first = read_regular(file, 64)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    require_kind(file, FileKind.PLAN, FileKind.JOURNAL)
    if first.startswith(b'{"kind":'):
        return plan_file.read_to_show(file)
    return journal.read_to_show(file)
