"""The plans and journals that lie in a folder: what each is, and how far its run came."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cleanup.errors import CleanupError, UsageError
from cleanup.journal.reader import read_to_show
from cleanup.journal.records import RunStarted
from cleanup.journal.state import State, is_locked, state_of
from cleanup.kinds import UNDECODABLE, FileKind, kind_in
from cleanup.outcome import tally

S = TypeVar("S", bound=msgspec.Struct)
_FIRST: Final = 1 << 24  # bytes that a first line may have: a plan's holds its policy
_LAST: Final = 1 << 16


class StoredKind(StrEnum):
    JOURNAL = "journal"
    RESTORE = "restore journal"
    PLAN = "plan"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of ours. `last` is when something was written to it; `identity` changes with its content.

    Of a journal: its `state`, None where it is damaged; so many `planned` with these `outcomes` and so many
    `in_doubt`; and the `plan` that it names. Of a plan: how many it deletes, and until when it can be applied.
    """

    path: Path
    kind: StoredKind
    size: int
    last: datetime
    identity: tuple[int, ...]
    target: str = ""
    project_id: str = ""
    state: State | None = None
    planned: int | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    in_doubt: int = 0
    plan: Path | None = None
    expires_at: datetime | None = None


class _TargetNamed(msgspec.Struct, frozen=True):
    name: str = ""
    project_id: str = ""


class _PlanBegins(msgspec.Struct, frozen=True, tag_field="kind", tag="plan"):
    created_at: datetime
    expires_at: datetime
    target: _TargetNamed


class _PlanEnds(msgspec.Struct, frozen=True, tag_field="kind", tag="summary"):
    delete: int


class _RestoreBegins(msgspec.Struct, frozen=True, tag_field="event", tag="restore.started"):
    timestamp: datetime
    target: str = ""
    project_id: str = ""


class _Written(msgspec.Struct, frozen=True):
    """Any line of a journal."""

    timestamp: datetime


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """What is another after every change of the file, and for every other file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Stored:
    """Everything of ours in a folder, by name. `unreadable` may be ours, too: each with why nobody can tell."""

    files: tuple[StoredFile, ...]
    unreadable: Mapping[Path, str] = field(default_factory=dict)


def stored_in(folder: Path) -> Stored:
    """What lies in the folder itself; links and subfolders are not followed.

    Raises UsageError where it cannot be listed.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
    except OSError as error:
        raise UsageError(f"cannot list the folder {folder}: {error.strerror}") from error
    files: list[StoredFile] = []
    unreadable: dict[Path, str] = {}
    for path in paths:
        try:
            files += _stored(path)
        except FileNotFoundError:  # it was removed meanwhile
            continue
        except OSError as error:
            unreadable[path] = error.strerror or str(error)
    return Stored(tuple(files), unreadable)


def _stored(path: Path) -> Iterator[StoredFile]:
    """The file, or nothing where it is not ours. Raises OSError, also for a journal whose first line is damaged."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return
    with path.open("rb") as file:
        first = file.readline(_FIRST)
        file.seek(max(0, status.st_size - _LAST))
        last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    found = [one for kind in (_plan, _restore_journal, _journal) if (one := kind(path, status, first, last))]
    if not found and kind_in(first) in (FileKind.JOURNAL, FileKind.RESTORE_JOURNAL):
        raise OSError(errno.EIO, "its first line is damaged")
    yield from found


def _plan(path: Path, status: os.stat_result, first: bytes, last: bytes) -> StoredFile | None:
    if not (head := _decoded(first, _PlanBegins)):
        return None
    end = _decoded(last, _PlanEnds)
    return StoredFile(
        path=path,
        kind=StoredKind.PLAN,
        size=status.st_size,
        last=_later(status, head.created_at),
        identity=identity_of(status),
        target=head.target.name,
        project_id=head.target.project_id,
        planned=end.delete if end else None,
        expires_at=head.expires_at,
    )


def _restore_journal(path: Path, status: os.stat_result, first: bytes, _: bytes) -> StoredFile | None:
    if not (head := _decoded(first, _RestoreBegins)):
        return None
    return StoredFile(
        path=path,
        kind=StoredKind.RESTORE,
        size=status.st_size,
        last=_later(status, head.timestamp),
        identity=identity_of(status),
        target=head.target,
        project_id=head.project_id,
        state=State.RUNNING if is_locked(path) else None,
    )


def _journal(path: Path, status: os.stat_result, first: bytes, last: bytes) -> StoredFile | None:
    if not (head := _decoded(first, RunStarted)):
        return None
    written = _decoded(last, _Written)
    found = StoredFile(
        path=path,
        kind=StoredKind.JOURNAL,
        size=status.st_size,
        last=_later(status, written.timestamp if written else head.timestamp),
        identity=identity_of(status),
        target=head.target,
        project_id=head.project_id,
        planned=head.planned,
        plan=path.absolute().parent / head.plan,
    )
    try:
        journal = read_to_show(path)
    except CleanupError:
        return found
    latest = tally(result.outcome for result in journal.latest.values())
    return replace(
        found,
        state=State.RUNNING if is_locked(path) else state_of(journal),
        planned=journal.chain[0].started.planned,
        outcomes={outcome.value: number for outcome, number in latest.items() if number},
        in_doubt=len(journal.in_doubt),
        plan=path.absolute().parent / journal.chain[0].started.plan,
    )


def _decoded(line: bytes, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(line, type=kind)
    except UNDECODABLE:
        return None


def _later(status: os.stat_result, said: datetime | None) -> datetime:
    """The later of what the file system and the file say: a file is never taken for older than it is."""
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    return max(changed, said) if said and said.tzinfo else changed
