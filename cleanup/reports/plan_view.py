"""A plan as a report: what it would delete, what that frees, and everything that speaks against it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.durations import format_moment
from cleanup.plan.file import Header, Plan, Summary
from cleanup.reports.formatting import count, label, plain, plain_words, size
from cleanup.reports.view import Column, Fact, Report, Section, Tally


class PlanHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document. `bytes` counts each content once and unknown sizes not at all;
    `bytes_freed` is the part that leaves SWR; `own_images` are those that are not built-in."""

    report: str = "plan"
    schema: int = 1
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


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
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
class PlanRows:
    """The rows of decisions, each made when it is come to: of very many a table shows few."""

    decisions: Sequence[Decision]
    now: datetime

    def __len__(self) -> int:
        return len(self.decisions)

    def __iter__(self) -> Iterator[PlanRow]:
        return (_row(decision, self.now) for decision in self.decisions)


def view(plan: Plan) -> Report:
    """The report of a plan."""
    now = plan.header.as_of or plan.header.created_at
    deletes, keeps = plan.decisions[: plan.summary.delete], plan.decisions[plan.summary.delete :]
    head = _head(plan)
    return Report(
        title=f"Plan {plain(plan.header.plan_id)}",
        head=head,
        warnings=tuple(map(plain, head.warnings)),
        facts=tuple(_facts(plan)),
        tallies=(
            Tally(title="By reason", counts=plain_words(plan.summary.by_reason)),
            Tally(title="To be deleted, by rule", counts=plain_words(plan.summary.by_rule)),
        ),
        sections=(
            Section(
                title="To be deleted, oldest first", columns=_DELETE_COLUMNS, rows=PlanRows(deletes, now)
            ),
            Section(title="Kept", columns=_KEEP_COLUMNS, rows=PlanRows(keeps, now), collapsed=True),
        ),
        rows=PlanRows(plan.decisions, now),
        row_type=PlanRow,
    )


def _row(decision: Decision, now: datetime) -> PlanRow:
    image, goes = decision.image, decision.action is Action.DELETE
    return PlanRow(
        action=decision.action,
        reason=decision.reason,
        rule=decision.rule,
        namespace=image.namespace,
        name=image.name,
        tag=image.tag,
        updated_at=image.updated_at,
        age_days=_age(image.updated_at, now),
        size=image.size if goes else None,
        force=decision.force,
        force_withheld=decision.force_withheld,
        visibility=image.visibility if goes else None,
        swr_path=image.swr_path if goes else None,
        id=image.id,
        detail=decision.detail,
    )


def _age(updated: datetime | None, now: datetime) -> int | None:
    return None if updated is None or updated > now else (now - updated).days


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
    if not header.inventory.complete:
        doubts = "; ".join(header.inventory.doubts) or "nobody wrote down why"
        yield f"THE INVENTORY IS NOT COMPLETE, apply will refuse this plan: {doubts}"
    if unseen := header.inventory.unseen:
        yield f"content stays in SWR (force is withheld), since it may be needed unseen: {', '.join(unseen)}"
    if header.as_of:
        yield f"a forecast for {format_moment(header.as_of)}: it cannot be applied"


def _facts(plan: Plan) -> Iterator[Fact]:
    header, summary, inventory = plan.header, plan.summary, plan.header.inventory
    workspaces = ", ".join(header.target.workspaces)
    yield Fact("target", plain(header.target.name))
    yield Fact("endpoint", plain(header.target.endpoint))
    yield Fact("project", plain(f"{header.target.project_id} (workspace {workspaces})"))
    yield Fact("created", format_moment(header.created_at))
    yield Fact("expires", format_moment(header.expires_at))
    yield Fact("policy", plain(f"{', '.join(header.policy.files)} (sha256 {header.policy.sha256[:12]})"))
    read = f"{count(inventory.images, 'image')} ({inventory.own:,} the project's own)"
    state = "complete" if inventory.complete else "NOT complete"
    yield Fact("read", f"{read}, {count(inventory.notebooks, 'notebook')}; {state}")
    yield Fact("delete", deleting(summary))
    yield Fact("freed in SWR", freeing(summary))
    if stays := summary.bytes - summary.bytes_freed:
        yield Fact("stays in SWR", f"{size(stays)}, can be registered again")


def deleting(summary: Summary) -> str:
    """`312 of 1,234 images, 512.3 GiB`, and how many sizes are not known."""
    total = summary.delete + summary.keep
    unknown = f", without {summary.sizes_unknown:,} of unknown size" if summary.sizes_unknown else ""
    return f"{summary.delete:,} of {count(total, 'image')}, {size(summary.bytes)}{unknown}"


def freeing(summary: Summary) -> str:
    """What leaves the registry: only `force` takes the content along."""
    if not summary.bytes_freed:
        return "nothing that is known of: only force deletes content"
    return f"{size(summary.bytes_freed)}, deleted with force for good"


def _force(row: PlanRow) -> str:
    return f"withheld: {row.force_withheld}" if row.force_withheld else "yes" if row.force else "no"


def _image(row: PlanRow) -> str:
    return plain(label(row.namespace, row.name, row.tag))


_IMAGE = Column(title="image", of=_image)
_RULE = Column(title="rule", of=lambda row: plain(row.rule or ""))
_DETAIL = Column(title="detail", of=lambda row: plain(row.detail), wide=True)
_DELETE_COLUMNS = (
    _IMAGE,
    Column(title="age", of=lambda row: "?" if row.age_days is None else f"{row.age_days}d", right=True),
    Column(title="size", of=lambda row: size(row.size), right=True),
    _RULE,
    Column(title="force", of=_force),
    _DETAIL,
)
_KEEP_COLUMNS = (_IMAGE, Column(title="reason", of=lambda row: row.reason.value), _RULE, _DETAIL)


def plan_line(summary: Summary) -> str:
    """`delete 312 of 1,234 images, 512.3 GiB; 41.2 GiB to be freed in SWR`."""
    return f"delete {deleting(summary)}; {size(summary.bytes_freed)} to be freed in SWR"
