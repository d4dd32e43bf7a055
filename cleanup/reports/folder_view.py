"""The plans and journals of a folder as a report."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from cleanup.durations import format_duration, format_moment
from cleanup.journal.folder import StoredFile, StoredKind
from cleanup.journal.state import State
from cleanup.reports.formatting import count, file_name, plain, size
from cleanup.reports.view import Body, Column, Report, Section


class StoredRow(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `size` in bytes; of a plan `expires_at`, of a journal `planned`, `outcomes`, `in_doubt` and `plan`."""

    name: str
    kind: StoredKind
    state: str | None
    target: str
    project_id: str
    last_written: datetime
    size: int
    planned: int | None
    outcomes: dict[str, int]
    in_doubt: int
    plan: str | None
    expires_at: datetime | None


class FolderHead(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON document: all files, the oldest first."""

    report: Literal["journals"] = "journals"
    schema: Literal[1] = 1
    folder: str
    files: tuple[StoredRow, ...]


def folder_view(folder: Path, files: Sequence[StoredFile], now: datetime) -> Report:
    """The report of what lies in a folder, the oldest first."""
    files = sorted(files, key=lambda one: (one.last, one.path))
    rows = tuple(map(_row, files))
    return Report(
        title=f"Folder {plain(str(folder))}",
        verdict=_told(folder, files),
        head=FolderHead(folder=file_name(folder), files=rows),
        warnings=(),
        facts=(),
        make_body=lambda: Body(tallies=(), sections=(_section(rows),), listed=0, more=""),
        rows=rows,
        row_type=StoredRow,
        prose="".join(f"{plain(line)}\n" for line in _lines(folder, files, now)),
        rows_in_head=True,
    )


def _section(rows: Sequence[StoredRow]) -> Section:
    return Section(title="Files", columns=_COLUMNS, rows=rows, most=len(rows), images=False)


def _row(one: StoredFile) -> StoredRow:
    return StoredRow(
        name=file_name(Path(one.path.name)),
        kind=one.kind,
        state=one.state or ("damaged" if one.kind is StoredKind.JOURNAL else None),
        target=one.target,
        project_id=one.project_id,
        last_written=one.last,
        size=one.size,
        planned=one.planned,
        outcomes=dict(one.outcomes),
        in_doubt=one.in_doubt,
        plan=file_name(one.plan) if one.plan else None,
        expires_at=one.expires_at,
    )


_COLUMNS = (
    Column(title="file", of=lambda row: plain(row.name)),
    Column(title="kind", of=lambda row: row.kind),
    Column(title="state", of=lambda row: row.state or ""),
    Column(title="target", of=lambda row: plain(row.target)),
    Column(title="last written", of=lambda row: format_moment(row.last_written)),
    Column(title="size", of=lambda row: size(row.size), right=True),
)


def _lines(folder: Path, files: Sequence[StoredFile], now: datetime) -> Iterator[str]:
    for one in files:
        yield one.path.name
        age = format_duration(max(now - one.last, now - now))
        yield f"  {_what(one, now)}; target {one.target}; {_counts(one)}{age} old, {size(one.size)}"
    yield _told(folder, files)


def _told(folder: Path, files: Sequence[StoredFile]) -> str:
    """`2 journals, 1 plan, 4.0 KiB; 1 unfinished, ...`"""
    if not files:
        return f"no plan and no journal lies in {folder}"
    kinds = [count(number, kind) for kind in StoredKind if (number := sum(one.kind is kind for one in files))]
    unfinished = sum(one.state is State.UNFINISHED for one in files)
    told = f"{', '.join(kinds)}, {size(sum(one.size for one in files))}; {unfinished} unfinished"
    if not unfinished:
        return told
    return f"{told}, `image-cleanup resume` finishes {'it' if unfinished == 1 else 'them'}"


def _what(one: StoredFile, now: datetime) -> str:
    match one.kind:
        case StoredKind.JOURNAL:
            return f"journal, {one.state or 'damaged'}"
        case StoredKind.PLAN:
            return "plan, expired" if one.expires_at and now >= one.expires_at else "plan, can be applied"
        case StoredKind.RESTORE:
            return f"restore journal{', running' if one.state else ''}"


def _counts(one: StoredFile) -> str:
    """`40 planned: 33 deleted, 3 in doubt; `, as far as it is known."""
    if one.planned is None:
        return ""
    parts = [f"{number:,} {outcome}" for outcome, number in one.outcomes.items()]
    if one.in_doubt:
        parts.append(f"{one.in_doubt:,} in doubt")
    return f"{one.planned:,} planned{': ' if parts else ''}{', '.join(parts)}; "
