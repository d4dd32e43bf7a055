"""The structured log of a run: written ahead of every DELETE, read back by resume, restore and report."""

from cleanup.journal.reader import JournalFile, JournalRun, read, read_to_show
from cleanup.journal.records import DeleteIntent, DeleteResult, RunFinished, RunStarted, image_of
from cleanup.journal.writer import Journal, require_writable

__all__ = [
    "DeleteIntent",
    "DeleteResult",
    "Journal",
    "JournalFile",
    "JournalRun",
    "RunFinished",
    "RunStarted",
    "image_of",
    "read",
    "read_to_show",
    "require_writable",
]
