"""An image on its way into a table, or out of it into another."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

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


def moment_at(microseconds: int) -> datetime | None:
    """A time of a row; None where it is not known."""
    return EPOCH + timedelta(0, 0, microseconds) if microseconds else None
