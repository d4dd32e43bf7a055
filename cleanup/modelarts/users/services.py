"""Services of the v2 API, of any state, with all versions of their deployments (API.md, Services, trap 18)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from cleanup.errors import InventoryError
from cleanup.in_use import Use
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.failures import ListingFailed
from cleanup.modelarts.gather import gather
from cleanup.modelarts.http.messages import segment
from cleanup.modelarts.users.listing import Reading, UserListing
from cleanup.modelarts.wire.json_bodies import decode_object
from cleanup.modelarts.wire.values import Unreadable, as_count, as_object, as_objects, as_text, clean

_MOST = 500  # of a page, here and below; offsets must be multiples of it


@dataclass(frozen=True)
class ListedService:
    """A service as the list shows it. `stamp` changes when its images may have; `versions` is None where not said."""

    id: str
    user: str
    versions: int | None
    stamp: tuple[str | int | None, ...]


async def read(reading: Reading, workspace: str) -> UserListing:
    """All services and the images of all their versions. Raises ListingFailed or InventoryError."""
    client = reading.client
    call = ListCall(
        path="services",
        what="service",
        version="v2",
        # Newest first: where one goes and one comes between two pages, no older one slips through.
        query={"workspace_id": workspace, "sort_key": "create_at", "sort_dir": "DESC"},
        limit=_MOST,
        decode=_decode,
        key=lambda service: service.id,
    )
    found = await client.list_records(call)
    shown = await gather(partial(_uses, client, service) for service in found.items)
    doubts = (f"the services of workspace {workspace} are not clear: {doubt}" for doubt in found.doubts)
    return UserListing(
        uses=tuple(
            msgspec.structs.replace(use, user=f"{service.user}{use.user}")
            for service, uses in zip(found.items, shown, strict=True)
            for use in uses
        ),
        count=len(found.items),
        doubts=tuple(doubts),
    )


def _decode(raw: msgspec.Raw) -> ListedService:
    record = decode_object(raw)
    service_id = as_text(record.get("id"))
    if service_id is None:
        raise Unreadable("it has no id")
    name, status = as_text(record.get("name")), as_text(record.get("status"))
    versions = as_count(record.get("version_count"))
    return ListedService(
        id=service_id,
        user=clean(f"service {name or service_id} ({status or 'status unknown'})"),
        versions=versions,
        stamp=(_stamp(record.get("version")), versions, _stamp(record.get("update_at"))),
    )


def _stamp(value: object) -> str | None:
    return None if value is None else str(value)


async def _uses(client: Client, service: ListedService) -> tuple[Use, ...]:
    """The uses of a service; `user` is only what to add to its name, which may change by itself."""
    path = f"v2/services/{segment(service.id)}"
    return await client.details.get(path, service.stamp, partial(_look_at, client, service))


async def _look_at(client: Client, service: ListedService) -> tuple[Use, ...]:
    """All images of a service. With one version its own detail has them all, if each group of it says its own.

    Raises InventoryError where it, a group, a deployment or a version does not say any.
    """
    path = f"services/{segment(service.id)}"
    record = await client.show(path, version="v2")
    version = as_object(record.get("version"))
    groups = [as_objects(group.get("unit_configs")) for group in as_objects(version.get("instance_groups"))]
    units = [unit for group in groups for unit in group]
    found = list(_in_units(service.user, units, as_text(version.get("version"))))
    is_whole = bool(groups) and all(groups)
    if service.versions != 1 or not is_whole:
        below = await _in_deployments(client, service.user, f"{path}/deployments")
        found += below
        is_whole = bool(below) or (is_whole and (service.versions or 0) <= 1)
    if not is_whole:
        raise InventoryError(f"{service.user} does not say which image it uses")
    return tuple(dict.fromkeys(found))


async def _in_deployments(client: Client, user: str, path: str) -> list[Use]:
    """The images of all deployments of a service."""
    ids = await _ids(client, path, "deployment", "id")
    below = await gather(partial(_in_deployment, client, user, f"{path}/{segment(one)}") for one in ids)
    return [use for uses in below for use in uses]


async def _in_deployment(client: Client, user: str, path: str) -> tuple[Use, ...]:
    """The images of a deployment's present configuration and of all versions it can be switched back to.

    Raises InventoryError without any.
    """
    record = await client.show(path, version="v2")
    now = as_text(record.get("version"))
    found = [*_in_units(user, as_objects(record.get("unit_configs")), now)]
    for version in await _ids(client, f"{path}/versions", "version", "version"):
        shown = await client.show(f"{path}/versions/{segment(version)}", version="v2")
        units = as_objects(shown.get("unit_configs"))
        if not units:
            raise InventoryError(f"{user} does not say which image its version {clean(version)} uses")
        found += _in_units(user, units, version)
    if not found:
        raise InventoryError(f"{user} does not say which image a deployment of it uses")
    return tuple(found)


async def _ids(client: Client, path: str, what: str, name: str) -> tuple[str, ...]:
    """All of a list below a service, by what tells them apart. To fail here is to fail at a detail of the service."""

    def decode(raw: msgspec.Raw) -> str:
        found = as_text(decode_object(raw).get(name))
        if found is None:
            raise Unreadable(f"it has no {name}")
        return found

    call = ListCall(path=path, what=what, version="v2", limit=_MOST, decode=decode, key=str)
    try:
        found = await client.list_records(call)
    except ListingFailed as error:
        error.detail = True
        raise
    if found.doubts:
        raise InventoryError(f"the list {path} is not clear: {'; '.join(found.doubts)}")
    return found.items


def _in_units(user: str, units: Iterable[Mapping[str, object]], version: str | None) -> Iterator[Use]:
    """The images of units. `id` counts unless the source is SWR, `swr_path` always. Raises InventoryError."""
    for unit in units:
        image = as_object(unit.get("image"))
        by_path = (as_text(image.get("source")) or "").strip().upper() == "SWR"
        image_id = None if by_path else as_text(image.get("id"))
        swr_path = as_text(image.get("swr_path"))
        if not image_id and not swr_path:
            raise InventoryError(f"{user} does not say which image it uses in version {version or '?'}")
        suffix = f", version {clean(version)}" if version else ""
        yield Use(user=suffix, image_id=image_id, swr_path=swr_path)
