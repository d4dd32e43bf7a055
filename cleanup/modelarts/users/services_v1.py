"""Services of the v1 API: they need the images of their models, so they only add a name (API.md, Services)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec

from cleanup.errors import InventoryError
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.failures import ListingFailed
from cleanup.modelarts.gather import gather
from cleanup.modelarts.http.messages import segment
from cleanup.modelarts.wire.json_bodies import decode_object
from cleanup.modelarts.wire.values import as_objects, as_text, clean


@dataclass(frozen=True)
class Served:
    """The services of each model, by its id, for people; `notes` say what could not be read."""

    by_model: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def suffix(self, model_id: str) -> str:
        """What to add to the name of a model: `, for service online (running)`."""
        services = self.by_model.get(model_id, ())
        return f", for {', '.join(services)}" if services else ""


async def read(client: Client, workspace: str) -> Served:
    """Which service serves which model. What cannot be read is a note: the models protect without it.

    Raises ListingFailed when the credentials are refused.
    """
    call = ListCall(
        path="services",
        what="service",
        query={"workspace_id": workspace},
        limit=1000,
        numbered=True,
        items="services",
        decode=_decode,
        key=lambda service: service[0],
    )
    try:
        found = await client.list_records(call)
        if found.doubts:
            raise InventoryError("; ".join(found.doubts))
        models = await gather(partial(_models, client, *service) for service in found.items)
    except InventoryError as error:
        if isinstance(error, ListingFailed) and error.status == 401:
            raise
        return Served(notes=(f"workspace {workspace}: the v1 services are not named ({error})",))
    served = defaultdict(list)
    for (_, user, _), ids in zip(found.items, models, strict=True):
        for model_id in ids:
            served[model_id].append(user)
    return Served({model_id: tuple(users) for model_id, users in served.items()})


def _decode(raw: msgspec.Raw) -> tuple[str, str, tuple[str, ...]]:
    """A service's id, what it is called, and what changes when its models may have."""
    record = decode_object(raw)
    service_id = as_text(record.get("service_id")) or ""
    status = as_text(record.get("status")) or "status unknown"
    name = as_text(record.get("service_name")) or service_id or "?"
    changed = tuple(str(record.get(field)) for field in ("transition_at", "start_time", "update_time"))
    return service_id, clean(f"service {name} ({status})"), (status, *changed)


async def _models(client: Client, service_id: str, _: str, stamp: tuple[str, ...]) -> tuple[str, ...]:
    async def look_at() -> tuple[str, ...]:
        record = await client.show(path)
        models = (as_text(part.get("model_id")) for part in as_objects(record.get("config")))
        return tuple(model_id for model_id in models if model_id)

    path = f"services/{segment(service_id)}"
    return await client.details.get(path, stamp, look_at) if service_id else ()
