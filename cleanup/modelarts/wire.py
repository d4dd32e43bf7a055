"""The wire format: bytes in, known values out. Nothing above this knows milliseconds or error codes.

What is missing or of a wrong kind becomes None, for unknown is never "no", never zero (API.md, trap 3).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from cleanup.image import Image
from cleanup.modelarts.http.messages import Result

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TEXT = 500
_NULL = msgspec.Raw(b"null")
_TAG = re.compile(r"<[^>]*>")


class Unreadable(ValueError):
    """Bytes that are not what the API documents; the message says what is wrong with them."""


class Page(msgspec.Struct, frozen=True):
    """One page of a listing: its records as they came, and the total the service claims (a hint).

    `count` is what some lists say beside it: of all that match, or of this page (API.md, trap 15).
    """

    records: tuple[msgspec.Raw, ...]
    total: int | None
    count: int | None = None


class ServiceError(msgspec.Struct, frozen=True):
    """What an error body says: `code` such as ModelArts.0203, `message` one bounded line; None when absent."""

    code: str | None
    message: str | None


class _Record(msgspec.Struct):
    id: object = None
    namespace: object = None
    name: object = None
    tag: object = None
    swr_path: object = None
    swr_instance_id: object = None
    type: object = None
    visibility: object = None
    status: object = None
    origin: object = None
    service_type: object = None
    arch: object = None
    workspace_id: object = None
    description: object = None
    size: object = None
    tags: object = None
    create_at: object = None
    update_at: object = None


_records = msgspec.json.Decoder(_Record)
_objects = msgspec.json.Decoder(dict[str, object])
_loose_records = msgspec.json.Decoder(dict[str, msgspec.Raw])


@cache
def _envelopes(items: str) -> msgspec.json.Decoder[Any]:
    told = [(name, msgspec.Raw, _NULL) for name in ("total", "total_count", "count")]
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [(items, tuple[msgspec.Raw, ...]), *told]))


def decode_page(body: bytes, items: str = "data") -> Page:
    """Read one page of a list. Raises Unreadable unless it is JSON with a list under the name `items`."""
    try:
        body.decode()  # msgspec does not look into the records it hands on
        envelope = _envelopes(items).decode(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(reason(error)) from None
    total, total_count, count = (
        as_count(_value(raw)) for raw in (envelope.total, envelope.total_count, envelope.count)
    )
    return Page(records=getattr(envelope, items), total=total_count if total is None else total, count=count)


def decode_object(raw: msgspec.Raw | bytes) -> dict[str, object]:
    """A record as plain values. Raises Unreadable when it is no JSON object."""
    try:
        return _objects.decode(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable(reason(error)) from None


def decode_group(body: bytes, namespace: str, name: str) -> str:
    """The id of the group of images of this namespace/name in a page of them (API.md, trap 21).

    Raises Unreadable unless it is there once.
    """
    page = decode_json(body)
    listed = (page.get("data") or page.get("groups")) if isinstance(page, dict) else None
    groups = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    found = [one.get("id") for one in groups if (one.get("namespace"), one.get("name")) == (namespace, name)]
    if len(found) != 1:
        raise Unreadable(f"it shows {len(found)} groups {clean(namespace)}/{clean(name)}")
    return _usable_id(found[0])


class Group(msgspec.Struct, frozen=True):
    """All images of one namespace/name, as far as it matters here."""

    namespace: str
    name: str
    read_me: str | None


def decode_read_me(raw: msgspec.Raw) -> Group:
    """A group and what it says of itself. Raises Unreadable when it does not say which it is."""
    fields = decode_object(raw)
    namespace, name = as_text(fields.get("namespace")), as_text(fields.get("name"))
    if not namespace or not name:
        raise Unreadable("it has no namespace or no name")
    return Group(namespace, name, as_text(fields.get("read_me")))


def decode_image(raw: msgspec.Raw | bytes) -> Image:
    """One image record of the API (API.md, The image); `raw` is kept, compact.

    Raises Unreadable when it is no object or has no id that could stand in a URL.
    """
    record = _decode_record(raw)
    return Image(
        id=_usable_id(record.id),
        namespace=as_text(record.namespace),
        name=as_text(record.name),
        tag=as_text(record.tag),
        swr_path=as_text(record.swr_path),
        swr_instance_id=as_text(record.swr_instance_id),
        type=as_text(record.type),
        visibility=as_text(record.visibility),
        status=as_text(record.status),
        origin=as_text(record.origin),
        service_type=as_text(record.service_type),
        arch=as_text(record.arch),
        workspace_id=as_text(record.workspace_id),
        description=record.description if isinstance(record.description, str) else None,
        size=as_count(record.size),
        resource_tags=_resource_tags(record.tags),
        created_at=as_moment(record.create_at),
        updated_at=as_moment(record.update_at),
        raw=msgspec.Raw(
            msgspec.json.format(raw, indent=-1)
        ),  # a copy: a page must not live on in its records
    )


def _decode_record(raw: msgspec.Raw | bytes) -> _Record:
    try:
        return _records.decode(raw)
    except (ValueError, RecursionError):
        return _decode_loosely(raw)


def _decode_loosely(raw: msgspec.Raw | bytes) -> _Record:
    """Field by field, so that one absurd value (a number beyond all range) costs that field alone."""
    try:
        fields = _loose_records.decode(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable(reason(error)) from None
    known = _Record.__struct_fields__
    return _Record(**{name: _value(value) for name, value in fields.items() if name in known})


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None


def _usable_id(value: object) -> str:
    text = as_text(value)
    if text is None:
        raise Unreadable("it has no id")
    if not text.isprintable() or any(mark in text for mark in "/\\?#") or text.strip(".") == "":
        raise Unreadable(f"its id {clean(text)!r} cannot stand in a URL")
    return text


def as_text(value: object) -> str | None:
    """A text that says something; None for everything else."""
    return value if isinstance(value, str) and value.strip() else None


def as_count(value: object) -> int | None:
    """A number of things; None for everything else."""
    return value if type(value) is int and value >= 0 else None


def as_moment(value: object) -> datetime | None:
    """A time in UTC milliseconds; zero is how the API says that it does not know."""
    if type(value) is not int or value <= 0:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return None


def as_object(value: object) -> Mapping[str, object]:
    """A JSON object; an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> tuple[Mapping[str, object], ...]:
    """The objects of a list, empty ones for what is none; nothing where it is no list."""
    return tuple(as_object(one) for one in value) if isinstance(value, list) else ()


