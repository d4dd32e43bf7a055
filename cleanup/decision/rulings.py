"""What decides about an image, the same for all of which the same is true, and the sentence about one of them. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, final

import msgspec

from cleanup.decision.keep_last import Ranks, group_label
from cleanup.decision.types import Action, Reason
from cleanup.durations import format_duration
from cleanup.image import Image, makes_sense
from cleanup.image_columns.fields import moments, scaled
from cleanup.image_columns.row import EPOCH
from cleanup.policy.language import Clock, KeepLast, Rule
from cleanup.policy.match import Remembered

_SECOND: Final = timedelta(seconds=1)
_MICROSECONDS: Final = 1_000_000  # in a second
_HOUR: Final = 3600
_DAY: Final = 86_400


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
        self._older_than = rule.older_than.age // _SECOND if rule.older_than else 0
        # Ages are few when they are said in hours.
        self._said_expired = Remembered(self._say_expired)
        self._said_too_young = Remembered(self._say_too_young)

    def details(
        self, reason: Reason, images: Sequence[Image], numbers: Sequence[int], ranks: Ranks, now: datetime
    ) -> list[str]:
        """The sentences about the images of these numbers, for which this reason was found."""
        newest = self.rule.keep_last
        match reason:
            case Reason.UNKNOWN:
                return [self._gap(images[number], now) for number in numbers]
            case Reason.KEEP_LAST:
                return [_placed(images, number, newest, ranks) for number in numbers]
            case Reason.TOO_YOUNG:
                return self._too_young(moments(images, self.aged_by, numbers), now)
            case _ if newest is None:
                return self._expired(moments(images, self.aged_by, numbers), now)
            case _:
                aged = self._expired(moments(images, self.aged_by, numbers), now)
                placed = (_placed(images, number, newest, ranks) for number in numbers)
                return [
                    f"{age}; {place}" if self._limit else place
                    for age, place in zip(aged, placed, strict=True)
                ]

    def _gap(self, image: Image, now: datetime) -> str:
        gap = undated(image, self.rule, now) or ungrouped(image, self.rule)
        return gap.detail if gap else ""

    def _expired(self, times: Sequence[int], now: datetime) -> list[str]:
        if not self._limit:
            return ["everything in the rule's scope is deleted (delete_all)"] * len(times)
        return [*map(self._said_expired.__getitem__, _ages(times, now))]

    def _say_expired(self, age: int) -> str:
        return f"{self._verb} {format_duration(age * _SECOND)} ago, more than {self._limit}"

    def _too_young(self, times: Sequence[int], now: datetime) -> list[str]:
        until = ((self._older_than + value // _MICROSECONDS) // _DAY for value in times)
        return [*map(self._said_too_young.__getitem__, zip(_ages(times, now), until, strict=True))]

    def _say_too_young(self, age_and_until: tuple[int, int]) -> str:
        age, until = age_and_until
        day = EPOCH.date() + timedelta(days=until)
        return f"{self._verb} {format_duration(age * _SECOND)} ago, not more than {self._limit}; until {day}"


def _ages(times: Sequence[int], now: datetime) -> Iterator[int]:
    """Ages in seconds as exact as they are said: from a day on in whole hours."""
    until = scaled(now)
    ages = ((until - value) // _MICROSECONDS for value in times)
    return (age if age < _DAY else age - age % _HOUR for age in ages)


_TIMES: Final = {Clock.UPDATE_AT: ("updated_at", "updated"), Clock.CREATE_AT: ("created_at", "created")}


def _placed(images: Sequence[Image], number: int, newest: KeepLast | None, ranks: Ranks) -> str:
    """What is said of an image's place among the newest of its group."""
    if newest is None:
        return ""
    if (place := ranks[number]) is None:  # who has none is not ACTIVE, so not kept for it
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
