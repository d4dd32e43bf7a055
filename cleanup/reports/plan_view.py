"""A plan as a report: what it would delete, what that frees, and everything that speaks against it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.durations import format_moment
from cleanup.plan.figures import Figures, GroupFigures, Share, figures
from cleanup.plan.lines import Decided
from cleanup.plan.plan import Header, Plan
from cleanup.plan.stored_decisions import ImageFields, in_columns
from cleanup.plan.summary import Summary
from cleanup.reports.formatting import label, plain, plain_words, size
from cleanup.reports.plan_evidence import EvidenceRows, PlanEvidence, of_deletes, rule_terms
from cleanup.reports.plan_verdict import facts, verdict
from cleanup.reports.view import Body, Column, ColumnRows, Columns, Report, Section, Tally, more_in, top

_FEW = 20  # so many deletes are all listed
_PICKED = 10
_GROUPS = 3
_NEWEST = 3
_WORDS = 4
_NO_NAME = "?"


class Sign(StrEnum):
    """How a delete is marked in a list."""

    DELETE = "-"
    CONTENT = "-!"
    WITHHELD = "~"


class PlanHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document. `bytes` counts each content once and unknown sizes not at all;
    `bytes_freed` is the part that leaves SWR; `own_images` are those that are not built-in."""

    report: Literal["plan"] = "plan"
    schema: Literal[1] = 1
    plan_id: str
    target: str
    endpoint: str
    project_id: str
    workspaces: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    as_of: datetime | None
    policy_files: tuple[str, ...]
    policy_sha256: str
    images_read: int
    own_images: int
    notebooks_read: int
    complete: bool
    warnings: tuple[str, ...]
    delete: int
    keep: int
    bytes: int
    bytes_freed: int
    sizes_unknown: int
    over_limits: tuple[str, ...]
    by_reason: dict[str, int]
    by_rule: dict[str, int]


class PlanRow(msgspec.Struct, frozen=True, gc=False):
    """One image of a plan, as JSON and CSV give it. `size` is in bytes, `age_days` since `updated_at`.

    A kept image has no `size`, `visibility` and `swr_path`: a plan file does not hold them, and a
    report says the same whether it is made from the file or right away.
    """

    action: Action
    reason: Reason
    rule: str | None
    namespace: str | None
    name: str | None
    tag: str | None
    updated_at: datetime | None
    age_days: int | None
    size: int | None
    force: bool
    force_withheld: Withheld | None
    visibility: str | None
    swr_path: str | None
    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class PlanRows(ColumnRows):
    """The rows of decisions, made when they are come to: of very many a table shows few."""

    decisions: Sequence[Decision]
    now: datetime

    def __len__(self) -> int:
        return len(self.decisions)

    def __iter__(self) -> Iterator[PlanRow]:
        for columns in self.columns():
            yield from map(PlanRow, *columns.values())

    def columns(self) -> Iterator[Columns]:
        for decided, images in in_columns(self.decisions):
            yield _row_columns(decided, images, self.now)


def view(plan: Plan, file: Path | None = None, command: str = "") -> Report:
    """The report of a plan; `file` is where it lies, `command` what shows it again where it lies nowhere."""
    again = f"image-cleanup report {shlex.quote(str(file))}" if file else command
    now = plan.header.as_of or plan.header.created_at
    head = _head(plan)
    return Report(
        title=f"Plan {plain(plan.header.plan_id)}",
        verdict=verdict(plan, len(head.warnings)),
        head=head,
        warnings=tuple(map(plain, head.warnings)),
        facts=tuple(facts(plan)),
        make_body=lambda: _body(plan, now, again),
        rows=PlanRows(plan.decisions, now),
        row_type=PlanRow,
        rules=rule_terms(plan.policy),
        evidence=EvidenceRows(plan, partial(_row_columns, now=now)),
        evidence_type=PlanEvidence,
        explain=" ".join(["image-cleanup explain", *(f"-p {shlex.quote(one)}" for one in head.policy_files)]),
    )


def _row_columns(decided: Sequence[Decided], images: ImageFields, now: datetime) -> Columns:
    """The fields of PlanRow, in their order."""
    goes = [one.action is Action.DELETE for one in decided]
    return {
        "action": [one.action for one in decided],
        "reason": [one.reason for one in decided],
        "rule": [one.rule for one in decided],
        "namespace": images["namespace"],
        "name": images["name"],
        "tag": images["tag"],
        "updated_at": images["updated_at"],
        "age_days": [None if one is None or one > now else (now - one).days for one in images["updated_at"]],
        "size": of_deletes(goes, images["size"]),
        "force": [one.force for one in decided],
        "force_withheld": [one.force_withheld for one in decided],
        "visibility": of_deletes(goes, images["visibility"]),
        "swr_path": of_deletes(goes, images["swr_path"]),
        "id": images["id"],
        "detail": [one.detail for one in decided],
    }


def _head(plan: Plan) -> PlanHead:
    header, summary = plan.header, plan.summary
    return PlanHead(
        plan_id=header.plan_id,
        target=header.target.name,
        endpoint=header.target.endpoint,
        project_id=header.target.project_id,
        workspaces=header.target.workspaces,
        created_at=header.created_at,
        expires_at=header.expires_at,
        as_of=header.as_of,
        policy_files=header.policy.files,
        policy_sha256=header.policy.sha256,
        images_read=header.inventory.images,
        own_images=header.inventory.own,
        notebooks_read=header.inventory.notebooks,
        complete=header.inventory.complete,
        warnings=tuple(_warnings(header, summary)),
        delete=summary.delete,
        keep=summary.keep,
        bytes=summary.bytes,
        bytes_freed=summary.bytes_freed,
        sizes_unknown=summary.sizes_unknown,
        over_limits=summary.over_limits,
        by_reason=summary.by_reason,
        by_rule=summary.by_rule,
    )


