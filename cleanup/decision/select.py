"""The decision: images, a policy, what is in use and the time in; one decision an image out. Pure.

`_decide` is the order in which everything is asked (policies/README.md, How an image is decided).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.durations import format_duration
from cleanup.image import Image, Status, makes_sense
from cleanup.in_use import InUse, may_be, path_name
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import Clock, Condition, KeepLast, Policy, Protection, Rule


class RuleMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy alone says about one image, before clocks and groups are asked.

    `protection` is the first entry that holds; `unclear_protection` the first that cannot be
    evaluated. `rule` is the first whose match holds, or (with `unclear`) cannot be evaluated.
    """

    protection: Protection | None = None
    unclear_protection: Protection | None = None
    rule: Rule | None = None
    unclear: bool = False


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
    matches = [match_rules(image, policy) for image in inventory]
    ranks = rank(inventory, matches, now)
    decided = [
        _decide(image, match, in_use, ranks.get(image.id), now)
        for image, match in zip(inventory, matches, strict=True)
    ]
    return _with_force(decided, {rule.name: rule for rule in policy.rules})


def _decide(image: Image, match: RuleMatch, in_use: InUse, rank: Rank | None, now: datetime) -> Decision:
    # Only the project's own images can go, and none that is still being saved, whatever the policy says.
    if image.type is None:
        return _decided(image, Reason.UNKNOWN, "the API did not say whether it is the project's own (type)")
    if not image.is_dedicated:
        return _decided(image, Reason.BUILT_IN, f"not the project's own (type {image.type})")
    if image.known_status in (Status.INIT, Status.CREATING):
        return _decided(image, Reason.BUSY, f"still being saved (status {image.status})")
    # Protections and users come before every rule.
    if entry := match.protection:
        because = f" ({entry.because})" if entry.because else ""
        return _decided(image, Reason.PROTECTED, f"protected by '{entry.text}'{because}")
    if use := in_use.of(image):
        return _decided(image, Reason.IN_USE, f"used by {use.user}")
    # One rule decides alone: the first whose match holds, or cannot be evaluated.
    if (rule := match.rule) is None:
        return _decided(image, Reason.NO_RULE, "in no rule's scope")
    # Whatever protections and this rule need must be known.
    if unknown := _unknown(image, match, rule, now):
        return _decided(image, Reason.UNKNOWN, unknown, rule)
    # The newest of a group are kept whatever their age. Who has no rank is not ACTIVE, so not kept for it.
    told = []
    if newest := rule.keep_last:
        group = "/".join(part or "?" for part in _group(image, newest))
        if rank and rank.rank <= newest.count:
            place = f"number {rank.rank} of the newest {newest.count} (of {rank.size})"
            return _decided(image, Reason.KEEP_LAST, f"{place} in {group}", rule)
        place = f"number {rank.rank} of {rank.size}" if rank else f"not ACTIVE ({image.status})"
        told.append(f"{place} in {group}, not one of the newest {newest.count}")
    # Exactly as old as the rule says is still too young.
    if older := rule.older_than:
        age = now - (time_of(image, older.clock) or now)
        verb = "updated" if older.clock is Clock.UPDATE_AT else "created"
        ago, limit = f"{verb} {format_duration(age)} ago", format_duration(older.age)
        if age <= older.age:
            until = f"until {now + older.age - age:%Y-%m-%d}"
            return _decided(image, Reason.TOO_YOUNG, f"{ago}, not more than {limit}; {until}", rule)
        told.insert(0, f"{ago}, more than {limit}")
    everything = "everything in the rule's scope is deleted (delete_all)"
    return _decided(image, Reason.EXPIRED, "; ".join(told) or everything, rule)


def _decided(image: Image, reason: Reason, detail: str, rule: Rule | None = None) -> Decision:
    action = Action.DELETE if reason is Reason.EXPIRED else Action.KEEP
    return Decision(
        image=image, action=action, reason=reason, detail=detail, rule=rule.name if rule else None
    )


def match_rules(image: Image, policy: Policy) -> RuleMatch:
    """Ask `protect` and the rules' `match` in three-valued logic; the first rule that is not False ends it."""
    asked = [(entry, entry.match.evaluate(image)) for entry in policy.protect]
    protection = next((entry for entry, truth in asked if truth), None)
    unclear = None if protection else next((entry for entry, truth in asked if truth is None), None)
    for rule in policy.rules:
        truth = rule.match.evaluate(image)
        if truth is not False:
            return RuleMatch(
                protection=protection, unclear_protection=unclear, rule=rule, unclear=truth is None
            )
    return RuleMatch(protection=protection, unclear_protection=unclear)


