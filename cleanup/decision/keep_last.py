"""The order of the newest within each group, for the rules with `keep_last`. Pure."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter, eq
from typing import Any, Final, TypeAlias

import msgspec

from cleanup.image import EPOCH_OF_SENSE, Image
from cleanup.image_columns.fields import codes, column, moments
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import KeepLast, Rule

Group: TypeAlias = tuple[str | None, ...]

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Rank(msgspec.Struct, frozen=True, gc=False):
    """An image's place among the newest of its group, counted from 1, the group's size and its values."""

    rank: int
    size: int
    group: str


class Ranks:
    """The places of very many images: `ranks` has a number for each, 0 for an image that takes no place."""

    def __init__(self, count: int) -> None:
        self.ranks = array("I", bytes(4 * count))
        self._groups = array("I", bytes(4 * count))
        self._told: list[tuple[int, str]] = []

    def put(self, members: Sequence[int], label: str) -> None:
        """Give the members of a group their places, in this order."""
        ranks, groups, group = self.ranks, self._groups, len(self._told)
        self._told.append((len(members), label))
        for place, number in enumerate(members, 1):
            ranks[number] = place
            groups[number] = group

    def __getitem__(self, number: int) -> Rank | None:
        if not (place := self.ranks[number]):
            return None
        size, label = self._told[self._groups[number]]
        return Rank(place, size, label)


def rank(images: Sequence[Image], rules: Mapping[str, tuple[Rule, Sequence[int]]], now: datetime) -> Ranks:
    """Each image's place among the newest of its group.

    `rules` has by name the rules with `keep_last`, each with the numbers of the images that count for it: those
    that it decides on, and only if they are ACTIVE. What is not datable or lacks what makes a group takes no place
    either. Protection and use do not matter here: who is protected still is one of the newest.
    """
    found = Ranks(len(images))
    if not rules:
        return found
    updated = moments(images, "updated_at")
    values, earliest, latest = updated.values, updated.scaled(EPOCH_OF_SENSE), updated.scaled(now)
    order = _Order(images, values)
    for rule, numbers in rules.values():
        if rule.keep_last:
            datable = [number for number in numbers if earliest <= values[number] <= latest]
            for group, members in _groups(images, datable, rule.keep_last):
                order.sort(members)
                found.put(members, _label(group))
    return found


def _groups(
    images: Sequence[Image], numbers: Sequence[int], keep_last: KeepLast
) -> Iterable[tuple[Group, list[int]]]:
    """The numbers of images by group, without those who lack what makes one."""
    coded = codes(images, keep_last.per, numbers)
    spelled: dict[int, list[int]] = {}
    for number, code in zip(numbers, coded.codes, strict=True):
        if (members := spelled.get(code)) is None:
            spelled[code] = [number]
        else:
            members.append(number)
    groups: dict[Group, list[int]] = {}
    for code, members in spelled.items():
        values = coded.values[code]
        if None not in values:
            group = _folded(values, keep_last)
            if group in groups:
                groups[group] += members
            else:
                groups[group] = members
    return groups.items()


def _folded(values: Group, keep_last: KeepLast) -> Group:
    """Enumerated words drift in case, so they are compared without."""
    if ENUMERATED.keys().isdisjoint(keep_last.per):
        return values
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
    """Sorts numbers of images in the order of `newest_first`."""

    def __init__(self, images: Sequence[Image], updated: Sequence[Any]) -> None:
        self._images = images
        self._moment_of: Callable[[int], Any] = updated.__getitem__
        self._ties: tuple[Callable[[int], Any], Callable[[int], Any]] | None = None

    def sort(self, numbers: list[int]) -> None:
        if len(numbers) > 1:
            moment_of = self._moment_of
            numbers.sort(key=moment_of, reverse=True)
            if any(map(eq, map(moment_of, numbers), map(moment_of, numbers[1:]))):
                self._break_ties(numbers)

    def _break_ties(self, numbers: list[int]) -> None:
        if self._ties is None:
            created = moments(self._images, "created_at").values
            self._ties = column(self._images, "id").__getitem__, created.__getitem__
        id_of, created_at = self._ties
        # A sort keeps the order of what is equal to it.
        numbers.sort(key=id_of)
        numbers.sort(key=created_at, reverse=True)
        numbers.sort(key=self._moment_of, reverse=True)


def newest_first(images: Iterable[Image]) -> list[Image]:
    """By update, then by creation; equal ones by id, so that the order of the input changes nothing."""
    by_id = sorted(images, key=attrgetter("id"))  # a sort keeps the order of what is equal to it
    return sorted(by_id, key=_times, reverse=True)


def _times(image: Image) -> tuple[datetime, datetime]:
    return (image.updated_at or _NEVER, image.created_at or _NEVER)
