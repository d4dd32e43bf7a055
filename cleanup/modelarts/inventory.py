"""The inventory of a project: its images and who uses which, complete or with the doubts why it may not be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from cleanup.errors import InventoryError
from cleanup.image import Image
from cleanup.image_columns.table import ImageColumns
from cleanup.in_use import InUse
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.failures import ListingFailed, explained
from cleanup.modelarts.users.kinds import AskedUsers, UserKind
from cleanup.modelarts.users.listing import Reading
from cleanup.modelarts.users.reading import read_users
from cleanup.modelarts.wire.json_bodies import decode_object
from cleanup.modelarts.wire.values import Unreadable, as_text
from cleanup.progress import Progress
from cleanup.runtime import Runtime

_CLOCKS_DIFFER = timedelta(minutes=15)  # beyond it signatures are refused as well
_NOT_LISTED = "workspaces cannot be listed"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """A project's images, who uses which, and every doubt whether that is right and all.

    `images` are those of the workspaces that are cleaned, `others` of all the rest that can be read,
    `workspaces` are both. `unseen` names the workspaces that could not be read. `users` counts by kind;
    `seen_at` is the monotonic second at which reading began; `notes` are for the log.
    """

    images: Sequence[Image]
    others: Sequence[Image] = ()
    workspaces: tuple[str, ...]
    in_use: InUse
    users: Mapping[UserKind, int] = field(default_factory=dict)
    doubts: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    seen_at: float
    asked: AskedUsers
    pins: int
    notes: tuple[str, ...] = ()

    def require_complete(self) -> None:
        """Raise InventoryError unless everything was seen: nothing may be deleted on half a picture."""
        if self.doubts:
            raise InventoryError(
                f"the inventory is not complete, nothing was deleted: {'; '.join(self.doubts)}"
            )


@dataclass(frozen=True, kw_only=True)
class ImageListing:
    """The project's own images, DELETED ones left out. `doubts` say in words why it may not be complete."""

    images: ImageColumns
    doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OtherWorkspaces:
    """The project's workspaces besides those that are cleaned: the images of those that can be read.

    `unseen` are the rest, or that nobody knows which there are; `notes` say why.
    """

    workspaces: tuple[str, ...] = ()
    images: ImageColumns = field(default_factory=ImageColumns)
    unseen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def read_inventory(
    client: Client,
    workspaces: Sequence[str],
    asked: AskedUsers,
    pins: InUse,
    runtime: Runtime,
    progress: Progress,
) -> Inventory:
    """Read all images, of other workspaces too, then all users (later, so that one started meanwhile is seen).

    Raises AccessDenied when nothing could be read, InventoryError when a workspace to clean cannot be.
    """
    seen_at = runtime.clock()
    listing = await read_images(client, workspaces, progress.listed)
    runtime.say_more(f"{len(listing.images):,} images read of workspaces {', '.join(workspaces)}")
    progress.begin("listing other workspaces")
    rest = await read_other_workspaces(client, workspaces, progress.listed)
    runtime.say_more(
        f"{len(rest.images):,} images read of other workspaces", unseen=", ".join(rest.unseen) or None
    )
    reading = Reading(client=client, asked=asked, now=runtime.now(), progress=progress)
    users = await read_users(reading, workspaces, rest.workspaces)
    for kind, number in users.counts.items():
        runtime.say_more(f"{number:,} {kind} read, who may use images")
    return Inventory(
        images=listing.images,
        others=rest.images,
        workspaces=(*workspaces, *rest.workspaces),
        in_use=users.in_use | pins,
        users=users.counts,
        doubts=(*listing.doubts, *users.doubts, *_wrong_clock(client.service_time, runtime.now())),
        unseen=tuple(dict.fromkeys((*rest.unseen, *users.unseen))),
        seen_at=seen_at,
        asked=asked,
        pins=len(pins.uses),
        notes=(*rest.notes, *users.notes),
    )


