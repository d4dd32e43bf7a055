"""Limits: how much one run may delete. Over a limit nothing is deleted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cleanup.decision.types import Decision
from cleanup.image import Image, Status
from cleanup.policy.language import Limits, Policy

Group = tuple[str | None, str | None]


class RunLimits(Limits, frozen=True, kw_only=True):
    """The policy's limits and those that single rules have of their own, by rule name."""

    rules: dict[str, Limits] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy) -> "RunLimits":
        own = {rule.name: rule.limits for rule in policy.rules if rule.limits is not None}
        return cls(**msgspec.structs.asdict(policy.limits), rules=own)


def violations(deletes: Sequence[Decision], images: Sequence[Image], limits: RunLimits) -> tuple[str, ...]:
    """What the limits forbid about these deletes on this inventory, a sentence each; empty when all is well.

    `max_percent` is of the project's own (DEDICATED) images, for a rule's own limits as well.
    """
    own = sum(image.is_dedicated for image in images)
    counted = images if any(one.min_remaining for one in (limits, *limits.rules.values())) else ()
    active = Counter(_group(image) for image in counted if image.known_status is Status.ACTIVE)
    found = [*_violations("the policy", "limits", [d.image for d in deletes], own, active, limits)]
    for name, rule_limits in limits.rules.items():
        by_rule = [decision.image for decision in deletes if decision.rule == name]
        where = f"the limits of rule '{name}'"
        found += _violations(f"rule '{name}'", where, by_rule, own, active, rule_limits)
    return tuple(found)


def _violations(
    who: str, where: str, going: Sequence[Image], own: int, active: Mapping[Group, int], limits: Limits
) -> Iterator[str]:
    count = len(going)
    if limits.max_deletes is not None and count > limits.max_deletes:
        yield (
            f"{who} would delete {count} images, over max_deletes {limits.max_deletes}: "
            f"review the plan, then raise max_deletes to {count} in {where}"
        )
    if limits.max_percent is not None and count * 100 > limits.max_percent * own:
        share = count * 100 / own if own else 100.0
        yield (
            f"{who} would delete {share:.1f} % of the project's {own} own images, over max_percent "
            f"{limits.max_percent:g}: review the plan, then raise max_percent in {where}"
        )
    if not (least := limits.min_remaining):
        return
    # What is not ACTIVE neither counts as remaining nor, when it goes, leaves a group with less.
    leaving = Counter(_group(image) for image in going if image.known_status is Status.ACTIVE)
    left = {group: active[group] - count for group, count in leaving.items() if active[group] - count < least}
    if left:
        group, remaining = min(
            (f"{namespace or '?'}/{name or '?'}", left[namespace, name]) for namespace, name in left
        )
        more = f" and {len(left) - 1} other groups" if len(left) > 1 else ""
        yield (
            f"{who} would leave {group} with {remaining} ACTIVE images{more}, under min_remaining {least}: "
            f"keep more with keep_last, or lower min_remaining in {where}"
        )


def _group(image: Image) -> Group:
    return (image.namespace, image.name)
