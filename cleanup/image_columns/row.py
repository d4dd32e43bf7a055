"""Images on their way into a table, or out of it into another: one of them, or many."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, TypeAlias

import msgspec

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The fields whose values are few: all of them together are held once for all images that agree in them.
WORDS: Final = (
    "swr_instance_id",
    "type",
    "visibility",
    "status",
    "origin",
    "service_type",
    "arch",
    "workspace_id",
    "spool",
)
Words: TypeAlias = tuple[Any, ...]
WORD_PLACES: Final = {name: place for place, name in enumerate(WORDS)}


class ImageRow(msgspec.Struct, gc=False):
    """An image on its way into a table: `words` are the fields of `WORDS`, times are microseconds since 1970.

    A time of 0 is not known, and a size below 0; `record` is the place in the spool.
    """

    id: str
    namespace: str | None
    name: str | None
    tag: str | None
    swr_path: str | None
    words: Words
    description: str | None
    size: int
    resource_tags: dict[str, str] | None
    created: int
    updated: int
    record: int
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRows:
    """Many images on their way into a table: a column for each field of ImageRow, in the same order."""

    ids: Sequence[str] = ()
    namespaces: Sequence[str | None] = ()
    names: Sequence[str | None] = ()
    tags: Sequence[str | None] = ()
    swr_paths: Sequence[str | None] = ()
    words: Sequence[Words] = ()
    descriptions: Sequence[str | None] = ()
    sizes: Sequence[int] = ()
    resource_tags: Sequence[dict[str, str] | None] = ()
    created: Sequence[int] = ()
    updated: Sequence[int] = ()
    records: Sequence[int] = ()
    unreadable: Sequence[str | None] = ()

    @classmethod
    def of(cls, rows: Iterable[ImageRow]) -> Self:
        return cls(*zip(*map(msgspec.structs.astuple, rows), strict=True))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[ImageRow]:
        return map(ImageRow, *(getattr(self, name) for name in self.__slots__))


def moment_at(microseconds: int) -> datetime | None:
    """A time of a row; None where it is not known."""
    return EPOCH + timedelta(0, 0, microseconds) if microseconds else None
