"""The inventory of a project: its images and who uses which, complete or with the doubts why it may not be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cleanup.errors import AccessDenied, CleanupError, CredentialsLost, InventoryError
from cleanup.image import Image, Status
from cleanup.in_use import InUse, Use
from cleanup.modelarts.client import Client, ListingFailed
from cleanup.progress import Progress
from cleanup.runtime import Runtime

_CLOCKS_DIFFER = timedelta(minutes=15)  # beyond it signatures are refused as well
_NOTEBOOK, _CODELAB = "NOTEBOOK", "DEFAULT"  # the two features a notebook can have


class Scope(StrEnum):
    """Whose notebooks protect their images."""

    ALL = "all"
    OWN = "own"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """A project's images, who uses which, and every doubt whether that is right and all.

    `seen_at` is the monotonic second at which reading began; `notes` are for the log.
    """

    images: tuple[Image, ...]
    in_use: InUse
    notebooks: int
    doubts: tuple[str, ...]
    seen_at: float
    scope: Scope
    pins: int
    notes: tuple[str, ...] = ()

    def require_complete(self, what: str = "deleted") -> None:
        """Raise InventoryError unless everything was seen: nothing may be deleted on half a picture."""
        if self.doubts:
            raise InventoryError(
                f"the inventory is not complete, nothing was {what}: {'; '.join(self.doubts)}"
            )


@dataclass(frozen=True, kw_only=True)
class ImageListing:
    """The project's own images, DELETED ones left out. `doubts` say in words why it may not be complete."""

    images: tuple[Image, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NotebookListing:
    """Who uses what. `count` is the number of notebooks that are not DELETED; `others_visible` says
    whether other users' were among them; `notes` are for the log."""

    in_use: InUse
    count: int
    others_visible: bool
    notes: tuple[str, ...] = ()


async def read_inventory(
    client: Client,
    workspaces: Sequence[str],
    scope: Scope,
    pins: InUse,
    runtime: Runtime,
    progress: Progress,
) -> Inventory:
    """Read all images, then all notebooks (later, so that a notebook started meanwhile is seen).

    Raises AccessDenied when nothing could be read, InventoryError when not everything could.
    """
    seen_at = runtime.clock()
    listing = await read_images(client, workspaces, progress.listed)
    notebooks = await read_notebooks(client, workspaces, scope)
    return Inventory(
        images=listing.images,
        in_use=notebooks.in_use | pins,
        notebooks=notebooks.count,
        doubts=(
            *listing.doubts,
            *hidden_users(notebooks, scope),
            *_wrong_clock(client.service_time, runtime.now()),
        ),
        seen_at=seen_at,
        scope=scope,
        pins=len(pins.uses),
        notes=notebooks.notes,
    )


def _wrong_clock(service_time: datetime | None, now: datetime) -> tuple[str, ...]:
    """The doubt that ages are right at all: a machine that is ahead takes young images for old ones."""
    if service_time is None or abs(now - service_time) <= _CLOCKS_DIFFER:
        return ()
    return (
        f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC and the service's {service_time:%Y-%m-%d %H:%M} UTC, "
        "so ages would be wrong: set the clock right",
    )


def hidden_users(notebooks: NotebookListing, scope: Scope) -> tuple[str, ...]:
    """The doubt that is left where everybody's notebooks were asked for and only one's own were shown."""
    if scope is not Scope.ALL or notebooks.others_visible:
        return ()
    return (
        "other users' notebooks were not visible (403 on notebooks/all): get the permission "
        "modelarts:notebook:listAllNotebooks, or accept the risk with --in-use own",
    )


async def read_images(
    client: Client, workspaces: Sequence[str], listed: Callable[[int], None] = lambda _: None
) -> ImageListing:
    """All images of the workspaces, one workspace after the other; an id in two of them is one image.

    `listed` is told how many have been read so far. Raises AccessDenied when the service lets us
    read nothing, InventoryError when it cannot be read to the end.
    """
    images: dict[str, Image] = {}
    doubts: list[str] = []
    for workspace in workspaces:
        before = len(images)

        def further(count: int, before: int = before) -> None:
            listed(before + count)

        try:
            found = await client.list_images(workspace, listed=further)
        except ListingFailed as error:
            raise _explained(error, client, "modelarts:image:list") from None
        images.update((image.id, image) for image in found.items if image.known_status is not Status.DELETED)
        doubts += (f"workspace {workspace}: {doubt}" for doubt in found.doubts)
    return ImageListing(images=tuple(images.values()), doubts=tuple(doubts))


async def read_notebooks(client: Client, workspaces: Sequence[str], scope: Scope) -> NotebookListing:
    """Who uses which image: every notebook that is not DELETED, of both features, in all workspaces.

    With `Scope.ALL` other users' notebooks too, as far as that is allowed. Raises AccessDenied or
    InventoryError when they cannot be read completely, or when one does not say what it uses.
    """
    if scope is Scope.OFF:
        return NotebookListing(in_use=InUse(), count=0, others_visible=False)
    try:
        read = [await _read_workspace(client, workspace, scope) for workspace in workspaces]
    except ListingFailed as error:
        raise _explained(error, client, "modelarts:notebook:list") from None
    uses = [use for one in read for use in one.uses]
    return NotebookListing(
        in_use=InUse(uses),
        count=len(uses),
        others_visible=all(one.everybody for one in read),
        notes=tuple(note for one in read for note in one.notes),
    )


@dataclass(frozen=True)
class _WorkspaceNotebooks:
    uses: tuple[Use, ...]
    everybody: bool
    notes: tuple[str, ...]


async def _read_workspace(client: Client, workspace: str, scope: Scope) -> _WorkspaceNotebooks:
    """Everybody's notebooks where that is wanted and allowed, else one's own."""
    if scope is Scope.ALL:
        try:
            return await _read_features(client, workspace, everybody=True)
        except ListingFailed as error:
            if error.status not in (403, 404):  # 404: a region that does not have notebooks/all
                raise
    return await _read_features(client, workspace, everybody=False)


async def _read_features(client: Client, workspace: str, *, everybody: bool) -> _WorkspaceNotebooks:
    uses = await _read_feature(client, workspace, everybody, _NOTEBOOK)
    notes: tuple[str, ...] = ()
    try:
        uses += await _read_feature(client, workspace, everybody, _CODELAB)
    except ListingFailed as error:
        if error.status not in (400, 404):
            raise
        notes = (f"workspace {workspace}: no CodeLab notebooks were read, this region has none ({error})",)
    return _WorkspaceNotebooks(uses, everybody, notes)


async def _read_feature(client: Client, workspace: str, everybody: bool, feature: str) -> tuple[Use, ...]:
    found = await client.list_notebooks(workspace, everybody=everybody, feature=feature)
    if found.doubts:
        raise InventoryError(
            f"the {feature} notebooks of workspace {workspace} are not clear, read again and again: "
            f"{'; '.join(found.doubts)}; try again when fewer of them come and go"
        )
    return tuple(notebook.use for notebook in found.items if notebook.use)


def _explained(error: ListingFailed, client: Client, permission: str) -> CleanupError:
    """The same failure with what to do about it; AccessDenied when nothing at all could be read."""
    match error.status:
        case 401:
            advice = "; the credentials were refused: check them (`doctor` says which were found)"
        case 403:
            advice = f"; is the project id right, and is {permission} granted?"
        case _:
            advice = ""
    kind: type[CleanupError] = CredentialsLost if error.status == 401 else InventoryError
    refused = error.status in (401, 403) and not client.has_read
    return (AccessDenied if refused else kind)(f"{error}{advice}")
