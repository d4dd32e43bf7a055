"""Times as people write and read them: durations (`90d`, `1d12h`; months and years have no fixed length), moments."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

SYNTAX: Final = r"^(?=[0-9])([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
LONGEST: Final = timedelta(days=36_500)
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]+)([wdhms])")


def parse_duration(text: str) -> timedelta:
    """`90d`, `1d12h`, `30s`: whole numbers with the units w, d, h, m, s, the largest first.

    Raises ValueError with a message that says what to write instead.
    """
    if not re.fullmatch(SYNTAX, text):
        raise ValueError(f"'{text}' is not a valid duration: {_advice(text)}")
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
    if (days := duration.days) > 0:  # what most ages are
        hours = duration.seconds // 3600
        return f"{days}d {hours}h" if hours else f"{days}d"
    sign = "-" if days < 0 else ""
    minutes, seconds = divmod(int(abs(duration).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    first = next((place for place, (number, _) in enumerate(units) if number), 3)
    shown = [f"{number}{unit}" for number, unit in units[first : first + 2] if number]
    return sign + (" ".join(shown) or "0s")


def format_elapsed(seconds: float) -> str:
    """How long something took, for people: `0.4 s`, `35 s`, `12 min 5 s`, `2 h 3 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def parse_moment(text: str, *, assume_utc: bool = False) -> datetime:
    """A date or a date and time (ISO 8601), in UTC; one without a time zone only where UTC is assumed.

    Raises ValueError with a message that says what to write instead.
    """
    try:
        moment = datetime.fromisoformat(text)
        in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' is no time: write it like '2026-06-01T00:00:00Z'") from None
    if moment.tzinfo is None and not assume_utc:
        raise ValueError(f"'{text}' has no time zone: write {text}Z for UTC")
    return in_utc


def format_moment(
    moment: datetime | None,
    precision: Literal["minutes", "seconds", "milliseconds"] = "seconds",
    *,
    unknown: str = "?",
) -> str:
    """`2026-06-01 00:00:00 UTC`; `unknown` for None."""
    if moment is None:
        return unknown
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ', precision)} UTC"


def _instead_of_calendar(found: re.Match[str]) -> str:
    days = int(found[1][:6]) * (365 if found[2][0] in "yY" else 30)
    return f"months and years have no fixed length, write {days}d (m is minutes)"


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
        lambda m: f"write {re.sub(r'[ _,]', '', m[0]).lower()}, lower case and without spaces",
    ),
    (_mistake(r"([0-9]+[wdhms] *)+"), lambda _: "each unit once, the largest first, such as 1w2d or 1d12h"),
    (
        re.compile(r".*[.,-].*"),
        lambda _: "write whole numbers, none below zero, such as 1d12h for a day and a half",
    ),
)
