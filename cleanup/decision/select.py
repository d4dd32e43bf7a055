"""The decision: images, a policy, what is in use and the time in; one decision an image out. Pure.

The order in which it is asked is contract.md's, "How an image is decided"; `_judge` is that order.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.image import Image, Status, makes_sense
from cleanup.in_use import InUse, may_be, path_name
from cleanup.policy import format_duration
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import Clock, Condition, Policy, Protection, Rule

_BUSY = frozenset({Status.INIT, Status.CREATING})


class RuleMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy alone says about one image, before clocks and groups are asked.

    `protection` is the first entry that holds; `unclear_protection` the first that cannot be
    evaluated. `rule` is the first whose match holds, or (with `unclear`) cannot be evaluated.
    """

    protection: Protection | None
    unclear_protection: Protection | None
    rule: Rule | None
    unclear: bool


class Rank(msgspec.Struct, frozen=True):
    """An image's place among the newest of its group, counted from 1, and the group's size."""

    rank: int
    size: int


def select(images: Iterable[Image], policy: Policy, in_use: InUse, now: datetime) -> tuple[Decision, ...]:
    """Decide about each image, in the order given. The order changes no decision.

    `now` is timezone-aware. What is unknown is kept; `force` is given only where no image or
    notebook that stays needs the content.
    """
    inventory = tuple(images)
    claims = [claim(image, policy) for image in inventory]
    places = rank(inventory, claims, now)
    judged = [
        _judge(image, one, in_use, places.get(image.id), now)
        for image, one in zip(inventory, claims, strict=True)
    ]
    return _with_force(judged, {rule.name: rule for rule in policy.rules})


def claim(image: Image, policy: Policy) -> RuleMatch:
    """Ask `protect` and the rules' `match`: three-valued, the first that decides ends the search."""
    protection, unclear_protection = _protection(image, policy.protect)
    for rule in policy.rules:
        truth = rule.match.evaluate(image)
        if truth is not False:
            return RuleMatch(
                protection=protection,
                unclear_protection=unclear_protection,
                rule=rule,
                unclear=truth is None,
            )
    return RuleMatch(protection=protection, unclear_protection=unclear_protection, rule=None, unclear=False)


def _protection(image: Image, entries: Iterable[Protection]) -> tuple[Protection | None, Protection | None]:
    unclear = None
    for entry in entries:
        truth = entry.match.evaluate(image)
        if truth:
            return entry, None
        if truth is None:
            unclear = unclear or entry
    return None, unclear


def rank(images: Sequence[Image], claims: Sequence[RuleMatch], now: datetime) -> dict[str, Rank]:
    """Each image's place among the newest of its group, for the rules with `keep_last`.

    Only images that the rule decides on, that are ACTIVE and whose age is known take a place.
    Protection and use do not matter here: who is protected still is one of the newest.
    """
    groups: dict[tuple[str | None, ...], list[Image]] = defaultdict(list)
    for image, one in zip(images, claims, strict=True):
        if one.rule and one.rule.keep_last and not one.unclear and _takes_place(image, one.rule, now):
            groups[(one.rule.name, *_group(image, one.rule))].append(image)
    return {
        image.id: Rank(number, len(group))
        for group in groups.values()
        for number, image in enumerate(sorted(group, key=_newest_first), 1)
    }


def _takes_place(image: Image, rule: Rule, now: datetime) -> bool:
    return (
        image.is_dedicated
        and image.known_status is Status.ACTIVE
        and makes_sense(image.updated_at, now)
        and None not in _group(image, rule)
    )


def _group(image: Image, rule: Rule) -> tuple[str | None, ...]:
    """What makes the image's group; enumerated words drift in case, so they are compared without."""
    fields = rule.keep_last.per if rule.keep_last else ()
    return tuple(_group_value(getattr(image, field), field in ENUMERATED) for field in fields)


