"""Sizes of images as people write them: `> 10GiB`, or `>= 500MB, < 2GB`. Values are bytes."""

import re
from decimal import Decimal
from typing import Final

from cleanup.policy.bounds import Bounds

UNITS: Final = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_SIZE = r"[0-9]{1,15}(?:\.[0-9]{1,9})? ?(?:[KMGT]i?B|B)"
_BOUND = rf" *(?:<=|<|>=|>) *{_SIZE} *"
SIZE_SYNTAX: Final = f"^{_SIZE}$"
RANGE_SYNTAX: Final = f"^{_BOUND}(?:,{_BOUND})?$"
_SIZE_PARTS = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([KMGT]i?B|B)")
_BOUND_PARTS = re.compile(r"(<=|<|>=|>) *([^<>= ].*)")


def parse_size(text: str) -> int:
    """`10GiB` in bytes; raises ValueError with a message that says what to write instead."""
    found = _SIZE_PARTS.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no size: {_advice(text)}")
    return int(Decimal(found[1]) * UNITS[found[2]])


def parse_size_range(text: str) -> Bounds[int]:
    """`> 10GiB` or `>= 1GB, < 2GB`, in bytes; raises ValueError like `parse_size`."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2:
        raise ValueError(f"'{text}' has {len(parts)} bounds: one or two are enough, such as > 1GiB, < 20GiB")
    bounds = Bounds(tuple(map(_parse_bound, parts)))
    if bounds.contradictory:
        raise ValueError(f"no size is '{text}': the two bounds exclude each other")
    return bounds


def _parse_bound(text: str) -> tuple[str, int]:
    found = _BOUND_PARTS.fullmatch(text)
    if found is None:
        raise ValueError(
            f"'{text}' is no bound on a size: write > 10GiB or <= 500MB (operators are > >= < <=)"
        )
    return found[1], parse_size(found[2])


def _advice(text: str) -> str:
    """What somebody who wrote this most likely meant."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)", text)
    if found is None:
        return "write a number and a unit, such as 10GiB"
    number, word = found.groups()
    if not word:
        return f"the unit is missing, write {number}GiB, or {number}B for bytes"
    unit = next((unit for unit in UNITS if unit.casefold() in (word.casefold(), f"{word}b".casefold())), None)
    return f"write {number}{unit}" if unit else f"the units are {', '.join(UNITS)}"
