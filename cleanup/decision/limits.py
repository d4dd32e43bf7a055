"""Limits: how much one run may delete. Over a limit nothing is deleted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from cleanup.decision.decisions import parts_of
from cleanup.decision.types import Decision
from cleanup.image import Image, Status, known_status, same_word
from cleanup.image_columns.fields import codes
from cleanup.policy.language import Limits, Policy

Group = tuple[str | None, str | None]


class RunLimits(Limits, frozen=True, kw_only=True):
    """The policy's limits and those that single rules have of their own, by rule name."""

    rules: dict[str, Limits] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy) -> "RunLimits":
        own = {rule.name: rule.limits for rule in policy.rules if rule.limits is not None}
        return cls(**msgspec.structs.asdict(policy.limits), rules=own)


def own_images(images: Sequence[Image]) -> int:
    """How many of the images are the project's own (DEDICATED)."""
    coded = codes(images, ("type",))
    own = [same_word(type_, "DEDICATED") for (type_,) in coded.values]
    return sum(map(own.__getitem__, coded.codes))


def violations(deletes: Sequence[Decision], images: Sequence[Image], limits: RunLimits) -> tuple[str, ...]:
    """What the limits forbid about these deletes on this inventory, a sentence each; empty when all is well.

    `max_percent` is of the project's own (DEDICATED) images, for a rule's own limits as well.
    """
    own = own_images(images)
    going = parts_of(deletes)
    grouped = any(one.min_remaining for one in (limits, *limits.rules.values()))
    active = Counter(_active_groups(images, range(len(images)))) if grouped else Counter[Group]()

    def of(who: str, where: str, numbers: Sequence[int], limits: Limits) -> Iterator[str]:
        yield from _violations(who, where, len(numbers), own, limits)
        if least := limits.min_remaining:
            leaving = Counter(_active_groups(going.images, numbers))
            yield from _too_few_left(who, where, leaving, active, least)

    found = [*of("the policy", "limits", going.numbers, limits)]
    for name, rule_limits in limits.rules.items():
        by_rule = [number for number in going.numbers if going.rulings[number].rule == name]
        found += of(f"rule '{name}'", f"the limits of rule '{name}'", by_rule, rule_limits)
    return tuple(found)


def _active_groups(images: Sequence[Image], numbers: Iterable[int]) -> Iterator[Group]:
    """The groups of the ACTIVE ones: who is not neither counts as remaining nor, when it goes, leaves one with less."""
    coded = codes(images, ("status", "namespace", "name"))
    groups = [group if known_status(status) is Status.ACTIVE else None for status, *group in coded.values]
    return (tuple(group) for group in map(groups.__getitem__, map(coded.codes.__getitem__, numbers)) if group)


def _violations(who: str, where: str, count: int, own: int, limits: Limits) -> Iterator[str]:
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


def _too_few_left(
    who: str, where: str, leaving: Mapping[Group, int], active: Mapping[Group, int], least: int
) -> Iterator[str]:
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