def _group_value(value: str | None, ignores_case: bool) -> str | None:
    return value.casefold() if value and ignores_case else value


def _newest_first(image: Image) -> tuple[float, float, str]:
    updated = image.updated_at.timestamp() if image.updated_at else 0.0
    created = image.created_at.timestamp() if image.created_at else 0.0
    return (-updated, -created, image.id)


def _judge(image: Image, one: RuleMatch, in_use: InUse, place: Rank | None, now: datetime) -> Decision:
    if early := _untouchable(image):
        return early
    if one.protection:
        because = f" ({one.protection.because})" if one.protection.because else ""
        return _keep(image, Reason.PROTECTED, f"protected by '{one.protection.text}'{because}")
    if use := in_use.of(image):
        return _keep(image, Reason.IN_USE, f"used by {use.user}")
    if one.rule is None:
        return _keep(image, Reason.NO_RULE, "in no rule's scope")
    if unknown := _unknown(image, one, one.rule, now):
        return _keep(image, Reason.UNKNOWN, unknown, one.rule)
    return _by_rule(image, one.rule, place, now)


def _untouchable(image: Image) -> Decision | None:
    if image.type is None:
        return _keep(image, Reason.UNKNOWN, "the API did not say whether it is the project's own (type)")
    if not image.is_dedicated:
        return _keep(image, Reason.BUILT_IN, f"not the project's own (type {image.type})")
    if image.known_status in _BUSY:
        return _keep(image, Reason.BUSY, f"still being saved (status {image.status})")
    return None


def _unknown(image: Image, one: RuleMatch, rule: Rule, now: datetime) -> str | None:
    """What would have to be known for this rule to decide, as a sentence; None when all is known."""
    if one.unclear_protection:
        return f"protect entry '{one.unclear_protection.text}' needs {_missing(one.unclear_protection.match, image)}"
    if one.unclear:
        return f"rule '{rule.name}' needs {_missing(rule.match, image)}"
    if image.known_status is None:
        return f"status is {image.status or 'missing'}, so it may be in the making"
    for clock, moment in _clocks(image, rule):
        if not makes_sense(moment, now):
            return f"rule '{rule.name}' needs {clock}, which is {_trouble(moment, now)}"
    if None in _group(image, rule):
        return f"rule '{rule.name}' needs {_first_missing(image, rule)}, which is missing"
    return None


def _missing(condition: Condition, image: Image) -> str:
    unclear = (
        finding for finding in condition.trace(image) if finding.truth is None and finding.value is None
    )
    fields = dict.fromkeys(finding.text.partition(":")[0] for finding in unclear)
    return f"{', '.join(fields)}, which the API did not say"


def _clocks(image: Image, rule: Rule) -> list[tuple[Clock, datetime | None]]:
    needed = {rule.older_than.clock} if rule.older_than else set()
    if rule.keep_last:
        needed.add(Clock.UPDATE_AT)
    return [(clock, time_of(image, clock)) for clock in sorted(needed)]


