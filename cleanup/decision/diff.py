"""Decisions made before and after: the images whose decision changed, how, and why as far as can be told. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_moment
from cleanup.image import Image, id_key


class ChangeKind(StrEnum):
    """How the decision about an image changed, what may hurt first."""

    NEWLY_DELETED = "newly-deleted"
    FORCE = "force"  # deleted before and after, and what becomes of its content differs
    RULE = "rule"  # deleted before and after, by another rule
    NO_LONGER_DELETED = "no-longer-deleted"
    REASON = "reason"  # kept before and after, for another reason or by another rule
    APPEARED = "appeared"  # kept, and was not there before
    VANISHED = "vanished"


_ORDER = {kind: number for number, kind in enumerate(ChangeKind)}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One image that is decided differently about; a side where it is not there is None."""

    before: Decision | None
    after: Decision | None
    why: str

    @property
    def image(self) -> Image:
        """The image as it was seen last."""
        seen = self.after or self.before
        assert seen is not None  # noqa: S101 - a change has a side
        return seen.image

    @property
    def kind(self) -> ChangeKind:
        before, after = self.before, self.after
        if after is None:
            return ChangeKind.VANISHED
        goes, went = after.action is Action.DELETE, before is not None and before.action is Action.DELETE
        if goes and not went:
            return ChangeKind.NEWLY_DELETED
        if before is None:
            return ChangeKind.APPEARED
        if went and not goes:
            return ChangeKind.NO_LONGER_DELETED
        if not goes:
            return ChangeKind.REASON
        same_force = (before.force, before.force_withheld) == (after.force, after.force_withheld)
        return ChangeKind.RULE if same_force else ChangeKind.FORCE


def changes(
    before: Iterable[Decision], after: Iterable[Decision], *, same_policy: bool = False
) -> tuple[Change, ...]:
    """What differs in action, reason, rule or force, or is on one side only, newly deleted first."""
    earlier = {id_key(decision.image.id): decision for decision in before}
    found = [
        Change(before=old, after=new, why=_why(old, new, same_policy))
        for new in after
        if _outcome(old := earlier.pop(id_key(new.image.id), None)) != _outcome(new)
    ]
    found += [Change(before=old, after=None, why=_why(old, None, same_policy)) for old in earlier.values()]
    return tuple(sorted(found, key=lambda one: (_ORDER[one.kind], one.image.label, one.image.id)))


def _outcome(decision: Decision | None) -> tuple[object, ...]:
    if decision is None:
        return ()
    return (decision.action, decision.reason, decision.rule, decision.force, decision.force_withheld)


def _why(before: Decision | None, after: Decision | None, same_policy: bool) -> str:
    """Why it changed, as far as the two decisions tell."""
    if before is None:
        return "the image was not there before"
    if after is None:
        return "the image is not there any more"
    causes = list(_causes(before, after))
    if not same_policy:
        causes.append("the policy changed, too" if causes else "the policy changed")
    return "; ".join(causes) or _passing(before.reason, after.reason)


def _causes(before: Decision, after: Decision) -> Iterator[str]:
    """What changed outside of the policy for certain."""
    old, new = before.image, after.image
    if old.updated_at != new.updated_at:
        moments = (format_moment(one.updated_at, unknown="unknown") for one in (old, new))
        yield f"the image changed: updated {' -> '.join(moments)}"
    for field in ("namespace", "name", "tag"):
        values = [getattr(one, field) for one in (old, new)]
        if values[0] != values[1]:
            yield f"the image changed: {field} {values[0]} -> {values[1]}"
    if before.reason is not Reason.IN_USE and after.reason is Reason.IN_USE:
        yield "it is used now"
    if before.reason is Reason.IN_USE and after.reason is not Reason.IN_USE:
        yield "it is no longer used"


_PASSING = {
    (Reason.TOO_YOUNG, Reason.EXPIRED): "time passed: it is old enough now",
    (Reason.KEEP_LAST, Reason.EXPIRED): "newer images took its place among those that stay",
    (Reason.KEEP_LAST, Reason.TOO_YOUNG): "newer images took its place among those that stay",
    (Reason.EXPIRED, Reason.KEEP_LAST): "a newer image of its group went: it is one of the newest now",
    (Reason.TOO_YOUNG, Reason.KEEP_LAST): "a newer image of its group went: it is one of the newest now",
    (Reason.EXPIRED, Reason.EXPIRED): "who else has or uses its content changed",
    (Reason.BUSY, Reason.EXPIRED): "its status changed",
    (Reason.EXPIRED, Reason.BUSY): "its status changed",
    (Reason.EXPIRED, Reason.PUBLIC): "its visibility changed",
    (Reason.PUBLIC, Reason.EXPIRED): "its visibility changed",
}


def _passing(before: Reason, after: Reason) -> str:
    """Why, where policy and image are the same: by the two reasons."""
    return _PASSING.get((before, after), "another field of the image changed that neither plan shows")


def counted(found: Sequence[Change]) -> dict[str, int]:
    """How many images changed in which way: from action and reason (rule) to action and reason (rule)."""
    return dict(Counter(f"{_told(one.before)} -> {_told(one.after)}" for one in found).most_common())


def _told(decision: Decision | None) -> str:
    if decision is None:
        return "not there"
    rule = f" ({decision.rule})" if decision.rule else ""
    return f"{decision.action} {decision.reason}{rule}"
