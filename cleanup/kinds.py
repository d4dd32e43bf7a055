"""What kind of file of ours one is, by how it begins: a file given in another's place is called by its name."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from cleanup.errors import RecordRejected
from cleanup.files import read_regular

_HEAD: Final = 1 << 16  # bytes: a YAML file may begin with a long comment
_TOP_KEY: Final = re.compile(rb"^[\"']?([a-z_]+)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE)


class FileKind(StrEnum):
    PLAN = "plan"
    INVENTORY = "inventory"
    JOURNAL = "journal"
    RESTORE_JOURNAL = "restore journal"
    POLICY = "policy"
    TEST = "policy test"
    TARGETS = "targets file"
    PINS = "file of pins"  # it has no form of its own, so none is ever recognised


_RECORDS: Final = {
    b'{"kind":"plan"': FileKind.PLAN,
    b'{"kind":"inventory"': FileKind.INVENTORY,
    b'{"event":"run.': FileKind.JOURNAL,
    b'{"event":"journal.': FileKind.JOURNAL,
    b'{"event":"restore.': FileKind.RESTORE_JOURNAL,
}
_TAKEN_BY: Final = {
    FileKind.PLAN: "`apply` applies it, `report` shows it",
    FileKind.INVENTORY: "`plan`, `explain`, `diff` and `validate` take it with --inventory",
    FileKind.JOURNAL: "`report` shows it, `resume` finishes it, `restore` brings back what it deleted",
    FileKind.RESTORE_JOURNAL: "`restore` reads it beside the journal of that name, which is the one to give",
    FileKind.POLICY: "`plan`, `run` and `explain` take it with -p, `validate` checks it",
    FileKind.TEST: "`test` runs it",
    FileKind.TARGETS: "it is given with --targets",
    FileKind.PINS: "it is given with --pins",
}


def kind_of(path: Path) -> FileKind | None:
    """The kind of file that lies there; None for any other, and for what cannot be read."""
    try:
        return kind_in(read_regular(path, _HEAD))
    except OSError:
        return None


def kind_in(head: bytes) -> FileKind | None:
    """The kind of file that begins so."""
    for beginning, kind in _RECORDS.items():
        if head.startswith(beginning):
            return kind
    keys = {key.decode() for key in _TOP_KEY.findall(head[:_HEAD])}
    if keys & {"rules", "protect"}:
        return FileKind.POLICY
    if "targets" in keys:
        return FileKind.TARGETS
    return FileKind.TEST if {"policy", "images"} <= keys else None


def mistaken(found: FileKind | None, *wanted: FileKind) -> str | None:
    """What a file is that was given as one of another kind, and what takes it; None where nothing speaks against it.

    Goes on after the file's name: "is a journal, not a plan: ..."
    """
    if found is None or found in wanted:
        return None
    return f"is {_a(found)}, not {' or '.join(map(_a, wanted))}: {_TAKEN_BY[found]}"


def require_kind(path: Path, *wanted: FileKind) -> None:
    """Raise RecordRejected for a file that is empty, of another kind than is wanted, or not of JSON lines at all.

    What cannot be read is left to who reads it.
    """
    try:
        head = read_regular(path, _HEAD)
    except OSError:
        return
    names = " or ".join(map(_a, wanted))
    why = mistaken(kind_in(head), *wanted)
    if not head:
        why = f"is empty: it is not {names}, or one that is cut off"
    elif not (why or head.startswith(b'{"')):
        why = f"is not {names}, or one whose beginning is damaged"
    if why:
        raise RecordRejected(f"{path} {why}")


def _a(kind: FileKind) -> str:
    return f"an {kind}" if kind is FileKind.INVENTORY else f"a {kind}"
