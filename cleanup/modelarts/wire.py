"""The wire format: bytes in, known values out. Nothing above this knows milliseconds or error codes.

What is missing or of a wrong kind becomes None, for unknown is never "no", never zero (API.md, trap 3).
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from cleanup.image import Image
from cleanup.image_columns import ImageRow, Words
from cleanup.modelarts.http.messages import Result
from cleanup.spool import Spool

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_MOST_TEXT = 500
_MOST_TEXTS = 50_000  # that are remembered
_NULL = msgspec.Raw(b"null")
_ORDINARY_ID = re.compile(r"[0-9A-Za-z-]+")
_NOT_IN_URLS = re.compile(r"[/\\?#]")
_TAG = re.compile(r"<[^>]*>")
_LARGEST = 1 << 50  # bytes or things: more is no number to reckon with, and a sum of many stays in 64 bits
_LONGEST_NUMBER = 20  # digits: what 64 bits can hold
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:"]', re.DOTALL)
_CLOSED_BY = {b"[": b"]", b"{": b"}"}


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


class Record(msgspec.Struct, gc=False):
    """What is read of an image record, nearly always of these very kinds."""

    id: str | None = None
    namespace: str | None = None
    name: str | None = None
    tag: str | None = None
    swr_path: str | None = None
    swr_instance_id: str | None = None
    type: str | None = None
    visibility: str | None = None
    status: str | None = None
    origin: str | None = None
    service_type: str | None = None
    arch: str | None = None
    workspace_id: str | None = None
    description: str | None = None
    size: int | None = None
    tags: object = None
    create_at: int | None = None
    update_at: int | None = None


class _Texts(dict[str | None, str | None]):
    """Texts that say something, by themselves: one object for all that are equal, None for those that say nothing."""

    def __missing__(self, text: str | None) -> str | None:
        found = as_text(text)
        if len(self) < _MOST_TEXTS:
            self[text] = found
        return found


_NUMBERS = ("size", "create_at", "update_at")
_records = msgspec.json.Decoder(Record)
_texts = _Texts()  # names, words and the like: few, in very many records
_objects = msgspec.json.Decoder(dict[str, object])


@cache
def _envelopes(items: str) -> msgspec.json.Decoder[Any]:
    told = [(name, msgspec.Raw, _NULL) for name in ("total", "total_count", "count")]
    listed = (items, tuple[msgspec.Raw, ...] | None, None)
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [listed, *told]))


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
        as_count(_value(raw)) for raw in (envelope.total, envelope.total_count, envelope.count)
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


def _taken_apart(body: bytes, items: str, error: Exception) -> tuple[Any, tuple[msgspec.Raw, ...]]:
    """A page that is no JSON as a whole: all but its records, and these as they stand, each to be judged alone.

    Raises Unreadable, by `error`, when the page itself cannot be read.
    """
    try:
        body.decode()
        members = _members(body)
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


def _members(text: bytes) -> dict[str, bytes]:
    """The members of an object, values as they stand. Raises Unreadable; a name that cannot be read stays quoted."""
    found: dict[str, bytes] = {}
    for part in _parts(text, b"{"):
        name = _TOKEN.match(part.strip())
        rest = part.strip()[name.end() :].lstrip() if name else b""
        if not name or not rest.startswith(b":"):
            raise Unreadable("it is not as documented")
        known = _value(name[0])
        found[known if isinstance(known, str) else clean(name[0].decode(errors="replace"))] = rest[1:]
    return found


def _readable(members: Mapping[str, bytes]) -> dict[str, object]:
    """The values that are whole; the others are missing."""
    values = {name: _value(text) for name, text in members.items()}
    return {name: value for name, value in values.items() if value is not None}


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
    return usable_id(found[0])


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

    One of which only parts can be read is `unreadable`, and those parts are kept. Raises Unreadable
    when it is no object or has no id that could stand in a URL.
    """
    record, kept, unreadable = _decode_record(raw)
    return evidence(
        record,
        swr_instance_id=_texts[record.swr_instance_id],
        unreadable=unreadable,
        record=msgspec.Raw(kept),
    )


