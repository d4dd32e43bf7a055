"""Whether a journal's run came to its end, and which journals of a folder did not."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cleanup.errors import CleanupError, RecordRejected
from cleanup.journal.reader import JournalFile, read_to_show
from cleanup.journal.records import Line, RunFinished, RunStarted
from cleanup.kinds import UNDECODABLE
from cleanup.outcome import TO_RESUME

L = TypeVar("L", bound=Line)
_ENDS: Final = 1 << 16  # bytes at the beginning and at the end that hold the first and the last line


class State(StrEnum):
    """What became of the last plan that a journal is about."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"  # `resume` has something to do
    GIVEN_UP = "given up"  # its plan could not be gone on with any more, and nothing is in doubt
    RUNNING = "running"  # a process is writing to it


def state_of(journal: JournalFile) -> State:
    """By what the journal says; whether somebody is writing to it is told by `is_locked`."""
    if journal.in_doubt:
        return State.UNFINISHED
    final = sum(result.outcome not in TO_RESUME for result in journal.latest.values())
    if final >= journal.chain[0].started.planned:
        return State.FINISHED
    finished = journal.chain[-1].finished
    given_up = finished is not None and finished.exit_code == RecordRejected.exit_code
    return State.GIVEN_UP if given_up else State.UNFINISHED


def is_locked(path: Path) -> bool:
    """Whether a process is writing to it, or nobody can tell. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@dataclass(frozen=True)
class OpenJournal:
    """A journal whose run has not come to its end, by its first run; `state` is UNFINISHED or RUNNING."""

    path: Path
    started: RunStarted
    state: State


def open_journals(folder: Path, unreadable: Callable[[Path, str], None]) -> Iterator[OpenJournal]:
    """The journals that lie in a folder and are not done with; what is damaged is left out.

    `unreadable` is told of each file that may be one and cannot be read, and why.
    """
    for path in sorted(folder.glob("*.jsonl")):
        try:
            found = _open_journal(path)
        except (FileNotFoundError, CleanupError):  # removed meanwhile, or damaged
            continue
        except OSError as error:
            unreadable(path, error.strerror or str(error))
            continue
        if found:
            yield found


def _open_journal(path: Path) -> OpenJournal | None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with path.open("rb") as file:
        started = _line(file.readline(_ENDS), RunStarted)
        file.seek(max(0, path.stat().st_size - _ENDS))
        last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    if started is None:
        return None
    if is_locked(path):
        return OpenJournal(path, started, State.RUNNING)
    finished = _line(last, RunFinished)
    if finished and not any(finished.counts[outcome] for outcome in TO_RESUME):
        return None
    return (
        OpenJournal(path, started, state)
        if (state := state_of(read_to_show(path))) is State.UNFINISHED
        else None
    )


def _line(line: bytes, kind: type[L]) -> L | None:
    try:
        return msgspec.json.decode(line, type=kind)
    except UNDECODABLE:
        return None
