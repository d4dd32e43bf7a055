"""What very many images are in some fields, where the values are few: a number for each value."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple


class Coded(NamedTuple):
    """What each of many images is in some fields: a code, and for each code the values of the fields."""

    codes: Sequence[int]
    values: list[tuple[Any, ...]]


class Codes(dict[Any, int]):
    """A number for each value, counted from 0 in the order in which they are met."""

    def __missing__(self, value: Any) -> int:
        self[value] = number = len(self)
        return number


def numbered(values: Iterable[Any]) -> tuple[list[int], list[Any]]:
    """A number for each of the values, and the values that are different, in the order of their numbers."""
    known = Codes()
    return list(map(known.__getitem__, values)), list(known)


def coded(values: Iterable[tuple[Any, ...]]) -> Coded:
    """The values of each image, as codes."""
    return Coded(*numbered(values))


def recoded(codes: Sequence[int], values: Sequence[tuple[Any, ...]]) -> Coded:
    """The same where several codes may stand for equal values."""
    known = Codes()
    new = [known[value] for value in values]
    if len(known) == len(values):
        return Coded(codes, list(known))
    return Coded(list(map(new.__getitem__, codes)), list(known))


def combined(parts: Sequence[Coded], count: int) -> Coded:
    """One code for what the parts say of an image."""
    if not parts:
        return Coded([0] * count, [()] if count else [])
    if len(parts) == 1:
        return parts[0]
    found = coded(zip(*(part.codes for part in parts), strict=True))
    values = [
        tuple(chain.from_iterable(part.values[code] for part, code in zip(parts, codes, strict=True)))
        for codes in found.values
    ]
    return Coded(found.codes, values)


def numbers_by_code(found: Iterable[int], numbers: Iterable[int], count: int) -> list[list[int]]:
    """For each code those of the numbers that have it."""
    by_code: list[list[int]] = [[] for _ in range(count)]
    puts = [one.append for one in by_code]
    for number, put in zip(numbers, map(puts.__getitem__, found), strict=False):
        put(number)
    return by_code


def repeated(values: Iterable[int]) -> set[int]:
    """Those of the values that come more than once."""
    seen: set[int] = set()
    add = seen.add
    return {value for value in values if value in seen or add(value)}
