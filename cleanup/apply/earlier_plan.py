"""The plan that a journal was made from: where it lies, whether it expired. A report asks, and needs no service."""

from datetime import datetime
from pathlib import Path

from cleanup.durations import format_moment
from cleanup.errors import RecordRejected, UsageError
from cleanup.journal import JournalFile
from cleanup.plan import file as plan_file


def plan_path_of(journal: JournalFile) -> Path:
    """Where the journal says its plan lies."""
    return journal.path.absolute().parent / journal.chain[0].started.plan


def obstacle_to(journal: JournalFile, now: datetime) -> str | None:
    """Why `resume` cannot go on with the journal's plan, as far as the first line of that says; None where it may."""
    path = plan_path_of(journal)
    try:
        expires = plan_file.expiry(path)
    except (UsageError, RecordRejected):
        return f"its plan {path} cannot be read"
    return f"its plan expired at {format_moment(expires)}" if now >= expires else None