def rank(images: Sequence[Image], matches: Sequence[RuleMatch], now: datetime) -> dict[str, Rank]:
    """Each image's place among the newest of its group, for the rules with `keep_last`.

    Only images that the rule decides on, that are ACTIVE and whose age is known take a place.
    Protection and use do not matter here: who is protected still is one of the newest.
    """
    groups: dict[tuple[str | None, ...], list[Image]] = defaultdict(list)
    for image, match in zip(images, matches, strict=True):
        if match.unclear or not (match.rule and match.rule.keep_last):
            continue
        group = _group(image, match.rule.keep_last)
        known = makes_sense(image.updated_at, now) and None not in group
        if known and image.is_dedicated and image.known_status is Status.ACTIVE:
            groups[(match.rule.name, *group)].append(image)
    return {
        image.id: Rank(number, len(group))
        for group in groups.values()
        for number, image in enumerate(sorted(group, key=_newest_first), 1)
    }


def _group(image: Image, keep_last: KeepLast) -> tuple[str | None, ...]:
    """What makes the image's group; enumerated words drift in case, so they are compared without."""
    values = [(field, getattr(image, field)) for field in keep_last.per]
    return tuple(value.casefold() if value and field in ENUMERATED else value for field, value in values)


def _newest_first(image: Image) -> tuple[float, float, str]:
    updated = image.updated_at.timestamp() if image.updated_at else 0.0
    created = image.created_at.timestamp() if image.created_at else 0.0
    return (-updated, -created, image.id)


def _unknown(image: Image, match: RuleMatch, rule: Rule, now: datetime) -> str | None:
    """What would have to be known for this rule to decide, as a sentence; None when all is known."""
    if entry := match.unclear_protection:
        return f"protect entry '{entry.text}' needs {_missing(entry.match, image)}"
    if match.unclear:
        return f"rule '{rule.name}' needs {_missing(rule.match, image)}"
    if image.known_status is None:
        return f"status is {image.status or 'missing'}, so it may be in the making"
    clocks = {rule.older_than.clock} if rule.older_than else set()
    for clock in sorted(clocks | {Clock.UPDATE_AT} if rule.keep_last else clocks):
        if not makes_sense(moment := time_of(image, clock), now):
            trouble = "in the future" if moment and moment > now else "missing or zero"
            if moment and moment <= now:
                trouble = f"{moment:%Y-%m-%d}, which makes no sense"
            return f"rule '{rule.name}' needs {clock}, which is {trouble}"
    for field in rule.keep_last.per if rule.keep_last else ():
        if getattr(image, field) is None:
            return f"rule '{rule.name}' needs {field}, which is missing"
    return None


def _missing(condition: Condition, image: Image) -> str:
    unclear = (
        finding for finding in condition.trace(image) if finding.truth is None and finding.value is None
    )
    fields = dict.fromkeys(finding.text.partition(":")[0] for finding in unclear)
    return f"{', '.join(fields)}, which the API did not say"


def time_of(image: Image, clock: Clock) -> datetime | None:
    """The time of an image that a rule's clock reads."""
    return image.updated_at if clock is Clock.UPDATE_AT else image.created_at


def _with_force(decided: Sequence[Decision], rules: Mapping[str, Rule]) -> tuple[Decision, ...]:
    """Give `force` where the rule asks for it and no image that stays needs the content.

    Where several records of one content go, the youngest that may carry `force` carries it alone
    (policies/README.md, Force and shared content).
    """
    needed = NeededContents(d.image for d in decided if d.action is Action.KEEP)
    asked = [d for d in decided if d.action is Action.DELETE and d.rule and rules[d.rule].force]
    # Oldest first, so that the youngest of a content is what remains in the table.
    carriers: dict[str, str] = {}
    for one in sorted(asked, key=lambda d: _newest_first(d.image), reverse=True):
        if one.image.is_private and one.image.content:
            carriers[one.image.content] = one.image.id
    chosen = {id_ for content, id_ in carriers.items() if content not in needed}
    forced = {}
    for one in asked:
        withheld = Withheld.SHARED_CONTENT if one.image.is_private else Withheld.PUBLIC
        change = {"force": True} if one.image.id in chosen else {"force_withheld": withheld}
        forced[one.image.id] = msgspec.structs.replace(one, **change)
    return tuple(forced.get(d.image.id, d) for d in decided)


class NeededContents:
    """The registry contents, by content key, that images which stay still need.

    A staying image whose own path is unknown needs whatever its namespace/name:tag points at; a
    part of that which is unknown too may be anything.
    """

    def __init__(self, staying: Iterable[Image]) -> None:
        images = tuple(staying)
        self._contents = {image.content for image in images if image.content}
        self._pathless = [image for image in images if not image.content]

    def __contains__(self, content: str) -> bool:
        name = path_name(content)
        return content in self._contents or any(may_be(image, name) for image in self._pathless)
