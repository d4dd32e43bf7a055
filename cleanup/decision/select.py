"""The decision: images, a policy, what is in use and the time in; one decision an image out. Pure.

`_by_fields` and `_Rulings` are the order in which everything is asked
(policies/README.md, How an image is decided).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias, final

import msgspec

from cleanup.decision.decisions import FORCED, WHY_NOT, Decisions
from cleanup.decision.force import Given, asking, forces
from cleanup.decision.keep_last import Ranks, grouped, rank
from cleanup.decision.rulings import Gap, Ruling, Terms
from cleanup.decision.times import Times
from cleanup.decision.types import Action, Reason
from cleanup.image import Image, Status, same_word
from cleanup.image_columns.fields import key_numbers, scaled
from cleanup.image_columns.table import ImageColumns
from cleanup.in_use import InUse, Use
from cleanup.policy.language import Policy, Rule
from cleanup.policy.match import Matcher, RuleMatch


def select(
    images: Iterable[Image],
    policy: Policy,
    in_use: InUse,
    now: datetime,
    *,
    others: Iterable[Image] = (),
    unseen: Collection[str] = (),
) -> Decisions:
    """Decide about each image, in the order given. The order changes no decision.

    `now` is timezone-aware. What is unknown is kept; `force` is given only where nobody who stays
    needs the content. `others` are records that are not decided on but may need a content: those
    of the workspaces that are not cleaned. `unseen` names the workspaces that could not be read.
    """
    inventory = images if isinstance(images, ImageColumns) else tuple(images)
    groups = by_fields(inventory, policy)
    times = Times(inventory, now)
    ranks = rank(ranked(groups), times)
    # Only what the policy and the users make necessary is found out: for very many images all of it takes its time.
    keys = key_numbers(inventory) if in_use.uses or asking(policy) else None
    users = in_use.of_each(inventory, keys) if keys else {}
    rulings = _Rulings(times, ranks, users)
    for standing, numbers in groups:
        rulings.decide(standing, numbers)
    for terms in {standing.terms for standing, _ in groups if standing.terms}:
        rulings.keep_newest(terms)
    del groups
    found = Decisions(inventory, rulings.found, bytearray(len(inventory)), ranks, now, keys)
    for given, why in _forces(found, policy, others, all_seen=not unseen):
        value = WHY_NOT[why] if why else FORCED
        for number in given:
            found.forces[number] = value
    return found


def _forces(found: Decisions, policy: Policy, others: Iterable[Image], *, all_seen: bool) -> Iterator[Given]:
    if not (rules := asking(policy)):
        return iter(())
    rulings = found.rulings
    asked = [number for number in found.going() if rulings[number].rule in rules]
    return forces(found.images, asked, found.deleted_by, rules, others, all_seen=all_seen, keys=found.keys)


class Standing(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What an image's fields alone decide, the same for all images that agree in them.

    Either a `ruling`, which if it is `settled` holds whoever uses the image, or the `terms` of a rule. `dated` holds
    instead of what the terms say, where the times make sense. `ranked` is the rule for whose `keep_last` it counts.
    """

    ruling: Ruling | None = None
    terms: Terms | None = None
    settled: bool = False
    dated: Ruling | None = None
    ranked: Rule | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What is the same for standings that say the same."""
        rulings = ((one.reason, one.detail, one.rule) if one else None for one in (self.ruling, self.dated))
        return (*rulings, id(self.terms), self.settled, id(self.ranked))


Standings: TypeAlias = list[tuple[Standing, list[int]]]


def by_fields(images: Sequence[Image], policy: Policy) -> Standings:
    """What the fields alone decide, with the numbers of the images for which they do."""
    terms = {rule.name: Terms(rule) for rule in policy.rules}
    known: dict[tuple[object, ...], Standing] = {}

    def answer(image: Image, match: RuleMatch) -> Standing:
        found = _by_fields(terms, image, match)
        return known.setdefault(found.key, found)

    return Matcher(policy, answer, ("visibility", "unreadable")).groups(images)


def ranked(standings: Standings) -> dict[str, tuple[Rule, list[int]]]:
    """By name the rules with `keep_last`, with the numbers of the images that count for them."""
    found: dict[str, tuple[Rule, list[int]]] = {}
    for standing, numbers in standings:
        if rule := standing.ranked:
            found.setdefault(rule.name, (rule, []))[1].extend(numbers)
    return found


def _by_fields(terms: Mapping[str, Terms], image: Image, match: RuleMatch) -> Standing:
    rule = match.rule
    if image.unreadable:
        return Standing(_keep(Reason.UNKNOWN, f"its record is damaged: {image.unreadable}"), settled=True)
    # Only the project's own images can go, and none that is still being saved, whatever the policy says.
    if image.type is None:
        said = "the API did not say whether it is the project's own (type)"
        return Standing(_keep(Reason.UNKNOWN, said), settled=True)
    if not image.is_dedicated:
        return Standing(_keep(Reason.BUILT_IN, f"not the project's own (type {image.type})"), settled=True)
    if image.known_status in (Status.INIT, Status.CREATING):
        return Standing(_keep(Reason.BUSY, f"still being saved (status {image.status})"), settled=True)
    # Among the newest counts who is ACTIVE and whom this rule decides on, also if protected or in use.
    counts = rule and rule.keep_last and not match.unclear and image.known_status is Status.ACTIVE
    ranked = rule if counts else None
    # Protections and users come before every rule.
    if entry := match.protection:
        because = f" ({entry.because})" if entry.because else ""
        protected = _keep(Reason.PROTECTED, f"protected by '{entry.text}'{because}")
        return Standing(protected, settled=True, ranked=ranked)
    # One rule decides alone: the first whose match holds, or cannot be evaluated.
    if rule is None:
        return Standing(_keep(Reason.NO_RULE, "in no rule's scope"))
    # Whatever protections and this rule need must be known.
    if gap := unknown(image, match, rule):
        return Standing(_unclear(gap, rule), ranked=ranked)
    # Anybody may use a PUBLIC image by its id, unseen by us: it goes only where a rule says that in so many words.
    dated = None
    if _is_public(image) and not rule.names_visibility:
        said = (
            f"PUBLIC, so others may use it unseen; the match of rule '{rule.name}' does not name visibility"
        )
        dated = _keep(Reason.PUBLIC, said, rule.name)
    return Standing(terms=terms[rule.name], dated=dated, ranked=ranked)


@final
class _Rulings:
    """The rulings on very many images, in their order, as far as they are found."""

    def __init__(self, times: Times, ranks: Ranks, users: Mapping[int, Use]) -> None:
        self.found: list[Ruling] = [_OPEN] * len(times.images)
        self._times = times
        self._ranks = ranks
        self._users = users
        self._used: dict[str, Ruling] = {}

    def decide(self, standing: Standing, numbers: Sequence[int]) -> None:
        """Decide about the images of these numbers, of which the same is true, but for the newest."""
        if self._users and not standing.settled:
            numbers = self._without_used(numbers)
        if terms := standing.terms:
            # The times that the rule reckons with must make sense, and what makes a group must be there.
            left = self._datable(terms, numbers)
            if terms.rule.keep_last:
                left = self._grouped(terms, standing, left)
            if standing.dated:
                self._give(standing.dated, left)
            else:
                self._by_age(terms, left)
        elif standing.ruling:
            self._give(standing.ruling, numbers)

    def keep_newest(self, terms: Terms) -> None:
        """The newest of a group are kept whatever their age. Who has no place is not ACTIVE, so not kept for it."""
        found, by_age = self.found, (terms.expired, terms.too_young)
        for number in self._ranks.newest.get(terms.rule.name, ()):
            if found[number] in by_age:
                found[number] = terms.newest

    def _give(self, ruling: Ruling, numbers: Iterable[int]) -> None:
        found = self.found
        for number in numbers:
            found[number] = ruling

    def _without_used(self, numbers: Sequence[int]) -> Sequence[int]:
        users = self._users
        used = [number for number in numbers if number in users]
        for number in used:
            said = f"used by {users[number].user}"
            if (ruling := self._used.get(said)) is None:
                ruling = self._used[said] = _keep(Reason.IN_USE, said)
            self.found[number] = ruling
        return [number for number in numbers if number not in users] if used else numbers

    def _datable(self, terms: Terms, numbers: Sequence[int]) -> Sequence[int]:
        """Those whose times make sense; the others are unknown."""
        for time in terms.times:
            known = self._times.sensible(time, numbers)
            if len(known) < len(numbers):
                self._give(terms.unknown, set(numbers).difference(known))
            numbers = known
        return numbers

    def _grouped(self, terms: Terms, standing: Standing, numbers: Sequence[int]) -> Sequence[int]:
        """Those that have what makes a group; the others are unknown."""
        lacking = self._ranks.ungrouped
        if not standing.ranked and terms.rule.keep_last:
            lacking = set(grouped(self._times.images, numbers, terms.rule.keep_last).ungrouped)
        if lacking:
            self._give(terms.unknown, lacking.intersection(numbers))
            numbers = [number for number in numbers if number not in lacking]
        return numbers

    def _by_age(self, terms: Terms, numbers: Sequence[int]) -> None:
        if older := terms.rule.older_than:
            moments, limit = self._times.of(terms.aged_by), scaled(self._times.now - older.age)
            found, expired, too_young = self.found, terms.expired, terms.too_young
            for number in numbers:  # exactly as old as the rule says is still too young
                found[number] = expired if moments[number] < limit else too_young
        else:
            self._give(terms.expired, numbers)


def _keep(reason: Reason, detail: str, rule: str | None = None) -> Ruling:
    return Ruling(Action.KEEP, reason, detail, rule)


def _unclear(gap: Gap, rule: Rule) -> Ruling:
    return _keep(Reason.UNKNOWN, gap.detail, rule.name)


# What is not decided is unknown, and so kept: no image is meant to be left with it.
_OPEN: Final = _keep(Reason.UNKNOWN, "")


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


def _is_public(image: Image) -> bool:
    return same_word(image.visibility, "PUBLIC")
