"""What changed between two plans, or between two policies on one inventory: the changes that may hurt first."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from cleanup.decision.diff import Change, ChangeKind, changes, counted
from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_moment
from cleanup.errors import UsageError
from cleanup.plan.plan import Plan
from cleanup.policy.language import Policy
from cleanup.reports.formatting import count, label, plain, plain_words
from cleanup.reports.view import Body, Column, Fact, Report, Section, Tally, more_in


class ComparedSide(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two. `plan_id` and what is about time are None where policies are compared."""

    plan_id: str | None = None
    target: str | None = None
    created_at: datetime | None = None
    as_of: datetime | None = None
    policy_files: tuple[str, ...]
    policy_sha256: str
    images: int
    delete: int


class ComparisonHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document; only images that changed are listed, `unchanged` counts the others."""

    report: Literal["comparison"] = "comparison"
    schema: Literal[1] = 1
    before: ComparedSide
    after: ComparedSide
    warnings: tuple[str, ...]
    changed: int
    unchanged: int
    by_change: dict[str, int]


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One image that changed, as JSON and CSV give it; a side where the image is not there is None."""

    change: ChangeKind
    namespace: str | None
    name: str | None
    tag: str | None
    id: str
    before_action: Action | None
    before_reason: Reason | None
    before_rule: str | None
    before_force: bool | None
    before_detail: str | None
    after_action: Action | None
    after_reason: Reason | None
    after_rule: str | None
    after_force: bool | None
    after_detail: str | None
    why: str


def between_plans(one: Plan, other: Plan, command: str = "") -> Report:
    """What changed between two plans of one project: the one that looks at an earlier time is before.

    `command` is what shows them in another format. Raises UsageError for plans of two projects.
    """
    before, after = sorted((other, one), key=_moment)
    places = [(plan.header.target.endpoint, plan.header.target.project_id) for plan in (before, after)]
    if places[0] != places[1]:
        told = " and ".join(f"project {project} at {endpoint}" for endpoint, project in places)
        raise UsageError(f"the plans are of {told}: only plans of one project can be compared")
    same_policy = before.header.policy.sha256 == after.header.policy.sha256
    found = changes(before.decisions, after.decisions, same_policy=same_policy)
    sides = [
        ComparedSide(
            plan_id=plan.header.plan_id,
            target=plan.header.target.name,
            created_at=plan.header.created_at,
            as_of=plan.header.as_of,
            policy_files=plan.header.policy.files,
            policy_sha256=plan.header.policy.sha256,
            images=len(plan.decisions),
            delete=plan.summary.delete,
        )
        for plan in (before, after)
    ]
    return _comparison(found, sides, tuple(_doubts(before, after)), command)


def between_policies(
    old: Policy,
    new: Policy,
    before: Sequence[Decision],
    after: Sequence[Decision],
    command: str = "",
    warnings: Sequence[str] = (),
) -> Report:
    """What changes when one policy takes the place of another; the decisions of both are on one inventory.

    `command` is what shows it in another format, `warnings` are about the inventory.
    """
    sides = [
        ComparedSide(
            policy_files=policy.files,
            policy_sha256=policy.sha256,
            images=len(decisions),
            delete=sum(one.action is Action.DELETE for one in decisions),
        )
        for policy, decisions in ((old, before), (new, after))
    ]
    return _comparison(changes(before, after), sides, warnings, command)


def _moment(plan: Plan) -> datetime:
    return plan.header.as_of or plan.header.created_at


def _doubts(before: Plan, after: Plan) -> Iterator[str]:
    """Why the plans may differ for another reason than that something happened in the project."""
    old, new = before.header, after.header
    if old.policy.sha256 != new.policy.sha256:
        yield f"the policies differ: sha256 {old.policy.sha256[:12]} before, {new.policy.sha256[:12]} after"
    for word, header in (("earlier", old), ("later", new)):
        if header.as_of:
            yield f"the {word} plan is a forecast for {format_moment(header.as_of)}"
        if not header.inventory.complete:
            yield f"the inventory of the {word} plan is not complete"
    if old.target.workspaces != new.target.workspaces:
        yield f"the workspaces differ: {_listed(old.target.workspaces)} before, {_listed(new.target.workspaces)} after"
    asked = [(one.inventory.in_use, frozenset(one.inventory.users)) for one in (old, new)]
    if asked[0] != asked[1]:
        yield "the plans asked different users of images (--in-use, --users)"
    if old.inventory.pins != new.inventory.pins:
        yield f"the pins differ: {old.inventory.pins:,} before, {new.inventory.pins:,} after"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _comparison(
    found: Sequence[Change], sides: Sequence[ComparedSide], warnings: Sequence[str], command: str = ""
) -> Report:
    """The report of the changes that were `found`."""
    before, after = sides
    rows = tuple(map(_row, found))
    by_change = Counter(row.change for row in rows)
    head = ComparisonHead(
        before=before,
        after=after,
        warnings=tuple(warnings),
        changed=len(rows),
        unchanged=after.images - sum(one.after is not None for one in found),
        by_change={kind.value: by_change[kind] for kind in ChangeKind},
    )
    return Report(
        title="What changed",
        verdict=_verdict(head),
        head=head,
        warnings=tuple(map(plain, warnings)),
        facts=(*_facts(head), *_common_why(rows)),
        make_body=lambda: _body(head, rows, found, command),
        rows=rows,
        row_type=ChangeRow,
    )


