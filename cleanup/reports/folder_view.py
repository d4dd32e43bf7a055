"""The plans and journals of a folder, as text for people, or as JSON."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from cleanup.durations import format_duration
from cleanup.journal.folder import Kind, StoredFile
from cleanup.journal.state import State
from cleanup.reports.formatting import count, plain, size
from cleanup.reports.view import ProseFormat, indented


def render_folder(folder: Path, files: Sequence[StoredFile], format: ProseFormat, now: datetime) -> str:
    """The oldest first; JSON is one document."""
    files = sorted(files, key=lambda one: (one.last, one.path))
    if format is ProseFormat.JSON:
        described = [_described(one) for one in files]
        return indented({"report": "journals", "schema": 1, "folder": str(folder), "files": described})
    return "\n".join(map(plain, _lines(folder, files, now)))


def _described(one: StoredFile) -> dict[str, object]:
    return {
        "name": one.path.name,
        "kind": one.kind,
        "state": one.state or ("damaged" if one.kind is Kind.JOURNAL else None),
        "target": one.target,
        "project_id": one.project_id,
        "last_written": one.last,
        "size": one.size,
        "planned": one.planned,
        "outcomes": dict(one.outcomes),
        "in_doubt": one.in_doubt,
        "plan": str(one.plan) if one.plan else None,
        "expires_at": one.expires_at,
    }


def _lines(folder: Path, files: Sequence[StoredFile], now: datetime) -> Iterator[str]:
    for one in files:
        yield one.path.name
        age = format_duration(max(now - one.last, now - now))
        yield f"  {_what(one, now)}; target {one.target}; {_counts(one)}{age} old, {size(one.size)}"
    kinds = [count(number, kind) for kind in Kind if (number := sum(one.kind is kind for one in files))]
    if not files:
        yield f"no plan and no journal lies in {folder}"
        return
    unfinished = sum(one.state is State.UNFINISHED for one in files)
    told = f"{', '.join(kinds)}, {size(sum(one.size for one in files))}; {unfinished} unfinished"
    yield (
        f"{told}, `image-cleanup resume` finishes {'it' if unfinished == 1 else 'them'}"
        if unfinished
        else told
    )


def _what(one: StoredFile, now: datetime) -> str:
    match one.kind:
        case Kind.JOURNAL:
            return f"journal, {one.state or 'damaged'}"
        case Kind.PLAN:
            return "plan, expired" if one.expires_at and now >= one.expires_at else "plan, can be applied"
        case Kind.RESTORE:
            return f"restore journal{', running' if one.state else ''}"


def _counts(one: StoredFile) -> str:
    """`40 planned: 33 deleted, 3 in doubt; `, as far as it is known."""
    if one.planned is None:
        return ""
    parts = [f"{number:,} {outcome}" for outcome, number in one.outcomes.items()]
    if one.in_doubt:
        parts.append(f"{one.in_doubt:,} in doubt")
    return f"{one.planned:,} planned{': ' if parts else ''}{', '.join(parts)}; "
