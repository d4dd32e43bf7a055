"""The error tree: every way a command can end early, each with its exit code.

CleanupError                1  a bug, when nothing below fits
├── UsageError              2  options, configuration or environment are wrong
│   └── PolicyError         2  policy files are wrong; carries every problem with its place
├── LimitExceeded           4  a limit of the policy refuses; nothing was deleted
├── AccessDenied            5  credentials or permission; nothing could be read
├── InventoryError          6  the inventory could not be read completely
│   └── CredentialsLost     6  because what let us in at first was refused later
├── Interrupted             7  a signal or the deadline came first
│   └── JournalWriteError   7  the journal can no longer be written; `resume` finishes
└── RecordRejected          8  a plan or journal is damaged, expired or for another target
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class CleanupError(Exception):
    """The base: a message for people that says what is wrong and what to do about it."""

    exit_code: ClassVar[int] = 1


class UsageError(CleanupError):
    """Options, configuration or environment variables are wrong."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PolicyError(UsageError):
    """Files that cannot be read completely; holds every problem of every file, in order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class LimitExceeded(CleanupError):
    """More would be deleted than the policy's limits allow."""

    exit_code = 4


class AccessDenied(CleanupError):
    """The service knows us not, or does not let us: 401 or 403 before anything was read."""

    exit_code = 5


class InventoryError(CleanupError):
    """Images or notebooks could not be read completely, so nothing may be deleted."""

    exit_code = 6


class CredentialsLost(InventoryError):
    """The service let us read at first and refused the credentials (401) later on."""


class Interrupted(CleanupError):
    """A signal or the deadline came before the work was done."""

    exit_code = 7


class JournalWriteError(Interrupted):
    """The journal cannot be written: no further DELETE may leave."""


class RecordRejected(CleanupError):
    """A plan or a journal is damaged, expired, or belongs to another target."""

    exit_code = 8
