"""An image record of the API (API.md, The image) as an Image: all of it, or what somebody needs of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from cleanup.image import Image
from cleanup.modelarts.wire.json_bodies import members_of, reason, value_in
from cleanup.modelarts.wire.values import (
    LARGEST,
    Unreadable,
    as_count,
    as_counts,
    as_moment,
    as_moments,
    as_tags,
    as_text,
    as_texts,
    clean,
    usable_id,
    usable_ids,
)

MOST_TEXTS = 50_000  # that are remembered
_NUMBERS = ("size", "create_at", "update_at")


class Record(msgspec.Struct, gc=False):
    """What is read of an image record, nearly always of these very kinds, and in this order: so it is found fastest."""

    arch: str | None = None
    create_at: int | None = None
    description: str | None = None
    name: str | None = None
    namespace: str | None = None
    origin: str | None = None
    service_type: str | None = None
    size: int | None = None
    status: str | None = None
    swr_instance_id: str | None = None
    swr_path: str | None = None
    tag: str | None = None
    tags: object = None
    type: str | None = None
    update_at: int | None = None
    visibility: str | None = None
    workspace_id: str | None = None
    id: str | None = None


class _Texts(dict[str | None, str | None]):
    """Texts that say something, by themselves: one object for all that are equal, None for those that say nothing."""

    def __missing__(self, text: str | None) -> str | None:
        found = as_text(text)
        if len(self) < MOST_TEXTS:
            self[text] = found
        return found


_records = msgspec.json.Decoder(Record)
_objects = msgspec.json.Decoder(dict[str, object])
TEXTS = _Texts()  # names, words and the like: few, in very many records


def decode_image(raw: msgspec.Raw | bytes) -> Image:
    """One image record of the API (API.md, The image); `raw` is kept, compact.

    One of which only parts can be read is `unreadable`, and those parts are kept. Raises Unreadable
    when it is no object or has no id that could stand in a URL.
    """
    record, kept, unreadable = decode_record(raw)
    return evidence(
        record,
        swr_instance_id=TEXTS[record.swr_instance_id],
        unreadable=unreadable,
        record=msgspec.Raw(kept),
    )


def decode_part(raw: msgspec.Raw | bytes, part: Callable[[Record], Image]) -> Image:
    """The same image with nothing but a `part` of it; of a record that is not as documented all that can be read."""
    try:
        return part(_records.decode(raw))
    except (ValueError, RecursionError):
        return decode_image(raw)


def shown(record: Record) -> Image:
    """An image with nothing but what a report of a plan shows, of a record that has been read."""
    return Image(
        id=usable_id(record.id),
        namespace=TEXTS[record.namespace],
        name=TEXTS[record.name],
        tag=as_text(record.tag),
        swr_path=as_text(record.swr_path),
        visibility=TEXTS[record.visibility],
        size=as_count(record.size),
        updated_at=as_moment(record.update_at),
    )


def evidence(fields: Record, **more: Any) -> Image:
    """An image with all that a policy can ask about it, but its record; `more` is what else it has."""
    created_at = as_moment(fields.create_at)
    unchanged = fields.update_at == fields.create_at  # most are
    return Image(
        id=usable_id(fields.id),
        namespace=TEXTS[fields.namespace],
        name=TEXTS[fields.name],
        tag=as_text(fields.tag),
        swr_path=as_text(fields.swr_path),
        type=TEXTS[fields.type],
        visibility=TEXTS[fields.visibility],
        status=TEXTS[fields.status],
        origin=TEXTS[fields.origin],
        service_type=TEXTS[fields.service_type],
        arch=TEXTS[fields.arch],
        workspace_id=TEXTS[fields.workspace_id],
        description=fields.description,
        size=as_count(fields.size),
        resource_tags=as_tags(fields.tags),
        created_at=created_at,
        updated_at=created_at if unchanged else as_moment(fields.update_at),
        **more,
    )


def record_column(records: Sequence[Record], name: str) -> Sequence[Any]:
    """One field of the images of very many records, as `evidence` has it. Raises Unreadable."""
    source, read = _COLUMNS[name]
    return read(list(map(attrgetter(source), records)))


def _texts(values: Iterable[str | None]) -> list[str | None]:
    return list(map(TEXTS.__getitem__, values))


# Of each field of an image that of its record, and what the values there say.
_COLUMNS: Final[Mapping[str, tuple[str, Callable[[list[Any]], Sequence[Any]]]]] = {
    "id": ("id", usable_ids),
    "tag": ("tag", as_texts),
    "swr_path": ("swr_path", as_texts),
    "description": ("description", list),
    "size": ("size", as_counts),
    "resource_tags": ("tags", lambda values: list(map(as_tags, values))),
    "created_at": ("create_at", as_moments),
    "updated_at": ("update_at", as_moments),
    **{
        name: (name, _texts)
        for name in ("namespace", "name", "type", "visibility", "status", "origin", "service_type", "arch")
    },
    "workspace_id": ("workspace_id", _texts),
}


def decode_record(raw: msgspec.Raw | bytes) -> tuple[Record, bytes, str | None]:
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
    absurd = size is not None and size > LARGEST
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
    members = members_of(raw)
    values = {name: value_in(text) for name, text in members.items()}
    bad = [name for name, text in members.items() if values[name] is None and text.strip() != b"null"]
    read = {name: value for name, value in values.items() if name not in bad}
    return (
        _known(read),
        msgspec.json.encode(read),
        clean(f"its {', '.join(bad) or 'record'} cannot be read"),
    )
