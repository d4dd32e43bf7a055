"""The order of the newest within each group, for the rules with `keep_last`. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from cleanup.decision.match import RuleMatch
from cleanup.image import Image, Status, makes_sense
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.language import KeepLast


class Rank(msgspec.Struct, frozen=True):
    """An image's place among the newest of its group, counted from 1, and the group's size."""

    rank: int
    size: int


def rank(images: Sequence[Image], matches: Sequence[RuleMatch], now: datetime) -> dict[str, Rank]:
    """Each image's place among the newest of its group, for the rules with `keep_last`.

    Only images that the rule decides on, that are ACTIVE and whose age is known take a place.
    Protection and use do not matter here: who is protected still is one of the newest.
    """
    groups: dict[tuple[str | None, ...], list[Image]] = defaultdict(list)
    for image, match in zip(images, matches, strict=True):
        if match.unclear or not (match.rule and match.rule.keep_last):
            continue
        group = group_of(image, match.rule.keep_last)
        known = makes_sense(image.updated_at, now) and None not in group and not image.unreadable
        if known and image.is_dedicated and image.known_status is Status.ACTIVE:
            groups[(match.rule.name, *group)].append(image)
    return {
        image.id: Rank(number, len(group))
        for group in groups.values()
        for number, image in enumerate(sorted(group, key=newest_first), 1)
    }


def group_of(image: Image, keep_last: KeepLast) -> tuple[str | None, ...]:
    """The values that make the image's group; enumerated words drift in case, so they are compared without."""
    values = [(field, getattr(image, field)) for field in keep_last.per]
    return tuple(value.casefold() if value and field in ENUMERATED else value for field, value in values)


def newest_first(image: Image) -> tuple[float, float, str]:
    """A sort key: by update, then by creation; ties are broken by id, so that no order of input matters."""
    updated = image.updated_at.timestamp() if image.updated_at else 0.0
    created = image.created_at.timestamp() if image.created_at else 0.0
    return (-updated, -created, image.id)
