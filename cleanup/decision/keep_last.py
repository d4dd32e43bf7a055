"""The order of the newest within each group, for the rules with `keep_last`. Pure."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain, compress, count, islice, repeat
from operator import attrgetter, eq
from typing import Final, NamedTuple, TypeAlias

import msgspec

from cleanup.decision.times import Times
from cleanup.image import Image
from cleanup.image_columns.coded import Coded, recoded
from cleanup.image_columns.fields import codes, column
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import KeepLast, Rule

Group: TypeAlias = tuple[str | None, ...]

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_MICROSECOND: Final = 1e-6  # in seconds
_EXACT: Final = 1 << 52  # a float tells all whole numbers apart up to here


class Rank(msgspec.Struct, frozen=True, gc=False):
    """An image's place among the newest of its group, counted from 1, the group's size and its values."""

    rank: int
    size: int
    group: str


class Ranks:
    """The places of very many images among the newest of their groups.

    `newest` has by rule the numbers of those it keeps for being among them, `ungrouped` has the numbers of those
    that lack what makes a group.
    """

    def __init__(self, images: int) -> None:
        self.newest: dict[str, list[int]] = {}
        self.ungrouped: set[int] = set()
        self._images = images
        self._order = array("I")  # numbers, group after group, the newest first
        self._sizes: list[int] = []  # of each group
        self._values: list[Group] = []

    def put(self, rule: Rule, newest: int, order: Sequence[int], parts: Coded) -> None:
        """Give the images of these numbers their places by a rule that keeps so many of the newest."""
        kept, start = self.newest.setdefault(rule.name, []), 0
        for group, size in sorted(Counter(parts.codes).items()):
            kept += order[start : start + min(size, newest)]
            start += size
            self._sizes.append(size)
            self._values.append(parts.values[group])
        self._order.extend(order)

    def __getitem__(self, number: int) -> Rank | None:
        places, groups = self._places
        if not (place := places[number]):
            return None
        group = groups[number]
        return Rank(place, self._sizes[group], _label(self._values[group]))

    @cached_property
    def _places(self) -> "tuple[array[int], array[int]]":
        """The place of each image, 0 for none, and the number of its group: few ask for them."""
        places, groups = (array("I", bytes(4 * self._images)) for _ in range(2))
        within = chain.from_iterable(range(1, size + 1) for size in self._sizes)
        of_group = chain.from_iterable(map(repeat, count(), self._sizes))
        for number, place, group in zip(self._order, within, of_group, strict=True):
            places[number], groups[number] = place, group
        return places, groups


def rank(rules: Mapping[str, tuple[Rule, Sequence[int]]], times: Times) -> Ranks:
    """Each image's place among the newest of its group.

    `rules` has by name the rules with `keep_last`, each with the numbers of the images that count for it: those
    that it decides on, and only if they are ACTIVE. What is not datable or lacks what makes a group takes no place
    either. Protection and use do not matter here: who is protected still is one of the newest.
    """
    found = Ranks(len(times.images))
    order = _Order(times) if rules else None
    for rule, numbers in rules.values():
        if order and rule.keep_last:
            datable = times.sensible("updated_at", numbers)
            parts = grouped(times.images, datable, rule.keep_last)
            found.ungrouped.update(parts.ungrouped)
            found.put(rule, rule.keep_last.count, order.newest_first(parts), parts.groups)
    return found


class Grouped(NamedTuple):
    """Those that have a group, the group of each, and those who lack what makes one."""

    numbers: Sequence[int]
    groups: Coded
    ungrouped: Sequence[int]


def grouped(images: Sequence[Image], numbers: Sequence[int], keep_last: KeepLast) -> Grouped:
    """The groups of the images of these numbers."""
    coded = codes(images, keep_last.per, numbers)
    lacks = [None in values for values in coded.values]
    lacking: Sequence[int] = ()
    if any(lacks):
        left = [place for place, code in enumerate(coded.codes) if not lacks[code]]
        lacking = list(compress(numbers, map(lacks.__getitem__, coded.codes)))
        numbers = [numbers[place] for place in left]
        coded = Coded([coded.codes[place] for place in left], coded.values)
    if not ENUMERATED.keys().isdisjoint(keep_last.per):
        coded = recoded(coded.codes, [_folded(values, keep_last) for values in coded.values])
    return Grouped(numbers, coded, lacking)


def _folded(values: Group, keep_last: KeepLast) -> Group:
    """Enumerated words drift in case, so they are compared without."""
    return tuple(
        value.casefold() if value and field in ENUMERATED else value
        for field, value in zip(keep_last.per, values, strict=True)
    )


def _label(group: Group) -> str:
    return "/".join(group) if all(group) else "/".join(value or "?" for value in group)  # type: ignore[arg-type]


def group_label(image: Image, keep_last: KeepLast) -> str:
    """The values of an image's group in one, for people."""
    return _label(_folded(tuple(getattr(image, field) for field in keep_last.per), keep_last))


class _Order:
    """Puts numbers of images in the order of their groups, and within each in that of `newest_first`."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._updated = times.of("updated_at")
        self._keys: list[float] = [0.0] * len(times.images)

    def newest_first(self, parts: Grouped) -> list[int]:
        """The numbers of those that have a group, in order; all of them have a time that makes sense."""
        numbers, groups, _ = parts
        # One number says the group and in it the time, as exactly as there is room: very many are sorted by
        # floats several times as fast as by anything else. Equal ones are told apart afterwards.
        apart = int((self._times.latest - self._times.earliest) * _MICROSECOND) + 3
        unit = _MICROSECOND
        if apart * len(groups.values) >= _EXACT:
            apart, unit = self._times.latest - self._times.earliest + 1, 1
        keys = self._keys
        moments = map(self._updated.__getitem__, numbers)
        for number, group, moment in zip(numbers, groups.codes, moments, strict=True):
            keys[number] = group * apart - moment * unit
        order = sorted(numbers, key=keys.__getitem__)
        self._break_ties(order, list(map(keys.__getitem__, order)))
        return order

    def _break_ties(self, order: list[int], keys: Sequence[float]) -> None:
        end = 0
        for start in compress(count(), map(eq, keys, islice(keys, 1, None))):
            if start >= end:
                end = next((n for n in range(start, len(keys)) if keys[n] != keys[start]), len(keys))
                order[start:end] = self._exactly(order[start:end])

    def _exactly(self, numbers: list[int]) -> list[int]:
        ids, created = self._ties
        updated = self._updated
        by_id = sorted(numbers, key=ids.__getitem__)  # a sort keeps the order of what is equal to it
        return sorted(by_id, key=lambda number: (updated[number], created[number]), reverse=True)

    @cached_property
    def _ties(self) -> tuple[Sequence[str], Sequence[int]]:
        return column(self._times.images, "id"), self._times.of("created_at")


def newest_first(images: Iterable[Image]) -> list[Image]:
    """By update, then by creation; equal ones by id, so that the order of the input changes nothing."""
    by_id = sorted(images, key=attrgetter("id"))  # a sort keeps the order of what is equal to it
    return sorted(by_id, key=_times, reverse=True)


def _times(image: Image) -> tuple[datetime, datetime]:
    return (image.updated_at or _NEVER, image.created_at or _NEVER)