def _trouble(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "missing or zero"
    return "in the future" if moment > now else f"{moment:%Y-%m-%d}, which makes no sense"


def _first_missing(image: Image, rule: Rule) -> str:
    fields = rule.keep_last.per if rule.keep_last else ()
    return next(field for field in fields if getattr(image, field) is None)


def time_of(image: Image, clock: Clock) -> datetime | None:
    """The time of an image that a rule's clock reads."""
    return image.updated_at if clock is Clock.UPDATE_AT else image.created_at


def _by_rule(image: Image, rule: Rule, place: Rank | None, now: datetime) -> Decision:
    if rule.keep_last and place and place.rank <= rule.keep_last.count:
        newest = f"number {place.rank} of the newest {rule.keep_last.count} (of {place.size})"
        return _keep(image, Reason.KEEP_LAST, f"{newest} in {_group_label(image, rule)}", rule)
    if rule.older_than and age_of(image, rule, now) <= rule.older_than.age:
        due = now + rule.older_than.age - age_of(image, rule, now)
        return _keep(
            image, Reason.TOO_YOUNG, f"{_age(image, rule, now, 'not more than')}; until {due:%Y-%m-%d}", rule
        )
    return Decision(
        image=image,
        action=Action.DELETE,
        reason=Reason.EXPIRED,
        rule=rule.name,
        detail=_why_expired(image, rule, place, now),
    )


def age_of(image: Image, rule: Rule, now: datetime) -> timedelta:
    """How old the image is by the rule's clock; zero where there is none to read."""
    moment = time_of(image, rule.older_than.clock) if rule.older_than else None
    return now - moment if moment else timedelta(0)


def _age(image: Image, rule: Rule, now: datetime, relation: str) -> str:
    """`updated 12d ago, not more than 90d`."""
    if not rule.older_than:
        return ""
    verb = "updated" if rule.older_than.clock is Clock.UPDATE_AT else "created"
    age, limit = age_of(image, rule, now), rule.older_than.age
    return f"{verb} {format_duration(age)} ago, {relation} {format_duration(limit)}"


def _group_label(image: Image, rule: Rule) -> str:
    return "/".join(part or "?" for part in _group(image, rule))


def _why_expired(image: Image, rule: Rule, place: Rank | None, now: datetime) -> str:
    reasons = []
    if rule.older_than:
        reasons.append(_age(image, rule, now, "more than"))
    if rule.keep_last:
        standing = f"number {place.rank} of {place.size}" if place else f"not ACTIVE ({image.status})"
        reasons.append(
            f"{standing} in {_group_label(image, rule)}, not one of the newest {rule.keep_last.count}"
        )
    return "; ".join(reasons) or "everything in the rule's scope is deleted (delete_all)"


def _keep(image: Image, reason: Reason, detail: str, rule: Rule | None = None) -> Decision:
    return Decision(
        image=image, action=Action.KEEP, reason=reason, detail=detail, rule=rule.name if rule else None
    )


def _with_force(judged: Sequence[Decision], rules: Mapping[str, Rule]) -> tuple[Decision, ...]:
    """Give `force` where the rule asks for it and the content is nobody's any more (contract.md).

    Where several records of one content go, the youngest that may carry `force` carries it alone.
    """
    staying = [decision.image for decision in judged if decision.action is Action.KEEP]
    needed = NeededContents(staying)
    asked = [d for d in judged if d.action is Action.DELETE and d.rule and rules[d.rule].force]
    carriers: dict[str, Decision] = {}
    for decision in sorted(asked, key=lambda d: _newest_first(d.image), reverse=True):
        if decision.image.is_private and decision.image.content:
            carriers[decision.image.content] = decision
    chosen = {d.image.id for content, d in carriers.items() if content not in needed}
    wanted = {decision.image.id for decision in asked}
    return tuple(_forced(d, d.image.id in chosen) if d.image.id in wanted else d for d in judged)


def _forced(decision: Decision, chosen: bool) -> Decision:
    if chosen:
        return msgspec.structs.replace(decision, force=True)
    withheld = Withheld.SHARED_CONTENT if decision.image.is_private else Withheld.PUBLIC
    return msgspec.structs.replace(decision, force_withheld=withheld)


class NeededContents:
    """The registry contents, by content key, that images which stay still need.

    A staying image whose own path is unknown needs whatever its namespace/name:tag points at; a
    part of that which is unknown too may be anything.
    """

    def __init__(self, staying: Iterable[Image]) -> None:
        self._contents: set[str] = set()
        self._pathless: list[Image] = []
        for image in staying:
            if image.content:
                self._contents.add(image.content)
            else:
                self._pathless.append(image)

    def __contains__(self, content: str) -> bool:
        name = path_name(content)
        return content in self._contents or any(may_be(image, name) for image in self._pathless)
