"""The image records of a listing as rows of a table: a million of them are never images all at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from cleanup.image_columns.row import WORDS, ImageRow, ImageRows, Words
from cleanup.modelarts.wire.image_records import MOST_TEXTS, TEXTS, Record, decode_record
from cleanup.modelarts.wire.values import (
    LARGEST,
    are_usable_ids,
    as_microseconds,
    as_tags,
    as_text,
    usable_id,
)
from cleanup.spool import Spool

_FIELDS: Final = Record.__struct_fields__
_SAID: Final = WORDS[:-1]  # all but the spool
_records = msgspec.json.Decoder(list[Record])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_Columns = Mapping[str, Sequence[Any]]


class ListedImages:
    """The image records of a listing: as rows for a table, and as they came in a spool of their own."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._words = _Words(self._spool)

    def rows(self, raws: Sequence[msgspec.Raw]) -> ImageRows | None:
        """The `row` of each, in half the time of one by one; None where one is not quite as documented.

        Raises InventoryError when the spool is full.
        """
        try:
            given = b"[%b]" % b",".join(raws)
            text = msgspec.json.format(given, indent=-1)
            kept = raws if len(text) == len(given) else _raws.decode(text)
            columns = _columns(_records.decode(text))
        except (ValueError, RecursionError):
            return None
        if not are_usable_ids(columns["id"]) or max(filter(None, columns["size"]), default=0) > LARGEST:
            return None
        return self._rows(columns, columns["id"], kept, [None] * len(raws))

    def row(self, raw: msgspec.Raw | bytes) -> ImageRow:
        """The same as `decode_image`. Raises as well InventoryError when the spool is full."""
        record, kept, unreadable = decode_record(raw)
        (row,) = self._rows(_columns([record]), [usable_id(record.id)], [kept], [unreadable])
        return row

    def _rows(
        self, columns: _Columns, ids: Sequence[str], kept: Sequence[bytes], unreadable: Sequence[str | None]
    ) -> ImageRows:
        return ImageRows(
            ids,
            [*map(TEXTS.__getitem__, columns["namespace"])],
            [*map(TEXTS.__getitem__, columns["name"])],
            [text if text and not text.isspace() else None for text in columns["tag"]],
            [text if text and not text.isspace() else None for text in columns["swr_path"]],
            [*map(self._words.__getitem__, zip(*(columns[name] for name in _SAID), strict=True))],
            columns["description"],
            [size if size is not None and 0 <= size <= LARGEST else -1 for size in columns["size"]],
            [None if tags is None else as_tags(tags) for tags in columns["tags"]],
            as_microseconds(columns["create_at"]),
            as_microseconds(columns["update_at"]),
            self._spool.add(kept),
            unreadable,
        )


class _Words(dict[tuple[str | None, ...], Words]):
    """The fields of WORDS, by what a record says: the same few for very many records."""

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool

    def __missing__(self, said: tuple[str | None, ...]) -> Words:
        words = (*map(as_text, said), self._spool)
        if len(self) < MOST_TEXTS:
            self[said] = words
        return words


def _columns(records: Sequence[Record]) -> _Columns:
    """The values of each field of the records, by its name."""
    values = zip(*map(msgspec.structs.astuple, records), strict=True)
    return dict(zip(_FIELDS, values, strict=True)) if records else dict.fromkeys(_FIELDS, ())
