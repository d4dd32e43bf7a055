"""What decides about an image, the same for all of which the same is true, and the sentence about one of them. Pure."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple, final

import msgspec

from cleanup.decision.keep_last import Rank, group_label
from cleanup.decision.types import Action, Reason
from cleanup.durations import format_duration
from cleanup.image import Image, makes_sense
from cleanup.image_columns.fields import moment_of
from cleanup.policy.language import Clock, KeepLast, Rule
from cleanup.policy.patterns import MOST_REMEMBERED


class Gap(NamedTuple):
    """What is not known, as a sentence, and what the service would have to say instead."""

    detail: str
    wanted: str


@final
class Ruling(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A decision without its image. Where `terms` are given they have the sentence, else it is `detail`."""

    action: Action
    reason: Reason
    detail: str = ""
    rule: str | None = None
    terms: "Terms | None" = None


class Terms:
    """What a rule reckons with for each image, the rulings that may come of it, and what is said of them."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.times = tuple(_TIMES[clock][0] for clock in rule.clocks)
        self.aged_by, self._verb = _TIMES[rule.older_than.clock if rule.older_than else Clock.UPDATE_AT]
        self._limit = format_duration(rule.older_than.age) if rule.older_than else ""
        self.expired = Ruling(Action.DELETE, Reason.EXPIRED, rule=rule.name, terms=self)
        self.too_young = Ruling(Action.KEEP, Reason.TOO_YOUNG, rule=rule.name, terms=self)
        self.newest = Ruling(Action.KEEP, Reason.KEEP_LAST, rule=rule.name, terms=self)
        self.unknown = Ruling(Action.KEEP, Reason.UNKNOWN, rule=rule.name, terms=self)
        # Ages are few when they are said in hours.
        self._said_expired: dict[tuple[int, int], str] = {}
        self._said_too_young: dict[tuple[int, int, int], str] = {}

    def detail(
        self, reason: Reason, images: Sequence[Image], number: int, place: Rank | None, now: datetime
    ) -> str:
        """The sentence about the image of this number, for which this reason was found."""
        rule = self.rule
        match reason:
            case Reason.UNKNOWN:
                gap = undated(images[number], rule, now) or ungrouped(images[number], rule)
                return gap.detail if gap else ""
            case Reason.KEEP_LAST:
                return _placed(images, number, rule.keep_last, place)
            case Reason.TOO_YOUNG:
                return self._young(moment_of(images, self.aged_by, number), now)
            case _:
                aged = self._aged(moment_of(images, self.aged_by, number), now)
                placed = _placed(images, number, rule.keep_last, place)
                told = f"{aged}; {placed}" if aged and placed else aged or placed
                return told or "everything in the rule's scope is deleted (delete_all)"

    def _aged(self, moment: datetime | None, now: datetime) -> str:
        if self.rule.older_than is None or moment is None:
            return ""
        age = now - moment
        days = age.days  # from a day on an age is said in hours, below in seconds
        key = (days, age.seconds // 3600 if days else age.seconds)
        if (told := self._said_expired.get(key)) is None:
            told = f"{self._verb} {format_duration(age)} ago, more than {self._limit}"
            if len(self._said_expired) < MOST_REMEMBERED:
                self._said_expired[key] = told
        return told

    def _young(self, moment: datetime | None, now: datetime) -> str:
        if self.rule.older_than is None or moment is None:
            return ""
        age = now - moment
        until = (moment + self.rule.older_than.age).toordinal()
        days = age.days
        key = (days, age.seconds // 3600 if days else age.seconds, until)
        if (told := self._said_too_young.get(key)) is None:
            day = date.fromordinal(until).isoformat()
            told = f"{self._verb} {format_duration(age)} ago, not more than {self._limit}; until {day}"
            if len(self._said_too_young) < MOST_REMEMBERED:
                self._said_too_young[key] = told
        return told


_TIMES: Final = {Clock.UPDATE_AT: ("updated_at", "updated"), Clock.CREATE_AT: ("created_at", "created")}


def _placed(images: Sequence[Image], number: int, newest: KeepLast | None, place: Rank | None) -> str:
    """What is said of an image's place among the newest of its group."""
    if newest is None:
        return ""
    if place is None:  # who has none is not ACTIVE, so not kept for it
        image = images[number]
        label = group_label(image, newest)
        return f"not ACTIVE ({image.status}) in {label}, not one of the newest {newest.count}"
    if place.rank <= newest.count:
        return f"number {place.rank} of the newest {newest.count} (of {place.size}) in {place.group}"
    return f"number {place.rank} of {place.size} in {place.group}, not one of the newest {newest.count}"


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