def _resource_tags(value: object) -> dict[str, str] | None:
    """`[{"key", "value"}]` as a mapping; unknown as a whole as soon as one of them is unclear."""
    if not isinstance(value, list):
        return None
    tags: dict[str, str] = {}
    for tag in value:
        key, text = (tag.get("key"), tag.get("value")) if isinstance(tag, dict) else (None, None)
        if not isinstance(key, str) or not isinstance(text, str) or tags.setdefault(key, text) != text:
            return None
    return tags


def decode_error(body: bytes) -> ServiceError:
    """What an error answer says, whatever it is made of: JSON, HTML, nothing, or rubbish. Never raises."""
    told = decode_json(body)
    if isinstance(told, dict):
        nested = told.get("error")  # IAM nests what ModelArts and the gateway put at the top
        source = nested if isinstance(nested, dict) else told
        code = source.get("error_code") or source.get("code")
        message = source.get("error_msg") or source.get("message")
        if isinstance(message, str) or isinstance(code, str):
            return ServiceError(_line(code), _line(message))
    return ServiceError(None, _line(_TAG.sub(" ", body[: 8 * _MOST_TEXT].decode(errors="replace"))))


def decode_json(body: bytes) -> object:
    """The body as plain values; None when it is no JSON. Never raises."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _line(value: object) -> str | None:
    if isinstance(value, int):
        return str(value)
    return clean(value) or None if isinstance(value, str) else None


def clean(text: str) -> str:
    """Foreign text as one line that may go to a terminal: bounded, no control characters."""
    shown = "".join(character if character.isprintable() else " " for character in text[: 4 * _MOST_TEXT])
    line = " ".join(shown.split())
    return line if len(line) <= _MOST_TEXT else line[: _MOST_TEXT - 3] + "..."


def reason(error: Exception) -> str:
    """Why bytes could not be decoded, for people."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return f"it is not as documented ({error})"
    return f"it is no JSON ({error})"


def said(answer: Result[Any]) -> str | None:
    """What an answer without success says, for people: a wrong clock of ours first, for it may be the reason."""
    told = answer.trouble or decode_error(answer.body).message
    return "; ".join(part for part in (answer.clock, told) if part) or None
