"""The decision: images, a policy, what is in use and the time in; one decision an image out. Pure.

`_by_fields`, `_decide` and `_by_rule` are the order in which everything is asked
(policies/README.md, How an image is decided).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import repeat
from typing import Final, NamedTuple, final

import msgspec

from cleanup.decision.force import keys_of, with_force
from cleanup.decision.keep_last import Place, group_label, rank
from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_duration
from cleanup.image import EPOCH_OF_SENSE, Image, Status, makes_sense, same_word
from cleanup.in_use import InUse, Use
from cleanup.policy.language import Clock, Policy, Rule
from cleanup.policy.match import Matcher, RuleMatch
from cleanup.policy.patterns import MOST_REMEMBERED


def select(
    images: Iterable[Image],
    policy: Policy,
    in_use: InUse,
    now: datetime,
    *,
    others: Iterable[Image] = (),
    unseen: Collection[str] = (),
) -> tuple[Decision, ...]:
    """Decide about each image, in the order given. The order changes no decision.

    `now` is timezone-aware. What is unknown is kept; `force` is given only where nobody who stays
    needs the content. `others` are records that are not decided on but may need a content: those
    of the workspaces that are not cleaned. `unseen` names the workspaces that could not be read.
    """
    inventory = tuple(images)
    standings = by_fields(inventory, policy)
    # Only what the policy and the users make necessary is found out: for very many images all of it takes its time.
    places: Iterable[Place | None] = repeat(None)
    if any(rule.keep_last for rule in policy.rules):
        places = rank(inventory, [standing.ranked for standing in standings], now)
    users: Iterable[Use | None] = repeat(None)
    keys = keys_of(inventory) if in_use.uses or any(rule.force for rule in policy.rules) else []
    if in_use.uses:
        users = in_use.of_each(inventory, keys)
    asked = zip(inventory, standings, users, places)  # noqa: B905 - nobody's use has no end
    decided = (_decide(image, standing, use, place, now) for image, standing, use, place in asked)
    return with_force(decided, policy, others, all_seen=not unseen, keys=keys)


@final
class Kept(msgspec.Struct, frozen=True, gc=False):
    """A decision to keep an image, without the image."""

    reason: Reason
    detail: str
    rule: str | None = None


class Gap(NamedTuple):
    """What is not known, as a sentence, and what the service would have to say instead."""

    detail: str
    wanted: str


@final
class Terms(msgspec.Struct, frozen=True, gc=False):
    """What a rule reckons with for each image: its times, and its age in words.

    Ages are few when they are said in hours: `expired` and `too_young` are what was said of them.
    """

    rule: Rule
    times: tuple[str, ...]
    aged_by: str
    verb: str
    limit: str
    expired: dict[tuple[int, int], str]
    too_young: dict[tuple[int, int, int], str]


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What an image's fields alone decide, the same for all images that agree in them.

    `settled`: the verdict holds whoever uses it. `dated` holds instead of what the terms of a rule say, where
    its times make sense. `ranked` is the rule for whose `keep_last` it counts.
    """

    verdict: Kept | Terms
    settled: bool = False
    dated: Kept | None = None
    ranked: Rule | None = None


def by_fields(images: Sequence[Image], policy: Policy) -> list[Standing]:
    """What the fields alone decide about each image."""
    return Matcher(policy, _by_fields, ("visibility", "unreadable")).each(images)


