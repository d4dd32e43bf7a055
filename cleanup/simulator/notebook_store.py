"""The notebook instances, and which images the running ones hold."""

from collections.abc import Iterable, Iterator

from cleanup.simulator.messages import Record

_RUNNING = frozenset({"CREATING", "STARTING", "RUNNING", "SNAPSHOTTING", "STOPPING"})


class NotebookStore:
    """All notebook records by id; records are replaced, never changed in place."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = {record["id"]: record for record in records}
        self._held: set[str] | None = None

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, notebook_id: str) -> Record | None:
        """The record of this id; None when there is none."""
        return self._records.get(notebook_id)

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its id."""
        self._records[record["id"]] = record
        self._held = None

    def running_on(self, image: Record) -> bool:
        """Whether a running notebook uses the image, by its id or by its path."""
        if self._held is None:
            used = [record["image"] for record in self if record["status"] in _RUNNING]
            self._held = {key for image in used for key in (image.get("id"), image.get("swr_path")) if key}
        return image["id"] in self._held or image.get("swr_path") in self._held
