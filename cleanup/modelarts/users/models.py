"""Models (AI applications) of the v1 API: those that did not copy their image need it (API.md, Models, trap 22)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from cleanup.errors import InventoryError
from cleanup.in_use import Use
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.gather import gather
from cleanup.modelarts.http.messages import segment
from cleanup.modelarts.users import services_v1
from cleanup.modelarts.users.kinds import UserKind
from cleanup.modelarts.users.listing import Reading, UserListing
from cleanup.modelarts.wire.json_bodies import decode_json, decode_object
from cleanup.modelarts.wire.values import Unreadable, as_count, as_object, as_text, clean


@dataclass(frozen=True)
class ListedModel:
    """A model as the list shows it. `copied` is its `source_copy`; `stamp` changes when its detail may have."""

    id: str
    name: str
    copied: str | None
    stamp: tuple[str | int | None, ...]


async def read(reading: Reading, workspace: str) -> UserListing:
    """The models that need an image, each with the v1 services that serve it.

    Raises ListingFailed or InventoryError.
    """
    client = reading.client
    call = ListCall(
        path="models",
        what="model",
        query={"workspace_id": workspace, "model_type": "Image"},
        limit=1000,
        numbered=True,
        items="models",
        decode=_decode,
        key=lambda model: model.id,
    )
    found = await client.list_records(call)
    linked = [model for model in found.items if _needs_image(model.copied)]
    shown = await gather(partial(_uses, client, model) for model in linked)
    needed = {model.id: uses for model, uses in zip(linked, shown, strict=True) if uses}
    served = services_v1.Served()
    if needed and UserKind.SERVICES in reading.asked.wanted:
        served = await services_v1.read(client, workspace)
    return UserListing(
        uses=tuple(
            msgspec.structs.replace(use, user=use.user + served.suffix(model_id))
            for model_id, uses in needed.items()
            for use in uses
        ),
        count=len(needed),
        doubts=tuple(f"the models of workspace {workspace} are not clear: {doubt}" for doubt in found.doubts),
        notes=served.notes,
    )


def _decode(raw: msgspec.Raw) -> ListedModel:
    record = decode_object(raw)
    model_id = as_text(record.get("model_id"))
    if model_id is None:
        raise Unreadable("it has no model_id")
    version = as_text(record.get("model_version"))
    return ListedModel(
        id=model_id,
        name=" ".join((as_text(record.get("model_name")) or model_id, version or "")).strip(),
        # A model of another type has no image, should the service list it all the same.
        copied=as_text(record.get("source_copy")) if _is_of_image(record) else "true",
        stamp=(
            version,
            as_text(record.get("model_status")),
            as_count(record.get("create_at")),
            as_text(record.get("source_copy")) or "",
            str(record.get("update_at")),
        ),
    )


def _is_of_image(record: Mapping[str, object]) -> bool:
    kind = as_text(record.get("model_type"))
    return kind is None or kind.strip().casefold() == "image"


def _needs_image(copied: str | None) -> bool:
    """Only the text "true" says that the model has a copy of its own; what is missing is unknown."""
    return (copied or "").strip().casefold() != "true"


async def _uses(client: Client, model: ListedModel) -> tuple[Use, ...]:
    path = f"models/{segment(model.id)}"
    return await client.details.get(path, model.stamp, partial(_look_at, client, path, model))


async def _look_at(client: Client, path: str, model: ListedModel) -> tuple[Use, ...]:
    """The references in a model's detail. Raises InventoryError when it names none."""
    record = await client.show(path)
    copied = as_text(record.get("source_copy")) or model.copied
    if not _needs_image(copied) and model.copied is None:
        return ()
    user = clean(f"model {model.name} (source_copy {copied or 'not said'})")
    named = (as_text(record.get("source_location")), _in_config(record.get("config")))
    found = tuple(dict.fromkeys(text for text in named if text))
    if not found:
        raise InventoryError(f"{user} does not say which image it uses")
    return tuple(Use(user=user, swr_path=text) for text in found)


def _in_config(config: object) -> str | None:
    """`swr_location` in the `config`, which is JSON as a text."""
    told = decode_json(config.encode()) if isinstance(config, str) else config
    return as_text(as_object(told).get("swr_location"))
