"""Records of one kind by their id, in the order in which they came."""

from collections.abc import Iterable, Iterator

from cleanup.simulator.messages import Record


class RecordStore:
    """All records of one kind. `id_path` leads to a record's id; records are replaced, never changed in place."""

    def __init__(self, records: Iterable[Record] = (), *id_path: str) -> None:
        self._id_path = id_path or ("id",)
        self._records = {self.id_of(record): record for record in records}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def id_of(self, record: Record) -> str:
        """The id of a record of this kind."""
        value = record
        for name in self._id_path:
            value = value[name]
        return str(value)

    def get(self, record_id: str) -> Record | None:
        """The record of this id; None when there is none."""
        return self._records.get(record_id)

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its id."""
        self._records[self.id_of(record)] = record

    def take(self, record_id: str) -> Record | None:
        """Remove a record and return it; None when there was none."""
        return self._records.pop(record_id, None)
