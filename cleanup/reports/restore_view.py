"""What can be registered again from a journal, or what was, as a report."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from cleanup.outcome import Outcome
from cleanup.reports.formatting import count, label, plain
from cleanup.reports.view import Body, Column, Fact, Report, Section, Tally, more_in
from cleanup.restore.candidates import NEVER_RESTORED, Candidate
from cleanup.restore.records import RestoreResult, RestoreState

_WORST_FIRST = (
    RestoreState.UNKNOWN,
    RestoreState.FAILED,
    RestoreState.NOT_ATTEMPTED,
    RestoreState.RESTORABLE,
    RestoreState.RESTORED,
    RestoreState.ALREADY_RESTORED,
    RestoreState.NOT_RESTORABLE,
)
_BAD = frozenset({RestoreState.UNKNOWN, RestoreState.FAILED, RestoreState.NOT_ATTEMPTED})


class RestoreHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document; `applied` says whether anything was tried, or only looked at."""

    report: Literal["restore"] = "restore"
    schema: Literal[1] = 1
    journal: str
    restore_journal: str
    applied: bool
    by_state: dict[str, int]


class RestoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One image of the journal. `outcome` and `deleted_at` are its delete's, the rest is about restoring it.

    `not_restored` are fields that cannot be put back, or were not."""

    state: RestoreState
    why: str | None
    new_image_id: str | None
    image_id: str
    namespace: str | None
    name: str | None
    tag: str | None
    swr_path: str | None
    size: int | None
    outcome: Outcome | None
    deleted_at: datetime | None
    http_status: int | None = None
    error_code: str | None = None
    request_id: str | None = None
    not_restored: tuple[str, ...] = ()
    old_id_used_by: tuple[str, ...] = ()


def restore_view(
    found: Sequence[Candidate],
    results: Mapping[str, RestoreResult],
    *,
    journal: str,
    restore_journal: str,
    applied: bool,
) -> Report:
    """The report of the candidates and, by old id, what came of them."""
    unordered = (_row(one, results.get(one.image.id)) for one in found)
    rows = tuple(sorted(unordered, key=lambda row: _WORST_FIRST.index(row.state)))
    counted = Counter(row.state for row in rows)
    head = RestoreHead(
        journal=journal,
        restore_journal=restore_journal,
        applied=applied,
        by_state={state.value: counted[state] for state in RestoreState},
    )
    return _view(head, rows)


def _row(one: Candidate, result: RestoreResult | None) -> RestoreRow:
    image = one.image
    row = RestoreRow(
        state=one.state,
        why=one.why,
        new_image_id=one.new_image_id,
        image_id=image.id,
        namespace=image.namespace,
        name=image.name,
        tag=image.tag,
        swr_path=image.swr_path,
        size=image.size,
        outcome=one.outcome,
        deleted_at=one.deleted_at,
    )
    if result is None:
        can_be = one.state is RestoreState.RESTORABLE
        return msgspec.structs.replace(row, not_restored=NEVER_RESTORED) if can_be else row
    return msgspec.structs.replace(
        row,
        state=result.outcome,
        why=result.error_msg,
        new_image_id=result.new_image_id,
        http_status=result.http_status,
        error_code=result.error_code,
        request_id=result.request_id,
        not_restored=result.not_restored,
        old_id_used_by=result.old_id_used_by,
    )


def _view(head: RestoreHead, rows: tuple[RestoreRow, ...]) -> Report:
    return Report(
        title=f"{'Restored' if head.applied else 'To be restored'} from {plain(head.journal)}",
        head=head,
        warnings=(),
        facts=(
            Fact("images", count(len(rows), "image")),
            Fact("restore journal", plain(head.restore_journal)),
            Fact(
                "not put back",
                f"{', '.join(NEVER_RESTORED)} (the service makes them anew)",
            ),
        ),
        make_body=lambda: _body(head, rows),
        rows=rows,
        row_type=RestoreRow,
    )


def _body(head: RestoreHead, rows: tuple[RestoreRow, ...]) -> Body:
    return Body(
        tallies=(Tally(title="By state", counts={word: n for word, n in head.by_state.items() if n}),),
        sections=(
            Section(
                title="Images",
                columns=_AFTER if head.applied else _BEFORE,
                rows=rows,
                most=50,
                highlighted=sum(row.state in _BAD for row in rows),
                urgent="failed",
            ),
        ),
        listed=len(rows),
        more=more_in(f"image-cleanup restore {shlex.quote(head.journal)}"),
    )


def _why(row: RestoreRow) -> str:
    request = f"(request {row.request_id})" if row.request_id and row.state in _BAD else ""
    return plain(" ".join(part for part in (row.error_code, row.why, request) if part))


def _without(row: RestoreRow) -> str:
    """What is missing of a restored image beyond what always is, and whom its new id leaves behind."""
    lost = [name for name in row.not_restored if name not in NEVER_RESTORED]
    parts = [f"not put back: {', '.join(lost)}"] if lost and row.state is RestoreState.RESTORED else []
    if row.old_id_used_by:
        parts.append(f"its old id is named by {', '.join(row.old_id_used_by)}: point them at the new one")
    return plain("; ".join(part for part in (*parts, _why(row)) if part))


def _as_what(row: RestoreRow) -> str:
    return plain(f"as {row.new_image_id}") if row.new_image_id else _why(row)


_STATE = Column(title="state", of=lambda row: row.state)
_IMAGE = Column(title="image", of=lambda row: plain(label(row.namespace, row.name, row.tag)))
_OLD_ID = Column(title="id", of=lambda row: plain(row.image_id), right=True)
_NEW_ID = Column(title="new id", of=lambda row: plain(row.new_image_id or ""), right=True)
# Before, the state is told by why not, and names want the room.
_BEFORE = (
    Column(title="state", of=lambda row: row.state, wide=True),
    _IMAGE,
    _OLD_ID,
    Column(title="why not", of=_as_what, prose=True),
)
_AFTER = (_STATE, _IMAGE, _NEW_ID, Column(title="why not, or without what", of=_without, prose=True))