def _by_fields(image: Image, match: RuleMatch) -> Standing:
    rule = match.rule
    if image.unreadable:
        return Standing(Kept(Reason.UNKNOWN, f"its record is damaged: {image.unreadable}"), settled=True)
    # Only the project's own images can go, and none that is still being saved, whatever the policy says.
    if image.type is None:
        said = "the API did not say whether it is the project's own (type)"
        return Standing(Kept(Reason.UNKNOWN, said), settled=True)
    if not image.is_dedicated:
        return Standing(Kept(Reason.BUILT_IN, f"not the project's own (type {image.type})"), settled=True)
    if image.known_status in (Status.INIT, Status.CREATING):
        return Standing(Kept(Reason.BUSY, f"still being saved (status {image.status})"), settled=True)
    # Among the newest counts who is ACTIVE and whom this rule decides on, also if protected or in use.
    counts = rule and rule.keep_last and not match.unclear and image.known_status is Status.ACTIVE
    ranked = rule if counts else None
    # Protections and users come before every rule.
    if entry := match.protection:
        because = f" ({entry.because})" if entry.because else ""
        protected = Kept(Reason.PROTECTED, f"protected by '{entry.text}'{because}")
        return Standing(protected, settled=True, ranked=ranked)
    # One rule decides alone: the first whose match holds, or cannot be evaluated.
    if rule is None:
        return Standing(Kept(Reason.NO_RULE, "in no rule's scope"))
    # Whatever protections and this rule need must be known.
    if gap := unknown(image, match, rule):
        return Standing(_unclear(gap, rule), ranked=ranked)
    # Anybody may use a PUBLIC image by its id, unseen by us: it goes only where a rule says that in so many words.
    dated = None
    if _is_public(image) and not rule.names_visibility:
        said = (
            f"PUBLIC, so others may use it unseen; the match of rule '{rule.name}' does not name visibility"
        )
        dated = Kept(Reason.PUBLIC, said, rule.name)
    return Standing(_terms(rule), dated=dated, ranked=ranked)


# To find a member in its enum takes longer than all that is done with it below.
_KEEP, _DELETE = Action.KEEP, Action.DELETE
_KEEP_LAST, _TOO_YOUNG, _EXPIRED = Reason.KEEP_LAST, Reason.TOO_YOUNG, Reason.EXPIRED


def _decide(
    image: Image, standing: Standing, use: Use | None, place: Place | None, now: datetime
) -> Decision:
    verdict = standing.verdict
    if use and not standing.settled:
        verdict = Kept(Reason.IN_USE, f"used by {use.user}")
    if type(verdict) is Terms:  # a third of the time of isinstance, which asks the metaclass
        return _by_rule(image, verdict, standing.dated, place, now)
    return Decision(
        image=image, action=_KEEP, reason=verdict.reason, detail=verdict.detail, rule=verdict.rule
    )


def _by_rule(image: Image, terms: Terms, dated: Kept | None, place: Place | None, now: datetime) -> Decision:
    rule = terms.rule
    # The times that the rule reckons with must make sense, and what makes a group must be there.
    for time in terms.times:
        moment = getattr(image, time)
        if moment is None or not EPOCH_OF_SENSE <= moment <= now:
            return _kept(image, _unclear(undated(image, rule, now), rule))
    newest = rule.keep_last
    if newest and place is None and (gap := ungrouped(image, rule)):
        return _kept(image, _unclear(gap, rule))
    if dated:
        return _kept(image, dated)
    # The newest of a group are kept whatever their age. Who has no place is not ACTIVE, so not kept for it.
    told = ""
    if newest:
        if place is None:
            told = f"not ACTIVE ({image.status}) in {group_label(image, newest)}, not one of the newest {newest.count}"
        else:
            told = f"number {place.rank}{place.among}"
            if place.rank <= newest.count:
                return Decision(image=image, action=_KEEP, reason=_KEEP_LAST, detail=told, rule=rule.name)
    # Exactly as old as the rule says is still too young.
    if older := rule.older_than:
        moment = getattr(image, terms.aged_by)
        age = now - moment
        if age <= older.age:
            told = _said_too_young(terms, age, (moment + older.age).toordinal())
            return Decision(image=image, action=_KEEP, reason=_TOO_YOUNG, detail=told, rule=rule.name)
        aged = _said_expired(terms, age)
        told = f"{aged}; {told}" if told else aged
    elif not told:
        told = "everything in the rule's scope is deleted (delete_all)"
    return Decision(image=image, action=_DELETE, reason=_EXPIRED, detail=told, rule=rule.name)


def _kept(image: Image, kept: Kept) -> Decision:
    return Decision(image=image, action=_KEEP, reason=kept.reason, detail=kept.detail, rule=kept.rule)


