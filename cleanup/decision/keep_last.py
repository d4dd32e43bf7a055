"""The order of the newest within each group, for the rules with `keep_last`. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter, eq
from typing import Any, Final, TypeAlias

import msgspec

from cleanup.image import EPOCH_OF_SENSE, Image
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import KeepLast, Rule

Group: TypeAlias = tuple[str | None, ...]

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Rank(msgspec.Struct, frozen=True, gc=False):
    """An image's place among the newest of its group, counted from 1, the group's size and its values."""

    rank: int
    size: int
    group: str


class Place(Rank, frozen=True, gc=False):
    """A rank with what follows its number in a sentence, which is one text for many of a group."""

    among: str

    @property
    def as_rank(self) -> Rank:
        return Rank(self.rank, self.size, self.group)


def rank(images: Sequence[Image], rules: Sequence[Rule | None], now: datetime) -> list[Place | None]:
    """Each image's place among the newest of its group; None where it takes none.

    `rules` has for each image the rule for whose `keep_last` it counts: one that decides on it, and
    only if it is ACTIVE. What is not datable or lacks what makes a group takes no place either.
    Protection and use do not matter here: who is protected still is one of the newest.
    """
    found: list[Place | None] = [None] * len(images)
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, rule in enumerate(rules):
        if rule is not None:
            numbers[rule.name].append(number)
    named = {rule.name: rule for rule in rules if rule}
    moments = [image.updated_at for image in images] if numbers else []
    for rule in named.values():
        if rule.keep_last:
            datable = [
                number
                for number in numbers[rule.name]
                if (moment := moments[number]) is not None and EPOCH_OF_SENSE <= moment <= now
            ]
            for group, members in _groups(images, datable, rule.keep_last).items():
                _sort_newest_first(members, moments, images)
                label, size, count = _label(group), len(members), rule.keep_last.count
                said = f" of the newest {count} (of {size}) in {label}"
                for place, number in enumerate(members[:count], 1):
                    found[number] = Place(place, size, label, said)
                said = f" of {size} in {label}, not one of the newest {count}"
                for place, number in enumerate(members[count:], count + 1):
                    found[number] = Place(place, size, label, said)
    return found


def _groups(images: Sequence[Image], numbers: Sequence[int], keep_last: KeepLast) -> dict[Group, list[int]]:
    """The numbers of images by group, without those who lack what makes one."""
    spelled: dict[Any, list[int]] = {}
    for number, values in zip(
        numbers, map(_values_of(keep_last), map(images.__getitem__, numbers)), strict=True
    ):
        if (members := spelled.get(values)) is None:
            spelled[values] = [number]
        else:
            members.append(number)
    if ENUMERATED.keys().isdisjoint(keep_last.per):
        return {group: members for group, members in spelled.items() if None not in group}
    groups: dict[Group, list[int]] = {}
    for values, members in spelled.items():
        if None not in values:
            groups.setdefault(_folded(values, keep_last), []).extend(members)
    return groups


def _values_of(keep_last: KeepLast) -> Callable[[Image], Group]:
    """The values of an image that make its group, as they are spelled."""
    values_of: Callable[[Image], Any] = attrgetter(*keep_last.per)
    return values_of if len(keep_last.per) > 1 else lambda image: (values_of(image),)


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
    return _label(_folded(_values_of(keep_last)(image), keep_last))


def _sort_newest_first(
    numbers: list[int], moments: Sequence[datetime | None], images: Sequence[Image]
) -> None:
    """In place, the numbers of images in the order of `newest_first`."""
    if len(numbers) > 1:
        moment_of: Callable[[int], Any] = moments.__getitem__
        numbers.sort(key=moment_of, reverse=True)
        if any(map(eq, map(moment_of, numbers), map(moment_of, numbers[1:]))):
            numbers.sort(key=lambda number: images[number].id)
            numbers.sort(key=lambda number: _times(images[number]), reverse=True)


def newest_first(images: Iterable[Image]) -> list[Image]:
    """By update, then by creation; equal ones by id, so that the order of the input changes nothing."""
    by_id = sorted(images, key=attrgetter("id"))  # a sort keeps the order of what is equal to it
    return sorted(by_id, key=_times, reverse=True)


def _times(image: Image) -> tuple[datetime, datetime]:
    return (image.updated_at or _NEVER, image.created_at or _NEVER)
