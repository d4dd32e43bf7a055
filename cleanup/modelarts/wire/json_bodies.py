"""JSON of the service as plain values: pages and records, also those of which only parts can be read."""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from cleanup.modelarts.wire.values import Unreadable, as_count, clean

_NULL = msgspec.Raw(b"null")
_LONGEST_NUMBER = 20  # digits: what 64 bits can hold
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:"]', re.DOTALL)
_CLOSED_BY = {b"[": b"]", b"{": b"}"}
_objects = msgspec.json.Decoder(dict[str, object])


class Page(msgspec.Struct, frozen=True):
    """One page of a listing: its records as they came, and the total the service claims (a hint).

    `count` is what some lists say beside it: of all that match, or of this page (API.md, trap 15).
    """

    records: tuple[msgspec.Raw, ...]
    total: int | None
    count: int | None = None


def decode_page(body: bytes, items: str = "data") -> Page:
    """Read one page of a list: JSON with a list under the name `items`, or one record of it that is none.

    A list that is null or left out is empty where the page says how many records there are (API.md, trap 29).
    Raises Unreadable.
    """
    try:
        body.decode()  # msgspec does not look into the records it hands on
        envelope = _envelopes(items).decode(body)
        records = getattr(envelope, items)
    except (ValueError, RecursionError) as error:
        envelope, records = _taken_apart(body, items, error)
    total, total_count, count = (
        as_count(value_in(raw)) for raw in (envelope.total, envelope.total_count, envelope.count)
    )
    total = total_count if total is None else total
    if records is None:
        count = (
            count or total
        )  # the larger claim: a doubt as soon as one of them says that there is something
        total = count if total is None else total
        if count is None:
            raise Unreadable(f"it has neither a list {items} nor a total")
    return Page(records=records or (), total=total, count=count)


def decode_object(raw: msgspec.Raw | bytes) -> dict[str, object]:
    """A record as plain values; of one that is no strict JSON all that can be read. Raises Unreadable.

    Every text is kept, for it may name an image: half a character becomes `?`. Numbers name
    none, and are None where they are none. What is nested too deeply may hide a name: Unreadable.
    """
    try:
        return _objects.decode(raw)
    except RecursionError as error:
        raise Unreadable(reason(error)) from None
    except ValueError as error:
        value = _leniently(bytes(raw))
        if not isinstance(value, dict):
            raise Unreadable(reason(error)) from None
        return value


def decode_json(body: bytes) -> object:
    """The body as plain values, also where it is not quite JSON; None when it is none at all. Never raises."""
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        return None
    except ValueError:
        return _leniently(body)


@cache
def _envelopes(items: str) -> msgspec.json.Decoder[Any]:
    told = [(name, msgspec.Raw, _NULL) for name in ("total", "total_count", "count")]
    listed = (items, tuple[msgspec.Raw, ...] | None, None)
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [listed, *told]))


def _taken_apart(body: bytes, items: str, error: Exception) -> tuple[Any, tuple[msgspec.Raw, ...]]:
    """A page that is no JSON as a whole: all but its records, and these as they stand, each to be judged alone.

    Raises Unreadable, by `error`, when the page itself cannot be read.
    """
    try:
        body.decode()
        members = members_of(body)
        listed = members.pop(items)
        records = tuple(msgspec.Raw(part) for part in _parts(listed, b"["))
        return _envelopes(items).decode(msgspec.json.encode(_readable(members))), records
    except (ValueError, KeyError, RecursionError):
        raise Unreadable(reason(error)) from None


def _parts(text: bytes, opening: bytes) -> list[bytes]:
    """What stands between the commas of an array or an object, whatever it is. Raises Unreadable.

    One pass over the tokens, without recursion: only strings and brackets must be whole.
    """
    text = text.strip()
    if not text.startswith(opening):
        raise Unreadable("it is not as documented")
    closers: list[bytes] = []
    parts, start = [], 1
    for token in _TOKEN.finditer(text):
        match mark := token[0]:
            case b"[" | b"{":
                closers.append(_CLOSED_BY[mark])
            case b"]" | b"}":
                if not closers or closers.pop() != mark:
                    raise Unreadable("its brackets do not match")
                if not closers and token.end() != len(text):
                    raise Unreadable("something follows its end")
            case b"," if len(closers) == 1:
                parts.append(text[start : token.start()])
                start = token.end()
            case b'"':
                raise Unreadable("a string does not end")
    if closers:
        raise Unreadable("it does not end")
    last = text[start:-1]
    return [*parts, last] if parts or last.strip() else []


def members_of(text: bytes) -> dict[str, bytes]:
    """The members of an object, values as they stand. Raises Unreadable; a name that cannot be read stays quoted."""
    found: dict[str, bytes] = {}
    for part in _parts(text, b"{"):
        name = _TOKEN.match(part.strip())
        rest = part.strip()[name.end() :].lstrip() if name else b""
        if not name or not rest.startswith(b":"):
            raise Unreadable("it is not as documented")
        known = value_in(name[0])
        found[known if isinstance(known, str) else clean(name[0].decode(errors="replace"))] = rest[1:]
    return found


def _readable(members: Mapping[str, bytes]) -> dict[str, object]:
    """The values that are whole; the others are missing."""
    values = {name: value_in(text) for name, text in members.items()}
    return {name: value for name, value in values.items() if value is not None}


def value_in(raw: msgspec.Raw | bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None


def _leniently(text: bytes) -> object:
    """JSON with NaN, numbers beyond all range and lone surrogates; None when it is something else."""
    try:
        value = json.loads(
            text.decode(),
            parse_constant=lambda _: None,
            parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_NUMBER else None,
            parse_float=lambda digits: number if math.isfinite(number := float(digits)) else None,
        )
        # Out as UTF-8 and in again: then no text holds half a character.
        return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def reason(error: Exception) -> str:
    """Why bytes could not be decoded, for people."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return f"it is not as documented ({error})"
    return f"it is no JSON ({error})"
