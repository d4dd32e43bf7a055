"""Notebooks: every one that is not DELETED needs its image, of both features (API.md, trap 8)."""

import re
from collections.abc import Mapping
from functools import partial

import msgspec

from cleanup.errors import InventoryError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.failures import ListingFailed
from cleanup.modelarts.gather import gather
from cleanup.modelarts.users.kinds import Scope
from cleanup.modelarts.users.listing import Reading, UserListing
from cleanup.modelarts.wire.json_bodies import decode_object, decode_page
from cleanup.modelarts.wire.values import Unreadable, as_object, as_text, clean

_NOTEBOOK, _CODELAB = "NOTEBOOK", "DEFAULT"  # the two features a notebook can have
_IMAGE_NAME = re.compile(r"[^/:\s]+/[^/:\s]+:[^/:\s]+")
_HIDDEN = (
    "other users' notebooks were not visible ({status} on notebooks/all): get the permission "
    "modelarts:notebook:listAllNotebooks, or accept the risk with --in-use own"
)


class Notebook(msgspec.Struct, frozen=True):
    """A notebook as far as it matters: what makes it one, and the image it needs (None: deleted)."""

    key: str
    use: Use | None


class _NotebookRecord(msgspec.Struct):
    id: object = None
    name: object = None
    status: object = None
    image: object = None


_records = msgspec.json.Decoder(_NotebookRecord)


async def read(reading: Reading, workspace: str) -> UserListing:
    """Everybody's notebooks where that is asked for and allowed, else one's own, with a doubt for the difference.

    Raises ListingFailed or InventoryError when they cannot be read to the end.
    """
    doubts: tuple[str, ...] = ()
    if reading.asked.notebooks is Scope.ALL:
        try:
            return await _read_features(reading.client, workspace, everybody=True)
        except ListingFailed as error:
            hidden = (error.status == 403 and not error.by_clock) or error.is_own_404
            if not hidden:  # by a 404 of a proxy, for one, which says nothing of users
                raise
            doubts = (_HIDDEN.format(status=error.status),)
    own = await _read_features(reading.client, workspace, everybody=False)
    return UserListing(uses=own.uses, count=own.count, notes=own.notes, doubts=(*own.doubts, *doubts))


async def user_of(client: Client, image: Image) -> Use | None:
    """A notebook that uses this image now, by one request: a last look (API.md, Calls).

    None also where the service does not know the parameter. Raises ListingFailed or InventoryError.
    """
    query = _query(image.workspace_id or "0", _NOTEBOOK) | {
        "image_id": image.id,
        "limit": "10",
        "offset": "0",
    }
    try:
        page = await client.read("notebooks/all", query, decode=decode_page)
    except ListingFailed as error:
        if error.status == 400:
            return None
        raise
    if page.total and not page.records:
        raise InventoryError(
            f"the notebooks of image {image.id} are said to be {page.total}, and none is shown"
        )
    try:
        found = [decode_notebook(record).use for record in page.records]
    except Unreadable as error:
        raise InventoryError(f"the notebooks of image {image.id} cannot be read: {error}") from None
    return InUse(use for use in found if use).of(image)


async def _read_features(client: Client, workspace: str, *, everybody: bool) -> UserListing:
    both = partial(_read_feature, client, workspace, everybody)
    ordinary, codelab = await gather((partial(both, _NOTEBOOK), partial(_or_none, partial(both, _CODELAB))))
    uses = (*ordinary.uses, *codelab.uses)
    return UserListing(
        uses=uses,
        count=len(uses),
        doubts=(*ordinary.doubts, *codelab.doubts),
        notes=tuple(f"workspace {workspace}: {note}" for note in codelab.notes),
    )


async def _or_none(read_codelab: partial) -> UserListing:  # type: ignore[type-arg]
    try:
        found: UserListing = await read_codelab()
    except ListingFailed as error:
        if error.status != 400 and not error.is_own_404:
            raise
        return UserListing(notes=(f"no CodeLab notebooks were read, this region has none ({error})",))
    return found


async def _read_feature(client: Client, workspace: str, everybody: bool, feature: str) -> UserListing:
    call = ListCall(
        path="notebooks/all" if everybody else "notebooks",
        what="notebook",
        query=_query(workspace, feature),
        limit=50,
        decode=decode_notebook,
        key=lambda notebook: notebook.key,
    )
    found = await client.list_records(call)
    uses = tuple(notebook.use for notebook in found.items if notebook.use)
    doubts = tuple(
        f"the {feature} notebooks of workspace {workspace} are not clear, read again and again: {doubt}; "
        "try again when fewer of them come and go"
        for doubt in found.doubts
    )
    return UserListing(uses=uses, count=len(uses), doubts=doubts)


def _query(workspace: str, feature: str) -> dict[str, str]:
    # The pages call the parameter workspaceId, the SDK workspace_id.
    return {"feature": feature, "workspaceId": workspace, "workspace_id": workspace}


def decode_notebook(raw: msgspec.Raw) -> Notebook:
    """A notebook, told apart by its id, and where there is none by all of it. A DELETED one needs its image no more.

    Raises Unreadable when it does not say which image it uses: such a notebook may use any.
    """
    try:
        record = _records.decode(raw)
    except (ValueError, RecursionError):
        fields = decode_object(raw)
        record = _NotebookRecord(**{name: fields.get(name) for name in _NotebookRecord.__struct_fields__})
    notebook_id, status = as_text(record.id), as_text(record.status)
    key = notebook_id or bytes(raw).decode(errors="replace")
    if status and status.strip().casefold() == "deleted":
        return Notebook(key, None)
    user = clean(f"notebook {as_text(record.name) or notebook_id or '?'} ({status or 'status unknown'})")
    return Notebook(key, _use(user, as_object(record.image)))


def _use(user: str, image: Mapping[str, object]) -> Use:
    image_id, swr_path, name = (as_text(image.get(key)) for key in ("id", "swr_path", "name"))
    if image_id or swr_path:
        return Use(user=user, image_id=image_id, swr_path=swr_path)
    if name and _IMAGE_NAME.fullmatch(name):
        return Use(user=user, name=name)
    raise Unreadable(f"{user} does not say which image it uses")
