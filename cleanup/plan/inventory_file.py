"""The inventory file: everything a decision needs, read once and sealed, to try policies on without a service.

JSON Lines: a header, a line for each image of the workspaces to clean, for each record of the other
workspaces, and for each user of an image; a summary whose sha256 covers every byte before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

import cleanup
from cleanup.config.job import Job
from cleanup.config.settings import Target, TargetRef
from cleanup.errors import RecordRejected
from cleanup.image_columns.row import ImageRow
from cleanup.image_columns.table import ImageColumns
from cleanup.in_use import InUse, Use
from cleanup.kinds import UNDECODABLE, FileKind, require_kind
from cleanup.modelarts.inventory import Inventory
from cleanup.modelarts.users.kinds import AskedUsers, Scope, UserKind
from cleanup.modelarts.wire.image_rows import ListedImages
from cleanup.plan.sealed import SCHEMA, TOGETHER, Over, SealedFile, encoded, require_version, write_sealed


class InventoryHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="inventory"):
    """When the inventory of which project was read, who was asked, and what could not be seen."""

    schema: int = SCHEMA
    created_at: datetime
    tool_version: str
    target: TargetRef
    workspaces: tuple[str, ...]
    users: dict[str, int]
    asked: tuple[UserKind, ...]
    notebooks: Scope
    job_history_s: float
    pins: int
    doubts: tuple[str, ...]
    unseen: tuple[str, ...]
    notes: tuple[str, ...]


class ImageLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="image", omit_defaults=True):
    """One record as the service sent it; not `cleaned`: of a workspace that is read for shared content only.

    What was no JSON in it is left out and named by `unreadable`, so that any reader can read the line.
    """

    cleaned: bool
    unreadable: str | None = None
    image: msgspec.Raw

    def row(self, records: ListedImages) -> ImageRow:
        """The image as it was when it was written. Raises Unreadable."""
        row = records.row(self.image)
        if self.unreadable is not None:
            row.unreadable = self.unreadable
        return row


class UserLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="user", omit_defaults=True):
    """One user of one image."""

    user: str
    image_id: str | None = None
    swr_path: str | None = None
    name: str | None = None


class InventorySummary(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="summary"):
    images: int
    others: int
    users: int
    sha256: str = ""


_decoder = msgspec.json.Decoder(InventoryHeader | ImageLine | UserLine)


def write_inventory(inventory: Inventory, job: Job, path: Path, over: Over) -> None:
    """Write the inventory of the job's target, whole or not at all. Raises UsageError."""
    header = InventoryHeader(
        created_at=job.runtime.now(),
        tool_version=cleanup.__version__,
        target=job.target.ref,
        workspaces=inventory.workspaces,
        users={kind.value: count for kind, count in inventory.users.items()},
        asked=tuple(inventory.asked.kinds),
        notebooks=inventory.asked.notebooks,
        job_history_s=inventory.asked.job_history.total_seconds(),
        pins=inventory.pins,
        doubts=inventory.doubts,
        unseen=inventory.unseen,
        notes=inventory.notes,
    )
    summary = InventorySummary(
        images=len(inventory.images), others=len(inventory.others), users=len(inventory.in_use.uses)
    )

    def last(digest: str) -> InventorySummary:
        return msgspec.structs.replace(summary, sha256=digest)

    write_sealed(
        path, "inventory", encoded(_lines(header, inventory)), last, elsewhere=job.elsewhere, over=over
    )


def _lines(header: InventoryHeader, inventory: Inventory) -> Iterator[InventoryHeader | ImageLine | UserLine]:
    yield header
    for image in inventory.images:
        yield ImageLine(cleaned=True, unreadable=image.unreadable, image=image.raw)
    for image in inventory.others:
        yield ImageLine(cleaned=False, unreadable=image.unreadable, image=image.raw)
    for use in inventory.in_use.uses:
        yield UserLine(user=use.user, image_id=use.image_id, swr_path=use.swr_path, name=use.name)


class StoredInventory(msgspec.Struct, frozen=True, kw_only=True):
    """An inventory out of a file, with the project and the time that it is of."""

    ref: TargetRef
    created_at: datetime
    inventory: Inventory

    @property
    def target(self) -> Target:
        """The project that was read; how to log in to it is not known."""
        ref = self.ref
        return Target(
            name=ref.name, endpoint=ref.endpoint, project_id=ref.project_id, workspaces=ref.workspaces
        )


def read_inventory_file(path: Path, pins: InUse | None = None) -> StoredInventory:
    """Read and prove an inventory file; `pins` are in use beside those that it holds.

    Raises UsageError when there is no such file, RecordRejected when it is not a whole, unchanged one.
    """
    require_kind(path, FileKind.INVENTORY)
    found = _proven(SealedFile(path, "inventory"))
    pins = pins or InUse()
    header = found.header
    inventory = Inventory(
        images=found.images,
        others=found.others,
        workspaces=header.workspaces,
        in_use=InUse(found.uses) | pins,
        users={UserKind(kind): count for kind, count in header.users.items()},
        doubts=header.doubts,
        unseen=header.unseen,
        seen_at=0.0,
        asked=AskedUsers(
            kinds=header.asked,
            notebooks=header.notebooks,
            job_history=timedelta(seconds=header.job_history_s),
        ),
        pins=header.pins + len(pins.uses),
        notes=header.notes,
    )
    return StoredInventory(ref=header.target, created_at=header.created_at, inventory=inventory)


class _Lines(NamedTuple):
    """What the lines before the last say."""

    header: InventoryHeader
    images: ImageColumns
    others: ImageColumns
    uses: list[Use]


def _proven(file: SealedFile) -> _Lines:
    """What the file says, in one pass over it. Raises RecordRejected as `read_inventory_file` does."""
    lines = file.lines()
    found: _Lines | Exception
    try:
        found = _read(file.path, lines)
    except (*UNDECODABLE, ValueError, RecordRejected) as error:
        for _ in lines:  # the seal is over them, too
            pass
        found = error
    last = file.last
    try:
        summary = msgspec.json.decode(last, type=InventorySummary)
        if isinstance(found, Exception):
            raise found
    except (*UNDECODABLE, ValueError) as error:
        raise RecordRejected(
            f"{file.path} is no inventory, or a damaged one ({error}): read it again"
        ) from error
    if summary.sha256 != file.sha256:
        raise RecordRejected(f"the inventory {file.path} was changed after it was written: read it again")
    return found


def _read(path: Path, lines: Iterator[bytes]) -> _Lines:
    first = next(lines, b"")
    require_version(first, path, "inventory")
    header = _decoder.decode(first)
    if not isinstance(header, InventoryHeader):
        raise RecordRejected(f"{path} is no inventory: read it again")
    images, others, uses = ImageColumns(), ImageColumns(), list[Use]()
    records = ListedImages()
    while some := [*map(_decoder.decode, islice(lines, TOGETHER))]:
        told = [line for line in some if isinstance(line, ImageLine)]
        for cleaned, table in ((True, images), (False, others)):
            table.extend(_rows(records, [line for line in told if line.cleaned is cleaned]))
        uses += (
            Use(user=line.user, image_id=line.image_id, swr_path=line.swr_path, name=line.name)
            for line in some
            if isinstance(line, UserLine)
        )
    return _Lines(header, images, others, uses)


def _rows(records: ListedImages, lines: Sequence[ImageLine]) -> Iterable[ImageRow]:
    """The rows of many lines: together, where nothing was unreadable in them."""
    rows = None
    if not any(line.unreadable for line in lines):
        rows = records.rows([line.image for line in lines])
    return rows or [line.row(records) for line in lines]