class ListedImages:
    """The image records of a listing: as rows for a table, and as they came in a spool of their own."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._words: dict[tuple[str | None, ...], Words] = {}

    def row(self, raw: msgspec.Raw | bytes) -> ImageRow:
        """The same as `decode_image`. Raises as well InventoryError when the spool is full."""
        record, kept, unreadable = _decode_record(raw)
        id_, tag, path, size = record.id, record.tag, record.swr_path, record.size
        created = _microseconds(record.create_at)
        return ImageRow(
            id_ if id_ and _ORDINARY_ID.fullmatch(id_) else usable_id(id_),
            _texts[record.namespace],
            _texts[record.name],
            tag if tag and tag.strip() else None,
            path if path and path.strip() else None,
            self._words_of(record),
            record.description,
            size if size is not None and 0 <= size <= _LARGEST else -1,
            None if record.tags is None else _resource_tags(record.tags),
            created,
            created if record.update_at == record.create_at else _microseconds(record.update_at),
            self._spool.add(kept),
            unreadable,
        )

    def _words_of(self, record: Record) -> Words:
        """The fields of WORDS: the same few for very many records."""
        said = (
            record.swr_instance_id,
            record.type,
            record.visibility,
            record.status,
            record.origin,
            record.service_type,
            record.arch,
            record.workspace_id,
        )
        if (words := self._words.get(said)) is None:
            words = (*map(as_text, said), self._spool)
            if len(self._words) < _MOST_TEXTS:
                self._words[said] = words
        return words


def decode_part(raw: msgspec.Raw | bytes, part: Callable[[Record], Image]) -> Image:
    """The same image with nothing but a `part` of it; of a record that is not as documented all that can be read."""
    try:
        return part(_records.decode(raw))
    except (ValueError, RecursionError):
        return decode_image(raw)


def proven(record: Record) -> Image:
    """An image with nothing but what a plan is proven by, of a record that has been read: in a third of the time."""
    return Image(
        id=usable_id(record.id),
        namespace=_texts[record.namespace],
        swr_path=as_text(record.swr_path),
        swr_instance_id=_texts[record.swr_instance_id],
        type=_texts[record.type],
        visibility=_texts[record.visibility],
        status=_texts[record.status],
        workspace_id=_texts[record.workspace_id],
    )


def shown(record: Record) -> Image:
    """An image with nothing but what a report of a plan shows, of a record that has been read."""
    return Image(
        id=usable_id(record.id),
        namespace=_texts[record.namespace],
        name=_texts[record.name],
        tag=as_text(record.tag),
        swr_path=as_text(record.swr_path),
        visibility=_texts[record.visibility],
        size=as_count(record.size),
        updated_at=as_moment(record.update_at),
    )


def evidence(fields: Record, **more: Any) -> Image:
    """An image with all that a policy can ask about it, but its record; `more` is what else it has."""
    created_at = as_moment(fields.create_at)
    unchanged = fields.update_at == fields.create_at  # most are
    return Image(
        id=usable_id(fields.id),
        namespace=_texts[fields.namespace],
        name=_texts[fields.name],
        tag=as_text(fields.tag),
        swr_path=as_text(fields.swr_path),
        type=_texts[fields.type],
        visibility=_texts[fields.visibility],
        status=_texts[fields.status],
        origin=_texts[fields.origin],
        service_type=_texts[fields.service_type],
        arch=_texts[fields.arch],
        workspace_id=_texts[fields.workspace_id],
        description=fields.description,
        size=as_count(fields.size),
        resource_tags=_resource_tags(fields.tags),
        created_at=created_at,
        updated_at=created_at if unchanged else as_moment(fields.update_at),
        **more,
    )


def _decode_record(raw: msgspec.Raw | bytes) -> tuple[Record, bytes, str | None]:
    """The fields, the record to keep, and what of it cannot be read (None: nothing). Raises Unreadable.

    What is kept is a copy, for a page must not live on in its records, and is strict JSON.
    """
    try:
        kept = msgspec.json.format(raw, indent=-1)
        try:
            record = _records.decode(kept)
        except msgspec.ValidationError:
            record = _known(_objects.decode(kept))
    except (ValueError, RecursionError):
        return _decode_parts(bytes(raw))
    size = record.size
    absurd = size is not None and size > _LARGEST
    return record, kept, f"its size has {len(str(size))} digits" if absurd else None


def _known(members: Mapping[str, object]) -> Record:
    """The fields of a record, of whatever kinds its members are: one of a wrong kind is missing."""
    fields: dict[str, Any] = {name: members.get(name) for name in Record.__struct_fields__}
    return Record(**{name: value if _is_right(name, value) else None for name, value in fields.items()})


def _is_right(name: str, value: object) -> bool:
    if name in _NUMBERS:
        return type(value) is int
    return name == "tags" or isinstance(value, str)


def _decode_parts(raw: bytes) -> tuple[Record, bytes, str]:
    """Field by field, so that one value that cannot be read costs that field alone, which is left out."""
    try:
        raw.decode()
    except ValueError as error:
        raise Unreadable(reason(error)) from None
    members = _members(raw)
    values = {name: _value(text) for name, text in members.items()}
    bad = [name for name, text in members.items() if values[name] is None and text.strip() != b"null"]
    read = {name: value for name, value in values.items() if name not in bad}
    return (
        _known(read),
        msgspec.json.encode(read),
        clean(f"its {', '.join(bad) or 'record'} cannot be read"),
    )


def _value(raw: msgspec.Raw | bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None


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


def as_text(value: object) -> str | None:
    """A text that says something; None for everything else."""
    return value if isinstance(value, str) and value.strip() else None


def as_count(value: object) -> int | None:
    """A number of things that can be reckoned with; None for everything else."""
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def as_moment(value: object) -> datetime | None:
    """A time in UTC milliseconds; zero is how the API says that it does not know."""
    if type(value) is not int or value <= 0:
        return None
    try:
        return _EPOCH + timedelta(0, 0, 0, value)  # by its name it takes twice as long
    except OverflowError:
        return None


def _microseconds(value: object) -> int:
    """The same time in microseconds since 1970, 0 where it is not known."""
    return value * 1000 if type(value) is int and 0 < value <= _LAST_MOMENT else 0


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
    """The body as plain values, also where it is not quite JSON; None when it is none at all. Never raises."""
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        return None
    except ValueError:
        return _leniently(body)


def _line(value: object) -> str | None:
    if isinstance(value, int):
        return str(value)
    return clean(value) or None if isinstance(value, str) else None


def clean(text: str) -> str:
    """Foreign text as one line that may go to a terminal: bounded, no control characters."""
    shown = text[: 4 * _MOST_TEXT]
    if not shown.isprintable():
        shown = "".join(character if character.isprintable() else " " for character in shown)
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
