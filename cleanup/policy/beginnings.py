"""Texts that begin, end or go on in some way, found by comparing: what most globs come to. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

Matches: TypeAlias = Callable[[str], bool]


def next_to(text: str) -> str | None:
    """The first text, in their order, behind all that begin with this one; None where there is none."""
    shorter = text.rstrip("\U0010ffff")
    return shorter[:-1] + chr(ord(shorter[-1]) + 1) if shorter else None


def begins_with(text: str) -> Matches:
    """Whether a value begins with this text."""
    # In the order of texts those that begin alike lie together: to compare twice is faster than to call `startswith`.
    if (after := next_to(text)) is None:
        return lambda value: value.startswith(text)
    return lambda value: text <= value < after


def found_in_turn(texts: Sequence[str]) -> Matches:
    """Whether a value is these texts with anything between them."""
    first, *middle, last = texts
    if not first and not last and len(middle) == 1:
        (literal,) = middle
        return lambda value: literal in value
    if not first and not middle:
        return lambda value: value.endswith(last)

    def matches(value: str) -> bool:
        if not (value.startswith(first) and value.endswith(last)):
            return False
        place, end = len(first), len(value) - len(last)
        for text in middle:
            if (found := value.find(text, place, end)) < 0:
                return False
            place = found + len(text)
        return place <= end

    return matches
