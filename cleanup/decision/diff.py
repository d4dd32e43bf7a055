"""Two policies on one inventory: the images whose decision changes, and why. Pure."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from cleanup.decision.types import Action, Decision


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One image that two policies decide differently about."""

    before: Decision
    after: Decision

    @property
    def kind(self) -> str:
        """`keep -> delete`, or where both delete what else differs."""
        if self.before.action is not self.after.action:
            return f"{self.before.action} -> {self.after.action}"
        return f"{self.after.action}, otherwise"


def changes(before: Sequence[Decision], after: Sequence[Decision]) -> tuple[Change, ...]:
    """What differs in action, reason, rule or force, newly deleted first; both are of the same images."""
    later = {decision.image.id: decision for decision in after}
    found = (
        Change(before=one, after=later[one.image.id])
        for one in before
        if _outcome(one) != _outcome(later[one.image.id])
    )
    return tuple(sorted(found, key=_most_alarming_first))


def _outcome(decision: Decision) -> tuple[object, ...]:
    return (decision.action, decision.reason, decision.rule, decision.force, decision.force_withheld)


def _most_alarming_first(change: Change) -> tuple[int, str, str]:
    order = (change.before.action is Action.KEEP, change.after.action is Action.DELETE)
    rank = {(True, True): 0, (False, True): 1, (False, False): 2, (True, False): 3}[order]
    return (rank, change.after.image.label, change.after.image.id)


def counted(found: Sequence[Change]) -> dict[str, int]:
    """How many images changed in which way: from action and reason (rule) to action and reason (rule)."""
    return dict(Counter(f"{_why(one.before)} -> {_why(one.after)}" for one in found).most_common())


def _why(decision: Decision) -> str:
    rule = f" ({decision.rule})" if decision.rule else ""
    return f"{decision.action} {decision.reason}{rule}"


def summary(found: Sequence[Change], images: int) -> str:
    """`12 of 400 images change: 9 newly deleted, 3 no longer deleted`."""
    newly = sum(one.before.action is Action.KEEP and one.after.action is Action.DELETE for one in found)
    no_longer = sum(one.before.action is Action.DELETE and one.after.action is Action.KEEP for one in found)
    return (
        f"{len(found):,} of {images:,} images change: {newly:,} newly deleted, {no_longer:,} no longer deleted, "
        f"{len(found) - newly - no_longer:,} for another reason"
    )
