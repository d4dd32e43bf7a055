"""The order of the newest within each group, for the rules with `keep_last`. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Final, TypeAlias, TypeVar

import msgspec

from cleanup.image import Image, makes_sense
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import KeepLast, Rule

T = TypeVar("T")
Group: TypeAlias = tuple[str | None, ...]
Dated: TypeAlias = tuple[datetime, datetime, str, T]

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Rank(msgspec.Struct, frozen=True, gc=False):
    """An image's place among the newest of its group, counted from 1, the group's size and its values."""

    rank: int
    size: int
    group: str


def rank(images: Sequence[Image], rules: Sequence[Rule | None], now: datetime) -> list[Rank | None]:
    """Each image's place among the newest of its group; None where it takes none.

    `rules` has for each image the rule for whose `keep_last` it counts: one that decides on it, and
    only if it is ACTIVE. What is not datable or lacks what makes a group takes no place either.
    Protection and use do not matter here: who is protected still is one of the newest.
    """
    found: list[Rank | None] = [None] * len(images)
    by_rule: dict[str, tuple[Callable[[Image], Group], dict[Group, list[Dated[int]]]]] = {}
    for number, (image, rule) in enumerate(zip(images, rules, strict=True)):
        if rule and rule.keep_last and makes_sense(image.updated_at, now):
            if rule.name not in by_rule:
                by_rule[rule.name] = (grouping(rule.keep_last), {})
            group_of, groups = by_rule[rule.name]
            groups.setdefault(group_of(image), []).append(dated(image, number))
    for group, members in chain.from_iterable(groups.items() for _, groups in by_rule.values()):
        if None not in group:
            label, size = "/".join(value or "?" for value in group), len(members)
            sort_newest_first(members)
            for place, (_, _, _, number) in enumerate(members, 1):
                found[number] = Rank(place, size, label)
    return found


def grouping(keep_last: KeepLast) -> Callable[[Image], Group]:
    """What makes an image's group; enumerated words drift in case, so they are compared without."""
    fields = keep_last.per
    values_of = attrgetter(*fields)
    if len(fields) > 1 and not any(field in ENUMERATED for field in fields):
        return values_of

    def group(image: Image) -> Group:
        values = [(field, getattr(image, field)) for field in fields]
        return tuple(
            [value.casefold() if value and field in ENUMERATED else value for field, value in values]
        )

    return group


def group_label(image: Image, keep_last: KeepLast) -> str:
    """The values of an image's group in one, for people."""
    return "/".join(value or "?" for value in grouping(keep_last)(image))


def dated(image: Image, item: T) -> Dated[T]:
    """Something to be brought in order by the times of an image."""
    return (image.updated_at or _NEVER, image.created_at or _NEVER, image.id, item)


def sort_newest_first(items: list[Dated[T]]) -> None:
    """In place, by update, then by creation; equal ones by id, so that the order of the input changes nothing."""
    if len(items) > 1:
        # In two steps: a sort keeps the order of what is equal to it.
        items.sort(key=itemgetter(2))
        items.sort(key=itemgetter(0, 1), reverse=True)


def newest_first(images: Iterable[Image]) -> list[Image]:
    """The images in that order."""
    items = [dated(image, image) for image in images]
    sort_newest_first(items)
    return [image for _, _, _, image in items]
