"""The images in the order in which they are listed, kept through every change: no page sorts."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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
    def shelf(self) -> tuple[str | None, ...]:
        """The key of the narrowest shelf; built-in images stand in every workspace."""
        key = (self.kind, None if self.kind == BUILD_IN else self.workspace)
        if self.namespace is None:
            return key
        return (
            (*key, self.namespace) if self.name is None or self.fuzzy else (*key, self.namespace, self.name)
        )

    @property
    def is_whole_shelf(self) -> bool:
        named = self.name is None or (self.namespace is not None and not self.fuzzy)
        return named and self.service_type is None and not self.sort

    def matches(self, record: Record) -> bool:
        """Whether a record of the right shelf is asked for."""
        name = record.get("name") or ""
        if self.name is not None and not (self.name in name if self.fuzzy else self.name == name):
            return False
        return self.service_type is None or record.get("service_type") == self.service_type


class ImageStore:
    """All image records: by id, and newest first within type, workspace, namespace and name.

    A record must not be changed in place: take it out and put another in.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records: dict[str, Record] = {}
        self._ordered: dict[tuple[str | None, ...], list[_SortKey]] = {}
        self._arranged: dict[ImageQuery, list[_SortKey]] = {}
        for record in records:
            self._records[record["id"]] = record
            for key in _keys(record):
                self._ordered.setdefault(key, []).append(_place(record))
        for places in self._ordered.values():
            places.sort()

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
        for key in _keys(record):
            insort(self._ordered.setdefault(key, []), _place(record))

    def take(self, image_id: str) -> Record | None:
        """Remove a record and return it; None when there was none."""
        self._arranged.clear()
        record = self._records.pop(image_id, None)
        if record is not None:
            for key in _keys(record):
                places = self._ordered[key]
                del places[bisect_left(places, _place(record))]
        return record

    def page(self, wanted: ImageQuery, offset: int, limit: int) -> tuple[list[Record], int]:
        """The records from `offset` on, `limit` at most, and how many there are in all."""
        places = self._places(wanted)
        total = len(places)
        if wanted.ascending:
            chosen = places[max(0, total - offset - limit) : max(0, total - offset)][::-1]
        else:
            chosen = places[offset : offset + limit]
        return [self._records[image_id] for _, image_id in chosen], total

    def _places(self, wanted: ImageQuery) -> list[_SortKey]:
        places = self._ordered.get(wanted.shelf, [])
        if wanted.is_whole_shelf:
            return places
        if wanted not in self._arranged:
            self._arranged[wanted] = self._arrange(wanted, places)
        return self._arranged[wanted]

    def _arrange(self, wanted: ImageQuery, places: list[_SortKey]) -> list[_SortKey]:
        found = [place for place in places if wanted.matches(self._records[place[1]])]
        for field in reversed(wanted.sort):
            found.sort(key=self._value_of(field), reverse=True)
        return found

    def _value_of(self, field: str) -> Callable[[_SortKey], tuple[int, int | float, str]]:
        return lambda place: _comparable(self._records[place[1]].get(field))


def _keys(record: Record) -> tuple[tuple[str | None, ...], ...]:
    wanted = ImageQuery(kind=record.get("type", "DEDICATED"), workspace=record.get("workspace_id", "0"))
    namespace, name = record.get("namespace"), record.get("name")
    return wanted.shelf, (*wanted.shelf, namespace), (*wanted.shelf, namespace, name)


def _place(record: Record) -> _SortKey:
    return -(record.get("create_at") or 0), record["id"]


def _comparable(value: object) -> tuple[int, int | float, str]:
    """Any two field values in one order: missing ones lowest, then numbers, then texts."""
    if value is None:
        return 0, 0, ""
    return (1, value, "") if isinstance(value, int | float) else (2, 0, str(value))
