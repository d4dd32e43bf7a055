"""What a value of the service's JSON says: a text, a number, a time, an id, one line for people.

What is missing or of a wrong kind becomes None, for unknown is never "no", never zero (API.md, trap 3).
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
MOST_TEXT = 500
_ORDINARY_ID = re.compile(r"[0-9A-Za-z-]+")
_ORDINARY = f"{string.digits}{string.ascii_letters}-".encode()
_NOT_IN_URLS = re.compile(r"[/\\?#]")
LARGEST = 1 << 50  # bytes or things: more is no number to reckon with, and a sum of many stays in 64 bits


class Unreadable(ValueError):
    """Bytes that are not what the API documents; the message says what is wrong with them."""


def usable_id(value: object) -> str:
    """An id that may stand in a URL. Raises Unreadable."""
    if isinstance(value, str) and _ORDINARY_ID.fullmatch(value):
        return value
    text = as_text(value)
    if text is None:
        raise Unreadable("it has no id")
    if not text.isprintable() or _NOT_IN_URLS.search(text) or text.strip(".") == "":
        raise Unreadable(f"its id {clean(text)!r} cannot stand in a URL")
    return text


def are_usable_ids(values: Sequence[str | None]) -> TypeGuard[Sequence[str]]:
    """Whether each is a `usable_id` without anything odd, as nearly all are; asked of many together."""
    texts = [value for value in values if value]
    return len(texts) == len(values) and not "".join(texts).encode().translate(None, _ORDINARY)


def usable_ids(values: Sequence[str | None]) -> Sequence[str]:
    """`usable_id` of very many. Raises Unreadable."""
    return values if are_usable_ids(values) else list(map(usable_id, values))


def as_text(value: object) -> str | None:
    """A text that says something; None for everything else."""
    return value if isinstance(value, str) and value.strip() else None


def as_texts(values: Iterable[str | None]) -> list[str | None]:
    """`as_text` of very many."""
    return [value if value and not value.isspace() else None for value in values]


def as_count(value: object) -> int | None:
    """A number of things that can be reckoned with; None for everything else."""
    return value if type(value) is int and 0 <= value <= LARGEST else None


def as_counts(values: Iterable[int | None]) -> list[int | None]:
    """`as_count` of very many."""
    return [value if value is not None and 0 <= value <= LARGEST else None for value in values]


def as_moment(value: object) -> datetime | None:
    """A time in UTC milliseconds; zero is how the API says that it does not know."""
    if type(value) is not int or value <= 0:
        return None
    try:
        return _EPOCH + timedelta(0, 0, 0, value)  # by its name it takes twice as long
    except OverflowError:
        return None


def as_moments(values: Iterable[int | None]) -> list[datetime | None]:
    """`as_moment` of very many."""
    return [
        _EPOCH + timedelta(0, 0, 0, value) if value and 0 < value <= _LAST_MOMENT else None
        for value in values
    ]


def as_microseconds(values: Iterable[int | None]) -> list[int]:
    """The same times in microseconds since 1970, 0 where one is not known."""
    return [value * 1000 if value and 0 < value <= _LAST_MOMENT else 0 for value in values]


def as_tags(value: object) -> dict[str, str] | None:
    """`[{"key", "value"}]` as a mapping; unknown as a whole as soon as one of them is unclear."""
    if not isinstance(value, list):
        return None
    tags: dict[str, str] = {}
    for tag in value:
        key, text = (tag.get("key"), tag.get("value")) if isinstance(tag, dict) else (None, None)
        if not isinstance(key, str) or not isinstance(text, str) or tags.setdefault(key, text) != text:
            return None
    return tags


def as_object(value: object) -> Mapping[str, object]:
    """A JSON object; an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> tuple[Mapping[str, object], ...]:
    """The objects of a list, empty ones for what is none; nothing where it is no list."""
    return tuple(as_object(one) for one in value) if isinstance(value, list) else ()


def clean(text: str) -> str:
    """Foreign text as one line that may go to a terminal: bounded, no control characters."""
    shown = text[: 4 * MOST_TEXT]
    if not shown.isprintable():
        shown = "".join(character if character.isprintable() else " " for character in shown)
    line = " ".join(shown.split())
    return line if len(line) <= MOST_TEXT else line[: MOST_TEXT - 3] + "..."
