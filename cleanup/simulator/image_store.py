"""The image records, indexed in the order of listings, so that no page needs to be sorted."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cleanup.simulator.messages import Record

BUILD_IN = "BUILD_IN"
_SortKey = tuple[int, str]


@dataclass(frozen=True, kw_only=True)
class ImageQuery:
    """What a listing asks for; `sort` holds field names, empty for the default (`create_at`)."""

    kind: str = BUILD_IN
    workspace: str = "0"
    namespace: str | None = None
    name: str | None = None
    fuzzy: bool = True
    service_type: str | None = None
    sort: tuple[str, ...] = ()
    ascending: bool = False

    @property
    def index_key(self) -> tuple[str | None, ...]:
        """The narrowest index that holds all that is asked for; built-in images are in every workspace."""
        key = (self.kind, None if self.kind == BUILD_IN else self.workspace)
        if self.namespace is None:
            return key
        return (
            (*key, self.namespace) if self.name is None or self.fuzzy else (*key, self.namespace, self.name)
        )

    @property
    def is_whole_index(self) -> bool:
        """Whether all of that index is asked for, in its own order."""
        named = self.name is None or (self.namespace is not None and not self.fuzzy)
        return named and self.service_type is None and not self.sort

    def matches(self, record: Record) -> bool:
        """Whether a record of the right index is asked for."""
        name = record.get("name") or ""
        if self.name is not None and not (self.name in name if self.fuzzy else self.name == name):
            return False
        return self.service_type is None or record.get("service_type") == self.service_type


class ImageStore:
    """All image records by id, and indexes by type, workspace, namespace and name, newest first.

    A record must not be changed in place: take it out and put another in.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records: dict[str, Record] = {}
        self._indexes: dict[tuple[str | None, ...], list[_SortKey]] = {}
        self._sorted: dict[ImageQuery, list[_SortKey]] = {}
        for record in records:
            self._records[record["id"]] = record
            for key in _index_keys(record):
                self._indexes.setdefault(key, []).append(_sort_key(record))
        for index in self._indexes.values():
            index.sort()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, image_id: str) -> Record | None:
        """The record of this id; None when there is none."""
        return self._records.get(image_id)

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its id."""
        self.take(record["id"])
        self._records[record["id"]] = record
        for key in _index_keys(record):
            insort(self._indexes.setdefault(key, []), _sort_key(record))

    def take(self, image_id: str) -> Record | None:
        """Remove a record and return it; None when there was none."""
        self._sorted.clear()
        record = self._records.pop(image_id, None)
        if record is not None:
            for key in _index_keys(record):
                index = self._indexes[key]
                del index[bisect_left(index, _sort_key(record))]
        return record

    def page(self, query: ImageQuery, offset: int, limit: int) -> tuple[list[Record], int]:
        """The records from `offset` on, `limit` at most, and how many there are in all."""
        keys = self._keys(query)
        total = len(keys)
        if query.ascending:
            chosen = keys[max(0, total - offset - limit) : max(0, total - offset)][::-1]
        else:
            chosen = keys[offset : offset + limit]
        return [self._records[image_id] for _, image_id in chosen], total

    def repositories(self, query: ImageQuery) -> list[list[Record]]:
        """The images of each namespace/name that a query asks for, newest first, by namespace and name."""
        start = replace(query, name=None, namespace=None).index_key
        found = [
            [self._records[id_] for _, id_ in index]
            for key, index in sorted(self._indexes.items(), key=lambda item: str(item[0]))
            if len(key) == len(start) + 2 and key[: len(start)] == start and index
        ]
        return [
            versions
            for versions in found
            if query.namespace in (None, versions[0].get("namespace")) and query.matches(versions[0])
        ]

    def _keys(self, query: ImageQuery) -> list[_SortKey]:
        index = self._indexes.get(query.index_key, [])
        if query.is_whole_index:
            return index
        if query not in self._sorted:
            records = [record for _, id_ in index if query.matches(record := self._records[id_])]
            if query.sort:
                records.sort(
                    key=lambda one: [_comparable(one.get(name)) for name in query.sort], reverse=True
                )
            self._sorted[query] = [_sort_key(record) for record in records]
        return self._sorted[query]


def _index_keys(record: Record) -> tuple[tuple[str | None, ...], ...]:
    kind, namespace = record.get("type", "DEDICATED"), record.get("namespace")
    key = ImageQuery(kind=kind, workspace=record.get("workspace_id", "0")).index_key
    return key, (*key, namespace), (*key, namespace, record.get("name"))


def _sort_key(record: Record) -> _SortKey:
    return -(record.get("create_at") or 0), record["id"]


def _comparable(value: object) -> tuple[int, int | float, str]:
    """Any two field values in one order: missing ones lowest, then numbers, then texts."""
    if value is None:
        return 0, 0, ""
    return (1, value, "") if isinstance(value, int | float) else (2, 0, str(value))
