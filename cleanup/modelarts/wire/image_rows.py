"""The image records of a listing as rows of a table: a million of them are never images all at once."""

import msgspec

from cleanup.image_columns.row import ImageRow, Words
from cleanup.modelarts.wire.image_records import MOST_TEXTS, TEXTS, Record, decode_record
from cleanup.modelarts.wire.values import LARGEST, ORDINARY_ID, as_microseconds, as_tags, as_text, usable_id
from cleanup.spool import Spool


class ListedImages:
    """The image records of a listing: as rows for a table, and as they came in a spool of their own."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._words: dict[tuple[str | None, ...], Words] = {}

    def row(self, raw: msgspec.Raw | bytes) -> ImageRow:
        """The same as `decode_image`. Raises as well InventoryError when the spool is full."""
        record, kept, unreadable = decode_record(raw)
        id_, tag, path, size = record.id, record.tag, record.swr_path, record.size
        created = as_microseconds(record.create_at)
        return ImageRow(
            id_ if id_ and ORDINARY_ID.fullmatch(id_) else usable_id(id_),
            TEXTS[record.namespace],
            TEXTS[record.name],
            tag if tag and tag.strip() else None,
            path if path and path.strip() else None,
            self._words_of(record),
            record.description,
            size if size is not None and 0 <= size <= LARGEST else -1,
            None if record.tags is None else as_tags(record.tags),
            created,
            created if record.update_at == record.create_at else as_microseconds(record.update_at),
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
            if len(self._words) < MOST_TEXTS:
                self._words[said] = words
        return words
