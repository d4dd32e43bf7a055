"""The notebook instances, and which images the running ones hold."""

from collections.abc import Iterable

from cleanup.simulator.messages import Record
from cleanup.simulator.record_store import RecordStore
from cleanup.simulator.references import ContentKey, content_key

_RUNNING = frozenset({"CREATING", "STARTING", "RUNNING", "SNAPSHOTTING", "STOPPING"})


class NotebookStore(RecordStore):
    """All notebook records by id."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__(records)
        self._held: set[str | ContentKey] | None = None

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its id."""
        super().put(record)
        self._held = None

    def take(self, record_id: str) -> Record | None:
        """Remove a record and return it; None when there was none."""
        self._held = None
        return super().take(record_id)

    def running_on(self, image: Record) -> bool:
        """Whether a running notebook uses the image, by its id or by any spelling of its reference."""
        if self._held is None:
            used = [record["image"] for record in self if record["status"] in _RUNNING]
            ids = {image["id"] for image in used if image.get("id")}
            self._held = ids | {content_key(image["swr_path"]) for image in used if image.get("swr_path")}
        return image["id"] in self._held or content_key(image.get("swr_path", "")) in self._held
