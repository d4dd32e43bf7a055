"""Which plans and journals of a folder may go, and removing them while nobody writes to them."""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cleanup.files import sync_folder
from cleanup.journal.folder import Stored, StoredFile, StoredKind, identity_of
from cleanup.journal.state import State

_DONE = (State.FINISHED, State.GIVEN_UP)


@dataclass(frozen=True)
class Judged:
    """An old file, and why it stays all the same; None: it may go."""

    file: StoredFile
    stays: str | None


def judge(stored: Stored, keep: timedelta, now: datetime) -> tuple[Judged, ...]:
    """Of the files that nothing was written to for so long whether they may go; in the order to remove them.

    A journal stays until it is finished, and as long as its restore journal; a plan as long as it can be
    applied or a journal that stays names it; a restore journal as long as its journal, so that nothing is
    restored twice. What cannot be read may be such a journal, so that it keeps the plans and its own.
    """
    files, unreadable = stored.files, stored.unreadable
    old = [one for one in files if now - one.last > keep]
    young = {one.path for one in files} - {one.path for one in old} | set(unreadable)
    judged = [Judged(one, _why_a_journal_stays(one, young)) for one in old if one.kind is StoredKind.JOURNAL]
    going = {one.file.path for one in judged if one.stays is None}
    staying = [one for one in files if one.kind is StoredKind.JOURNAL and one.path not in going]
    staying_paths = [one.path for one in staying]
    restores = [
        Judged(one, _why_a_restore_stays(one, (*staying_paths, *unreadable)))
        for one in old
        if one.kind is StoredKind.RESTORE
    ]
    plans = [
        Judged(one, _why_a_plan_stays(one, staying, tuple(unreadable), now))
        for one in old
        if one.kind is StoredKind.PLAN
    ]
    return (*judged, *restores, *plans)


def restore_journal_of(journal: Path) -> Path:
    """Where the restore journal of a journal lies."""
    return journal.with_name(f"{journal.stem}.restore.jsonl")


def _why_a_journal_stays(one: StoredFile, young: set[Path]) -> str | None:
    if one.state is None:
        return "it is damaged, so nobody can tell whether it is finished"
    if one.state not in _DONE:
        return f"it is {one.state}"
    return "its restore journal stays" if restore_journal_of(one.path) in young else None


def _why_a_restore_stays(one: StoredFile, staying: Sequence[Path]) -> str | None:
    if one.state is State.RUNNING:
        return "it is running"
    journal = next((path for path in staying if restore_journal_of(path) == one.path), None)
    return f"{journal.name} stays" if journal else None


def _why_a_plan_stays(
    one: StoredFile, staying: Sequence[StoredFile], unreadable: Sequence[Path], now: datetime
) -> str | None:
    if one.expires_at is None or now < one.expires_at:
        return "it can still be applied"
    path = one.path.resolve()
    needs = next((other for other in staying if other.plan and other.plan.resolve() == path), None)
    if needs:
        return f"{needs.path.name} needs it"
    return f"{unreadable[0].name} may need it, and cannot be read" if unreadable else None


def remove(file: StoredFile) -> None:
    """Remove a file that still is what was judged. Raises OSError, also where somebody writes to it.

    It is locked meanwhile, as by who writes a journal: a `resume` that comes now is refused.
    """
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = file.path.lstat()
        if not identity_of(there) == identity_of(os.fstat(descriptor)) == file.identity:
            raise OSError(0, "it was changed meanwhile")
        file.path.unlink()
    except BlockingIOError as error:
        raise OSError(error.errno, "another process is writing to it") from error
    finally:
        os.close(descriptor)
    sync_folder(file.path.parent)