def _body(head: ComparisonHead, rows: Sequence[ChangeRow], found: Sequence[Change], command: str) -> Body:
    return Body(
        tallies=(
            Tally(title="By change", counts={word: n for word, n in head.by_change.items() if n}),
            Tally(title="From and to", counts=plain_words(counted(found))),
        ),
        sections=(
            Section(
                title="Images that changed, newly deleted first",
                columns=_columns(rows),
                rows=rows,
                most=50,
                highlighted=sum(row.change in (ChangeKind.NEWLY_DELETED, ChangeKind.FORCE) for row in rows),
                urgent="newly deleted, or deleted with another say about their content",
            ),
        ),
        listed=len(rows),
        more=more_in(command),
    )


def _row(change: Change) -> ChangeRow:
    before, after, image = change.before, change.after, change.image
    return ChangeRow(
        change=change.kind,
        namespace=image.namespace,
        name=image.name,
        tag=image.tag,
        id=image.id,
        before_action=before.action if before else None,
        before_reason=before.reason if before else None,
        before_rule=before.rule if before else None,
        before_force=before.force if before else None,
        before_detail=before.detail if before else None,
        after_action=after.action if after else None,
        after_reason=after.reason if after else None,
        after_rule=after.rule if after else None,
        after_force=after.force if after else None,
        after_detail=after.detail if after else None,
        why=change.why,
    )


_WORDS = {
    ChangeKind.NEWLY_DELETED: "newly deleted",
    ChangeKind.FORCE: "deleted with another say about their content",
    ChangeKind.RULE: "deleted by another rule",
    ChangeKind.NO_LONGER_DELETED: "no longer deleted",
    ChangeKind.REASON: "kept for another reason",
    ChangeKind.APPEARED: "new and kept",
    ChangeKind.VANISHED: "gone",
}


def _verdict(head: ComparisonHead) -> str:
    kinds = [f"{head.by_change[kind]:,} {words}" for kind, words in _WORDS.items() if head.by_change[kind]]
    of = count(head.changed + head.unchanged, "image")
    return f"{head.changed:,} of {of} changed" + (f": {', '.join(kinds)}" if kinds else "")


def _facts(head: ComparisonHead) -> Iterator[Fact]:
    for word, side in (("before", head.before), ("after", head.after)):
        if side.plan_id:
            as_of = f", as of {format_moment(side.as_of)}" if side.as_of else ""
            made = format_moment(side.created_at, unknown="?")
            yield Fact(word, plain(f"plan {side.plan_id}, made {made}{as_of}"))
        policy = f"{', '.join(side.policy_files)} (sha256 {side.policy_sha256[:12]})"
        yield Fact("policy" if side.plan_id else word, plain(policy))
        yield Fact("delete", f"{side.delete:,} of {count(side.images, 'image')}")
    yield Fact("changed", _verdict(head))


def _common_why(rows: Sequence[ChangeRow]) -> Iterator[Fact]:
    """Why all changed, where that is the same for all."""
    if len(reasons := {row.why for row in rows}) == 1:
        yield Fact("why", plain(reasons.pop()))


def _columns(rows: Sequence[ChangeRow]) -> tuple[Column, ...]:
    """Without what is the same in every line: names want the room."""
    varied = len({row.why for row in rows}) > 1
    return tuple(column for column in _COLUMNS if varied or column.title != "why")


def _side(action: Action | None, reason: Reason | None, force: bool | None) -> str:
    if action is None:
        return "not there"
    return plain(f"{action} {reason}{', with content' if force else ''}")


def _before(row: ChangeRow) -> str:
    return _side(row.before_action, row.before_reason, row.before_force)


def _after(row: ChangeRow) -> str:
    return _side(row.after_action, row.after_reason, row.after_force)


def _rule(row: ChangeRow) -> str:
    """The rule that decides, or from which to which."""
    rules = dict.fromkeys(rule for rule in (row.before_rule, row.after_rule) if rule)
    return plain(" -> ".join(rules))


def _detail(row: ChangeRow) -> str:
    return plain(row.after_detail or row.before_detail or "")


_COLUMNS = (
    Column(title="image", of=lambda row: plain(label(row.namespace, row.name, row.tag))),
    Column(title="before", of=_before),
    Column(title="after", of=_after),
    Column(title="rule", of=_rule),
    Column(title="why", of=lambda row: plain(row.why)),
    Column(title="detail", of=_detail, wide=True),
)
