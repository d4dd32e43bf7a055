"""A plan in a few words: one sentence, and the facts about it."""

from collections.abc import Iterator
from typing import Final

from cleanup.decision.types import Reason
from cleanup.durations import format_moment
from cleanup.plan.plan import Plan
from cleanup.plan.summary import Summary
from cleanup.reports.formatting import count, plain, size
from cleanup.reports.view import Fact, top

_MOST_REASONS = 4
_KEPT: Final = {
    Reason.BUILT_IN: "built-in",
    Reason.BUSY: "busy",
    Reason.PROTECTED: "protected",
    Reason.IN_USE: "in use",
    Reason.NO_RULE: "in no rule's scope",
    Reason.UNKNOWN: "not known well enough",
    Reason.PUBLIC: "public",
    Reason.KEEP_LAST: "among the newest",
    Reason.TOO_YOUNG: "too young",
}


def verdict(plan: Plan, warnings: int) -> str:
    """`412 of 2,000 images would be deleted, 1.3 TiB leave SWR; 1,588 kept: 903 too young, ...; 2 warnings`."""
    summary = plan.summary
    total = summary.delete + summary.keep
    parts = [f"{summary.delete:,} of {count(total, 'image')} would be deleted, {leaving(summary)}"]
    if summary.keep:
        parts.append(f"{summary.keep:,} kept: {_kept(summary)}")
    if why := refusal(plan):
        parts.append(f"cannot be applied: {why}")
    if warnings:
        parts.append(count(warnings, "warning"))
    return "; ".join(parts)


def leaving(summary: Summary) -> str:
    """`1.3 TiB leave SWR`; unknown sizes count nothing, which is said."""
    unknown = f" (without {summary.sizes_unknown:,} of unknown size)" if summary.sizes_unknown else ""
    return f"{size(summary.bytes_freed)} leave SWR{unknown}"


def _kept(summary: Summary) -> str:
    counts = {reason: summary.by_reason.get(reason, 0) for reason in _KEPT}
    shown = top({reason: number for reason, number in counts.items() if number}, _MOST_REASONS)
    others = summary.keep - sum(shown.values())
    rest = [f"{others:,} for other reasons"] if others else []
    return ", ".join([*(f"{number:,} {_KEPT[Reason(reason)]}" for reason, number in shown.items()), *rest])


def refusal(plan: Plan) -> str:
    """Why `apply` will not take the plan, in a few words; empty where it will."""
    reasons = []
    if plan.summary.over_limits:
        reasons.append("over a limit")
    if not plan.header.inventory.complete:
        reasons.append("the inventory is not complete")
    if plan.header.as_of:
        reasons.append("a forecast")
    return ", ".join(reasons)


def facts(plan: Plan) -> Iterator[Fact]:
    """What it is about, and what it rests on."""
    header, summary = plan.header, plan.summary
    workspaces = ", ".join(header.target.workspaces)
    yield Fact(
        "target", plain(f"{header.target.name}, project {header.target.project_id} (workspace {workspaces})")
    )
    yield Fact("endpoint", plain(header.target.endpoint))
    yield Fact("created", f"{format_moment(header.created_at)}, expires {format_moment(header.expires_at)}")
    yield Fact("policy", plain(f"{', '.join(header.policy.files)} (sha256 {header.policy.sha256[:12]})"))
    yield Fact("read", plain(_read(plan)))
    if stays := summary.bytes - summary.bytes_freed:
        yield Fact("stays in SWR", f"{size(stays)} of deleted images, can be registered again")


def _read(plan: Plan) -> str:
    """How many images, and users of images of each kind that was asked."""
    inventory = plan.header.inventory
    users = inventory.users or {"notebooks": inventory.notebooks}
    asked = ", ".join(
        f"{number:,} {kind if number != 1 else kind.removesuffix('s')}" for kind, number in users.items()
    )
    state = "complete" if inventory.complete else "NOT complete"
    return f"{count(inventory.images, 'image')} ({inventory.own:,} the project's own), {asked}; {state}"


def plan_line(summary: Summary) -> str:
    """`delete 312 of 1,234 images, 512.3 GiB; 41.2 GiB to be freed in SWR`."""
    return f"delete {_deleting(summary)}; {size(summary.bytes_freed)} to be freed in SWR"


def _deleting(summary: Summary) -> str:
    """`312 of 1,234 images, 512.3 GiB`, and how many sizes are not known."""
    total = summary.delete + summary.keep
    unknown = f", without {summary.sizes_unknown:,} of unknown size" if summary.sizes_unknown else ""
    return f"{summary.delete:,} of {count(total, 'image')}, {size(summary.bytes)}{unknown}"