def _said_expired(terms: Terms, age: timedelta) -> str:
    days = age.days  # from a day on an age is said in hours, below in seconds
    key = (days, age.seconds // 3600 if days else age.seconds)
    if (told := terms.expired.get(key)) is None:
        told = f"{terms.verb} {format_duration(age)} ago, more than {terms.limit}"
        if len(terms.expired) < MOST_REMEMBERED:
            terms.expired[key] = told
    return told


def _said_too_young(terms: Terms, age: timedelta, until: int) -> str:
    days = age.days
    key = (days, age.seconds // 3600 if days else age.seconds, until)
    if (told := terms.too_young.get(key)) is None:
        day = date.fromordinal(until).isoformat()
        told = f"{terms.verb} {format_duration(age)} ago, not more than {terms.limit}; until {day}"
        if len(terms.too_young) < MOST_REMEMBERED:
            terms.too_young[key] = told
    return told


def _unclear(gap: Gap | None, rule: Rule) -> Kept:
    return Kept(Reason.UNKNOWN, gap.detail if gap else "", rule.name)


_TIMES: Final = {Clock.UPDATE_AT: ("updated_at", "updated"), Clock.CREATE_AT: ("created_at", "created")}


def _terms(rule: Rule) -> Terms:
    aged_by, verb = _TIMES[rule.older_than.clock if rule.older_than else Clock.UPDATE_AT]
    return Terms(
        rule=rule,
        times=tuple(_TIMES[clock][0] for clock in rule.clocks),
        aged_by=aged_by,
        verb=verb,
        limit=format_duration(rule.older_than.age) if rule.older_than else "",
        expired={},
        too_young={},
    )


def unknown(image: Image, match: RuleMatch, rule: Rule) -> Gap | None:
    """The first field that would have to be known for this rule to decide; None when all are known."""
    named = f"rule '{rule.name}'"
    if entry := match.unclear_protection:
        fields = ", ".join(match.missing)
        detail = f"protect entry '{entry.text}' needs {fields}, which the API did not say"
        return Gap(detail, f"its {fields}, and '{entry.text}' does not hold for it")
    if match.unclear:
        fields = ", ".join(match.missing)
        detail = f"{named} needs {fields}, which the API did not say"
        return Gap(detail, f"its {fields}, and a match holds for it")
    if image.known_status is None:
        detail = f"status is {image.status or 'missing'}, so it may be in the making"
        return Gap(detail, "that its status is ACTIVE, ERROR or CREATE_FAILED")
    if not (image.is_private or _is_public(image) or rule.names_visibility):
        detail = f"visibility is {image.visibility or 'missing'}, so others may use it"
        return Gap(detail, f"that its visibility is PRIVATE, or the match of {named} names visibility")
    return None


def undated(image: Image, rule: Rule, now: datetime) -> Gap | None:
    """The first time that this rule reckons with and that makes no sense; None when all do."""
    for clock in rule.clocks:
        moment = time_of(image, clock)
        if not makes_sense(moment, now):
            trouble = "in the future" if moment and moment > now else "missing or zero"
            if moment and moment <= now:
                trouble = f"{moment:%Y-%m-%d}, which makes no sense"
            return Gap(
                f"rule '{rule.name}' needs {clock}, which is {trouble}", f"an {clock} that lies in the past"
            )
    return None


def ungrouped(image: Image, rule: Rule) -> Gap | None:
    """The first field that is missing of those that make the group for `keep_last`."""
    fields = rule.keep_last.per if rule.keep_last else ()
    field = next((field for field in fields if getattr(image, field) is None), None)
    return Gap(f"rule '{rule.name}' needs {field}, which is missing", f"its {field}") if field else None


def time_of(image: Image, clock: Clock) -> datetime | None:
    """The time of an image that a rule's clock reads."""
    return image.updated_at if clock is Clock.UPDATE_AT else image.created_at


def _is_public(image: Image) -> bool:
    return same_word(image.visibility, "PUBLIC")
