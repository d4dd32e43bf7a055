"""The wire format: bytes in, known values out. Nothing above this knows milliseconds or error codes.

What is missing or of a wrong kind becomes None, for unknown is never "no", never zero (API.md, trap 3).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from cleanup.image import Image
from cleanup.in_use import Use

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TEXT = 500
_NULL = msgspec.Raw(b"null")
_TAG = re.compile(r"<[^>]*>")
_IMAGE_NAME = re.compile(r"[^/:\s]+/[^/:\s]+:[^/:\s]+")


class Unreadable(ValueError):
    """Bytes that are not what the API documents; the message says what is wrong with them."""


class Page(msgspec.Struct, frozen=True):
    """One page of a listing: its records as they came, and the total the service claims (a hint)."""

    records: tuple[msgspec.Raw, ...]
    total: int | None


class ServiceError(msgspec.Struct, frozen=True):
    """What an error body says: `code` such as ModelArts.0203, `message` one bounded line; None when absent."""

    code: str | None
    message: str | None


class _Envelope(msgspec.Struct):
    data: tuple[msgspec.Raw, ...]
    total: msgspec.Raw = _NULL


class _Record(msgspec.Struct):
    id: object = None
    namespace: object = None
    name: object = None
    tag: object = None
    swr_path: object = None
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


class _Notebook(msgspec.Struct):
    id: object = None
    name: object = None
    status: object = None
    image: object = None


_envelopes = msgspec.json.Decoder(_Envelope)
_records = msgspec.json.Decoder(_Record)
_notebooks = msgspec.json.Decoder(_Notebook)
_loose_records = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_page(body: bytes) -> Page:
    """Read one page of images or of notebooks. Raises Unreadable unless it is JSON with a list `data`."""
    try:
        body.decode()  # msgspec does not look into the records it hands on
        envelope = _envelopes.decode(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from None
    return Page(records=envelope.data, total=_count(_value(envelope.total)))


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


def decode_image(raw: msgspec.Raw | bytes) -> Image:
    """One image record of the API (API.md, The image); `raw` is kept, compact.

    Raises Unreadable when it is no object or has no id that could stand in a URL.
    """
    record = _decode_record(raw)
    return Image(
        id=_usable_id(record.id),
        namespace=_text(record.namespace),
        name=_text(record.name),
        tag=_text(record.tag),
        swr_path=_text(record.swr_path),
        type=_text(record.type),
        visibility=_text(record.visibility),
        status=_text(record.status),
        origin=_text(record.origin),
        service_type=_text(record.service_type),
        arch=_text(record.arch),
        workspace_id=_text(record.workspace_id),
        description=record.description if isinstance(record.description, str) else None,
        size=_count(record.size),
        resource_tags=_resource_tags(record.tags),
        created_at=_moment(record.create_at),
        updated_at=_moment(record.update_at),
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
        raise Unreadable(_reason(error)) from None
    known = _Record.__struct_fields__
    return _Record(**{name: _value(value) for name, value in fields.items() if name in known})


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None


def _usable_id(value: object) -> str:
    text = _text(value)
    if text is None:
        raise Unreadable("it has no id")
    if not text.isprintable() or any(mark in text for mark in "/\\?#") or text.strip(".") == "":
        raise Unreadable(f"its id {clean(text)!r} cannot stand in a URL")
    return text


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _moment(value: object) -> datetime | None:
    """A time in UTC milliseconds; zero is how the API says that it does not know."""
    if type(value) is not int or value <= 0:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return None


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


def notebook_key(raw: msgspec.Raw) -> str:
    """What makes a notebook one: its id, and where there is none all of it."""
    try:
        found = _text(_notebooks.decode(raw).id)
    except (ValueError, RecursionError):
        found = None
    return found or bytes(raw).decode(errors="replace")


def decode_use(raw: msgspec.Raw) -> Use | None:
    """Which image a notebook uses; None for a DELETED one, which needs its image no more.

    Raises Unreadable when it does not say: such a notebook may use any image.
    """
    try:
        notebook = _notebooks.decode(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"a notebook that cannot be read: {_reason(error)}") from None
    status = _text(notebook.status)
    if status and status.strip().casefold() == "deleted":
        return None
    user = f"notebook {_text(notebook.name) or _text(notebook.id) or '?'} ({status or 'status unknown'})"
    image = notebook.image if isinstance(notebook.image, dict) else {}
    return _use(clean(user), image)


def _use(user: str, image: Mapping[str, object]) -> Use:
    image_id, swr_path, name = (_text(image.get(key)) for key in ("id", "swr_path", "name"))
    if image_id or swr_path:
        return Use(user=user, image_id=image_id, swr_path=swr_path)
    if name and _IMAGE_NAME.fullmatch(name):
        return Use(user=user, name=name)
    raise Unreadable(f"{user} does not say which image it uses")


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


def _reason(error: Exception) -> str:
    return (
        "it is nested too deeply"
        if isinstance(error, RecursionError)
        else f"it is not as documented ({error})"
    )
