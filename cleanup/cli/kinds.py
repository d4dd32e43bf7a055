"""What lies where a report shall be written, told by its beginning: only an older report is replaced."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from cleanup.files import read_regular

_BEGINNING: Final = 1 << 16


class PathKind(StrEnum):
    """What may lie in a report's place, as people call it."""

    PLAN = "a plan"
    JOURNAL = "a journal"
    RESTORE_JOURNAL = "a restore journal"
    INVENTORY = "an inventory"
    POLICY = "a policy"
    CASES = "a policy test"
    TARGETS = "a targets file"
    REPORT = "a report"
    PAGE = "an HTML page"
    SPREADSHEET = "a CSV table"
    RESULTS = "results of policy tests"
    FOLDER = "a folder"
    EMPTY = "an empty file"
    LIST = "a list of words, pins perhaps"
    OTHER = "a file of another kind"


_STARTS: Final = (
    (rb'\{"kind":"plan"', PathKind.PLAN),
    (rb'\{"kind":"inventory"', PathKind.INVENTORY),
    (rb'\{"kind":"report"|\{\s*"report":', PathKind.REPORT),
    (rb'\{"event":"restore\.', PathKind.RESTORE_JOURNAL),
    (rb'\{"event":', PathKind.JOURNAL),
    (rb"(?i)<!doctype html", PathKind.PAGE),
    (rb"<\?xml[^>]*>\s*<testsuites", PathKind.RESULTS),
    (rb"[a-z_]+(?:,[a-z_]+){3,}\r?\n", PathKind.SPREADSHEET),
    (
        rb"## (?:Plan|Journal|Restored|To be restored|What changed|Explanation|Doctor|Policy tests|[0-9,]+ target)",
        PathKind.REPORT,
    ),
    # Of YAML, a key at the left margin that only one of the three has.
    (rb"(?s)(?:.*\n)?targets:", PathKind.TARGETS),
    (rb"(?s)(?:.*\n)?images:", PathKind.CASES),
    (rb"(?s)(?:.*\n)?(?:rules|protect|limits):", PathKind.POLICY),
)


def kind_of(path: Path) -> PathKind:
    """What lies at `path`. Raises OSError, also for what is no regular file and no folder."""
    if path.is_dir():
        return PathKind.FOLDER
    beginning = read_regular(path, _BEGINNING)
    if not beginning:
        return PathKind.EMPTY
    told = next((kind for start, kind in _STARTS if re.match(start, beginning)), PathKind.OTHER)
    return PathKind.LIST if told is PathKind.OTHER and _is_list(beginning) else told


def _is_list(beginning: bytes) -> bool:
    """Whether every line is a comment, or one word such as an id or a reference."""
    lines = [line.strip() for line in beginning.splitlines()]
    return all(line.startswith(b"#") or re.fullmatch(rb"[\w./:@+-]*", line) for line in lines)
