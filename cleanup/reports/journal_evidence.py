"""What a page says on demand of each image of a journal: how large it was, by the record before its DELETE."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from cleanup.errors import CleanupError
from cleanup.files import open_regular
from cleanup.image import id_key
from cleanup.journal import JournalFile
from cleanup.modelarts.wire.image_records import decode_part, shown
from cleanup.reports.view import ColumnRows, Columns

_INTENT = b'"event":"delete.intent"'


class JournalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the row of an image leaves out. `size` is in bytes."""

    size: int | None


@dataclass(frozen=True, slots=True)
class SizeRows(ColumnRows):
    """The row and the evidence of how each image ended; the journal is read once more for it."""

    journal: JournalFile
    rows: ColumnRows

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> Iterator[Columns]:
        sizes = dict(_sizes(self.journal))
        for columns in self.rows.columns():
            yield {**columns, "size": [sizes.get(id_key(one)) for one in columns["image_id"]]}


class _Intent(msgspec.Struct):
    image_id: str
    image: msgspec.Raw


def _sizes(journal: JournalFile) -> Iterator[tuple[str, int | None]]:
    """By the keys of images their sizes; nothing where the journal is not there any more or cannot be read."""
    decode = msgspec.json.Decoder(_Intent).decode
    try:
        with open_regular(journal.path) as file:
            for line in file:
                if _INTENT in line:
                    intent = decode(line)
                    yield id_key(intent.image_id), decode_part(intent.image, shown).size
    except (OSError, ValueError, CleanupError):
        return