def _wrong_clock(service_time: datetime | None, now: datetime) -> tuple[str, ...]:
    """The doubt that ages are right at all: a machine that is ahead takes young images for old ones."""
    if service_time is None or abs(now - service_time) <= _CLOCKS_DIFFER:
        return ()
    return (
        f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC and the service's {service_time:%Y-%m-%d %H:%M} UTC, "
        "so ages would be wrong: set the clock right",
    )


async def read_images(
    client: Client,
    workspaces: Sequence[str],
    listed: Callable[[int, int | None], None] = lambda _, __: None,
) -> ImageListing:
    """All images of the workspaces, one workspace after the other; an id in two of them is one image.

    `listed` is told how many have been read so far, and of how many. Raises AccessDenied when the service lets us
    read nothing, InventoryError when it cannot be read to the end.
    """
    images = ImageColumns()
    doubts: list[str] = []
    for workspace in workspaces:
        before = len(images)

        def further(count: int, total: int | None, before: int = before) -> None:
            listed(before + count, None if total is None else before + total)

        try:
            found = await client.list_images(workspace, listed=further)
        except ListingFailed as error:
            raise explained(error, "modelarts:image:list", has_read=client.has_read) from None
        images = images.merged(found.items)
        doubts += (f"workspace {workspace}: {doubt}" for doubt in found.doubts)
    return ImageListing(images=images, doubts=tuple(doubts))


async def read_other_workspaces(
    client: Client,
    cleaned: Sequence[str],
    listed: Callable[[int, int | None], None] = lambda _, __: None,
) -> OtherWorkspaces:
    """The images of all workspaces but the cleaned ones, for content that they may share.

    What cannot be read is `unseen`, no failure. Raises CredentialsLost when the credentials are refused.
    """
    try:
        found = await list_workspaces(client)
    except ListingFailed as error:
        if error.status == 401:
            raise explained(error, "modelarts:workspace:list", has_read=client.has_read) from None
        why = f"only {', '.join(cleaned)} could be looked at, so force is withheld: {_NOT_LISTED} ({error})"
        return OtherWorkspaces(unseen=(_NOT_LISTED,), notes=(why,))
    except InventoryError as error:
        return OtherWorkspaces(unseen=(_NOT_LISTED,), notes=(f"force is withheld: {error}",))
    rest = OtherWorkspaces()
    for workspace in found:
        if workspace not in cleaned:
            rest = await _with_workspace(client, rest, workspace)
            listed(len(rest.images), None)
    return rest


async def list_workspaces(client: Client) -> tuple[str, ...]:
    """The ids of the project's workspaces, also of those that may not be entered (API.md, Workspaces).

    Raises ListingFailed or InventoryError.
    """
    call = ListCall(
        path="workspaces",
        what="workspace",
        query={"sort_by": "name", "order": "asc", "filter_accessible": "false"},
        limit=1000,
        numbered=True,
        items="workspaces",
        decode=_workspace_id,
        key=str,
    )
    found = await client.list_records(call)
    if found.doubts:
        raise InventoryError(f"the workspaces are not clear: {'; '.join(found.doubts)}")
    return found.items


def _workspace_id(raw: msgspec.Raw) -> str:
    found = as_text(decode_object(raw).get("id"))
    if found is None:
        raise Unreadable("it has no id")
    return found


async def _with_workspace(client: Client, rest: OtherWorkspaces, workspace: str) -> OtherWorkspaces:
    """One more workspace: its images, or that it is unseen and why."""
    try:
        listing = await client.list_images(workspace)
    except ListingFailed as error:
        if error.status == 401:
            raise explained(error, "modelarts:image:list", has_read=client.has_read) from None
        trouble = str(error)
    except InventoryError as error:
        trouble = str(error)
    else:
        rest.images.extend(listing.items.rows())
        rest = replace(rest, workspaces=(*rest.workspaces, workspace))
        if not listing.doubts:
            return rest
        trouble = "; ".join(listing.doubts)
    note = f"workspace {workspace} could not be read, so force is withheld: {trouble}"
    return replace(rest, unseen=(*rest.unseen, workspace), notes=(*rest.notes, note))
