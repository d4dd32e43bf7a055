"""What kind of file one is, by how it begins: what is mistaken is called by its name, and what is not ours stays."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from cleanup.errors import RecordRejected
from cleanup.files import read_regular

# What decoding JSON raises: the second where it is nested too deep.
UNDECODABLE: Final = (msgspec.MsgspecError, RecursionError)
_HEAD: Final = 1 << 16  # bytes: a YAML file may begin with a long comment
_TOP_KEY: Final = re.compile(rb"^[\"']?([a-z_]+)[\"']?[ \t]*:(?=\s|$)", re.MULTILINE)


class FileKind(StrEnum):
    """What a file may be, as people call it; the last four are no kind of ours."""

    PLAN = "a plan"
    INVENTORY = "an inventory"
    JOURNAL = "a journal"
    RESTORE_JOURNAL = "a restore journal"
    POLICY = "a policy"
    TEST = "a policy test"
    TARGETS = "a targets file"
    REPORT = "a report"
    PAGE = "an HTML page"
    SPREADSHEET = "a CSV table"
    RESULTS = "results of policy tests"
    PINS = "a file of pins"  # it has no form of its own: by its beginning one is WORDS
    WORDS = "a list of words, pins perhaps"
    FOLDER = "a folder"
    EMPTY = "an empty file"
    OTHER = "a file of another kind"


_STARTS: Final = (
    (rb'\{"kind":"plan"', FileKind.PLAN),
    (rb'\{"kind":"inventory"', FileKind.INVENTORY),
    (rb'\{"kind":"report"|\{\s*"report":', FileKind.REPORT),
    (rb'\{"event":"restore\.', FileKind.RESTORE_JOURNAL),
    (rb'\{"event":"(?:run|delete|journal)\.', FileKind.JOURNAL),
    (rb"(?i)<!doctype html", FileKind.PAGE),
    (rb'<\?xml[^>]*>\s*<testsuites name="image-cleanup test"', FileKind.RESULTS),
    (rb"[a-z_]+(?:,[a-z_]+){3,}\r?\n", FileKind.SPREADSHEET),
    (
        rb"## (?:Plan|Journal|Restored|To be restored|What changed|Explanation|Doctor|Policy tests|[0-9,]+ target)",
        FileKind.REPORT,
    ),
)
# Keys at the left margin that only one kind of YAML has.
_KEYS: Final = (
    ({"targets"}, FileKind.TARGETS),
    ({"defaults", "version"}, FileKind.TARGETS),
    ({"images", "version"}, FileKind.TEST),
    ({"rules"}, FileKind.POLICY),
    ({"protect"}, FileKind.POLICY),
    ({"limits", "version"}, FileKind.POLICY),
)
_MADE_OF: Final = "it was made of a plan or a journal, which is the one to give"
_TAKEN_BY: Final = {
    FileKind.PLAN: "`apply` applies it, `report` shows it",
    FileKind.INVENTORY: "`plan`, `explain`, `diff` and `validate` take it with --inventory",
    FileKind.JOURNAL: "`report` shows it, `resume` finishes it, `restore` brings back what it deleted",
    FileKind.RESTORE_JOURNAL: "`restore` reads it beside the journal of that name, which is the one to give",
    FileKind.POLICY: "`plan`, `run` and `explain` take it with -p, `validate` checks it",
    FileKind.TEST: "`test` runs it",
    FileKind.TARGETS: "it is given with --targets",
    FileKind.REPORT: _MADE_OF,
    FileKind.PAGE: _MADE_OF,
    FileKind.SPREADSHEET: _MADE_OF,
}


def kind_of(path: Path) -> FileKind:
    """What lies there. Raises OSError, also for what is no regular file and no folder."""
    return FileKind.FOLDER if path.is_dir() else kind_in(read_regular(path, _HEAD))


def kind_in(head: bytes) -> FileKind:
    """The kind of file that begins so."""
    if not head:
        return FileKind.EMPTY
    if found := next((kind for start, kind in _STARTS if re.match(start, head)), None):
        return found
    keys = {key.decode() for key in _TOP_KEY.findall(head[:_HEAD])}
    if found := next((kind for wanted, kind in _KEYS if wanted <= keys), None):
        return found
    return FileKind.WORDS if _is_list(head[:_HEAD]) else FileKind.OTHER


def _is_list(head: bytes) -> bool:
    """Whether every line is a comment, or one word such as an id or a reference."""
    lines = [line.strip() for line in head.splitlines()]
    return all(line.startswith(b"#") or re.fullmatch(rb"[\w./:@+-]*", line) for line in lines)


def mistaken(found: FileKind, *wanted: FileKind) -> str | None:
    """What a file is that was given as one of another kind, and what takes it; None where nothing speaks against it.

    Goes on after the file's name: "is a journal, not a plan: ..."
    """
    if found in wanted or found not in _TAKEN_BY:
        return None
    return f"is {found}, not {' or '.join(wanted)}: {_TAKEN_BY[found]}"


def require_kind(path: Path, *wanted: FileKind) -> None:
    """Raise RecordRejected for a file that is empty, of another kind than is wanted, or not of JSON lines at all.

    What cannot be read is left to who reads it.
    """
    try:
        head = read_regular(path, _HEAD)
    except OSError:
        return
    names = " or ".join(wanted)
    why = mistaken(kind_in(head), *wanted)
    if not head:
        why = f"is empty: it is not {names}, or one that is cut off"
    elif not (why or head.startswith(b'{"')):
        why = f"is not {names}, or one whose beginning is damaged"
    if why:
        raise RecordRejected(f"{path} {why}")
