"""Lengths of time as people write them: `90d`, `1d12h`. Months and years have no fixed length."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

SYNTAX: Final = r"^(?=[0-9])([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
LONGEST: Final = timedelta(days=36_500)
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]+)([wdhms])")


def parse_duration(text: str) -> timedelta:
    """`90d`, `1d12h`, `30s`: whole numbers with the units w, d, h, m, s, the largest first.

    Raises ValueError with a message that says what to write instead.
    """
    if not re.fullmatch(SYNTAX, text):
        raise ValueError(f"'{text}' is no duration: {_advice(text)}")
    seconds = 0
    for number, unit in _PART.findall(text):
        seconds += int(number.lstrip("0")[:15] or 0) * _SECONDS[unit]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"'{text}' is longer than 100 years: write at most 36500d")
    return timedelta(seconds=seconds)


def _advice(text: str) -> str:
    """What somebody who wrote this most likely meant."""
    word = text.strip()
    for mistake, advice in _MISTAKES:
        if found := mistake.fullmatch(word):
            return advice(found)
    return "write whole numbers with the units w, d, h, m, s, such as 90d or 1d12h"


def format_duration(duration: timedelta) -> str:
    """For people: the two largest units, what is smaller is cut off: `90d`, `41d 6h`, `12m`, `0s`."""
    sign = "-" if duration < timedelta(0) else ""
    minutes, seconds = divmod(int(abs(duration).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    first = next((place for place, (number, _) in enumerate(units) if number), 3)
    shown = [f"{number}{unit}" for number, unit in units[first : first + 2] if number]
    return sign + (" ".join(shown) or "0s")


def _instead_of_calendar(found: re.Match[str]) -> str:
    days = int(found[1][:6]) * (365 if found[2][0] in "yY" else 30)
    return f"months and years have no fixed length, write {days}d (m is minutes)"


def _squeezed(found: re.Match[str]) -> str:
    return f"write {re.sub(r'[ _,]', '', found[0]).lower()}, lower case and without spaces"


def _mistake(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_MISTAKES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(""), lambda _: "write a number with a unit, such as 90d"),
    (_mistake("[0-9]+"), lambda m: f"the unit is missing, write {m[0]}d for days or {m[0]}h for hours"),
    (re.compile(r"([0-9]+) *(M|[yY])"), _instead_of_calendar),
    (_mistake(r"([0-9]+) *(mo|mons?|months?|yrs?|years?)"), _instead_of_calendar),
    (
        _mistake(r"([0-9]+) *(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)"),
        lambda m: f"write {m[1]}{m[2][0].lower()}",
    ),
    (
        _mistake(
            r"(?=[0-9])([0-9]+ ?w,?\s*)?([0-9]+ ?d,?\s*)?([0-9]+ ?h,?\s*)?([0-9]+ ?m,?\s*)?([0-9]+ ?s)?"
        ),
        _squeezed,
    ),
    (_mistake(r"([0-9]+[wdhms] *)+"), lambda _: "each unit once, the largest first, such as 1w2d or 1d12h"),
    (
        re.compile(r".*[.,-].*"),
        lambda _: "write whole numbers, none below zero, such as 1d12h for a day and a half",
    ),
)