def _warnings(header: Header, summary: Summary) -> Iterator[str]:
    for breach in summary.over_limits:
        yield f"OVER THE LIMIT, apply will refuse this plan: {breach}"
    yield from header.warnings
    if not header.inventory.complete:
        doubts = "; ".join(header.inventory.doubts) or "nobody wrote down why"
        yield f"THE INVENTORY IS NOT COMPLETE, apply will refuse this plan: {doubts}"
    if unseen := header.inventory.unseen:
        yield f"content stays in SWR (force is withheld), since it may be needed unseen: {', '.join(unseen)}"
    if header.as_of:
        yield f"a forecast for {format_moment(header.as_of)}: it cannot be applied"


def _body(plan: Plan, now: datetime, command: str) -> Body:
    """Few deletes are all listed; of more the largest, the oldest, and the groups that lose most."""
    counted = figures(plan, groups=_GROUPS, newest=_NEWEST, largest=_PICKED)
    number = plan.summary.delete
    oldest = PlanRows(plan.decisions[: min(number, _PICKED)], now)
    if number <= _FEW:
        lists = [
            Section(
                title="To be deleted, oldest first",
                columns=_DELETE_COLUMNS,
                legend=_LEGEND,
                rows=PlanRows(plan.decisions[:number], now),
                most=_FEW,
            )
        ]
    else:
        lists = [
            Section(
                title=f"To be deleted, the largest of {number:,}",
                columns=_DELETE_COLUMNS,
                legend=_LEGEND,
                rows=PlanRows(counted.largest, now),
            ),
            Section(title=f"To be deleted, the oldest of {number:,}", columns=_DELETE_COLUMNS, rows=oldest),
        ]
    keeps = Section(
        title="Kept", columns=_KEEP_COLUMNS, rows=PlanRows(plan.decisions[number:], now), collapsed=True
    )
    return Body(
        tallies=tuple(_tallies(plan, counted)),
        sections=(*_groups(counted), *lists, keeps),
        listed=number,
        more=more_in(command),
    )


def _tallies(plan: Plan, counted: Figures) -> Iterator[Tally]:
    rules = {rule or _NO_NAME: share for rule, share in counted.by_rule.items()}
    namespaces = {namespace or "?": share for namespace, share in counted.by_namespace.items()}
    yield _shares("Deletes by rule", rules)
    yield _shares("Deletes by namespace", namespaces)
    yield Tally(title="All, by reason", counts=plain_words(top(plan.summary.by_reason, len(Reason))))


def _shares(title: str, shares: Mapping[str, Share]) -> Tally:
    counts = top({word: share.images for word, share in shares.items()}, _WORDS)
    return Tally(
        title=title,
        counts=plain_words(counts),
        sizes={plain(word): shares[word].bytes for word in counts},
        more=len(shares) - len(counts),
    )


def _groups(counted: Figures) -> Iterator[Section]:
    if counted.groups:
        first = (
            f"{len(counted.groups)} of {counted.all_groups:,} groups"
            if counted.all_groups > len(counted.groups)
            else "Groups"
        )
        yield Section(
            title=f"{first}, those that lose most first",
            columns=_GROUP_COLUMNS,
            rows=counted.groups,
            images=False,
        )


def _sign(row: PlanRow) -> str:
    return Sign.WITHHELD if row.force_withheld else Sign.CONTENT if row.force else Sign.DELETE


def _force(row: PlanRow) -> str:
    return f"withheld: {row.force_withheld}" if row.force_withheld else "yes" if row.force else "no"


def _age_of(row: PlanRow) -> str:
    return "?" if row.age_days is None else f"{row.age_days}d"


def _image(row: PlanRow) -> str:
    return plain(label(row.namespace, row.name, row.tag))


def _newest(group: GroupFigures) -> str:
    """The tags of the newest that stay, each with its reason, and how many stay in all."""
    shown = [f"{one.image.tag or '?'} ({one.reason})" for one in group.newest]
    more = [f"{group.stay - len(shown):,} more"] if group.stay > len(shown) else []
    return plain(", ".join([*shown, *more])) or "none"


_LEGEND = "- delete   -! delete with content   ~ delete, force withheld (content stays)"
_IMAGE = Column(title="image", of=_image)
_RULE = Column(title="rule", of=lambda row: plain(row.rule or ""))
_DETAIL = Column(title="detail", of=lambda row: plain(row.detail), wide=True, prose=True)
_DELETE_COLUMNS = (
    Column(title="", of=_sign),
    _IMAGE,
    Column(title="age", of=_age_of, right=True),
    Column(title="size", of=lambda row: size(row.size), right=True),
    _RULE,
    Column(title="force", of=_force, wide=True),
    _DETAIL,
)
_KEEP_COLUMNS = (_IMAGE, Column(title="reason", of=lambda row: row.reason.value), _RULE, _DETAIL)
_GROUP_COLUMNS = (
    Column(title="group", of=lambda group: plain("/".join(part or "?" for part in group.name))),
    Column(title="-", of=lambda group: f"{group.plain:,}", right=True),
    Column(title="-!", of=lambda group: f"{group.forced:,}", right=True),
    Column(title="~", of=lambda group: f"{group.withheld:,}", right=True),
    Column(title="leaves SWR", of=lambda group: size(group.bytes), right=True),
    Column(title="stay", of=lambda group: f"{group.stay:,}", right=True),
    Column(title="the newest that stay", of=_newest, listed=True),
)
