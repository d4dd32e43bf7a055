"""What a page says on demand of each image of a journal: how large it was, by the record before its DELETE."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from cleanup.errors import CleanupError
from cleanup.files import open_regular
from cleanup.image import id_key
from cleanup.journal import DeleteIntent, DeleteResult, JournalFile
from cleanup.modelarts.wire.image_records import decode_part, shown

_INTENT = b'"event":"delete.intent"'


class JournalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the row of an image leaves out. `size` is in bytes."""

    size: int | None


@dataclass(frozen=True, slots=True)
class SizeRows:
    """The row and the evidence of how each image `ended`; the journal is read once more for it."""

    journal: JournalFile
    ended: Sequence[DeleteResult | DeleteIntent]
    row: Callable[[DeleteResult | DeleteIntent], msgspec.Struct]

    def __len__(self) -> int:
        return len(self.ended)

    def __iter__(self) -> Iterator[tuple[msgspec.Struct, JournalEvidence]]:
        sizes = dict(_sizes(self.journal))
        return ((self.row(one), JournalEvidence(size=sizes.get(id_key(one.image_id)))) for one in self.ended)


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
