"""The structured log of a run: written ahead of every DELETE, read back by resume, restore and report."""

from cleanup.journal.reader import JournalFile, Run, read
from cleanup.journal.records import Finished, Intent, Result, Started
from cleanup.journal.writer import Journal, require_writable

__all__ = [
    "Finished",
    "Intent",
    "Journal",
    "JournalFile",
    "Result",
    "Run",
    "Started",
    "read",
    "require_writable",
]
