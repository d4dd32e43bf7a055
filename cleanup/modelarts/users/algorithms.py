"""Saved algorithms: each needs its image as long as it exists (API.md, Algorithms)."""

from dataclasses import dataclass

import msgspec

from cleanup.in_use import Use
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.paging import Listing
from cleanup.modelarts.users.jobs import matching
from cleanup.modelarts.users.listing import Reading, UserListing
from cleanup.modelarts.wire.json_bodies import Page, decode_object
from cleanup.modelarts.wire.values import Unreadable, as_object, as_text, clean


@dataclass(frozen=True)
class Algorithm:
    """An algorithm as far as it matters; `image` is a reference, None for one of a preset engine."""

    id: str
    user: str
    image: str | None


async def read(reading: Reading, workspace: str) -> UserListing:
    """All algorithms and their images. Raises ListingFailed or InventoryError."""
    found = await _list(reading.client, workspace)
    doubts = (f"the algorithms of workspace {workspace} are not clear: {doubt}" for doubt in found.doubts)
    return UserListing(
        uses=tuple(Use(user=one.user, swr_path=one.image) for one in found.items if one.image),
        count=sum(one.image is not None for one in found.items),
        doubts=tuple(doubts),
        algorithms={one.id: one.image for one in found.items},
    )


async def _list(client: Client, workspace: str) -> Listing[Algorithm]:
    """The list by either meaning of `offset`, proven by the count that pages claim (API.md, trap 15).

    First once each, then twice each: it may have changed meanwhile.
    """
    for readings, numbered in ((1, False), (1, True), (2, False), (2, True)):
        claims: list[int | None] = []
        found = await client.list_records(_call(workspace, claims, numbered=numbered, readings=readings))
        if not found.doubts and all(claim is None for claim in claims):
            found = Listing(found.items, ("it does not say how many there are",))
        if not found.doubts:
            break
    return found


def _call(workspace: str, claims: list[int | None], *, numbered: bool, readings: int) -> ListCall[Algorithm]:
    def total(page: Page) -> int | None:
        claims.append(matching(page))
        return claims[-1]

    return ListCall(
        path="algorithms",
        what="algorithm",
        version="v2",
        # Newest first: where one goes and one comes between two pages, no older one slips through.
        query={"sort_by": "create_time", "order": "desc", "workspace_id": workspace},
        limit=50,
        items="items",
        total=total,
        numbered=numbered,
        readings=readings,
        decode=_decode,
        key=lambda algorithm: algorithm.id,
    )


def _decode(raw: msgspec.Raw) -> Algorithm:
    """Raises Unreadable for an algorithm that does not say which image it uses: one without any engine."""
    record = decode_object(raw)
    metadata = as_object(record.get("metadata"))
    algorithm_id = as_text(metadata.get("id"))
    user = clean(f"algorithm {as_text(metadata.get('name')) or algorithm_id or '?'}")
    engine = as_object(record.get("job_config")).get("engine")
    image = as_text(as_object(engine).get("image_url"))
    if not isinstance(engine, dict) or (not image and as_text(engine.get("image_repo_id"))):
        raise Unreadable(f"{user} does not say which image it uses")
    return Algorithm(algorithm_id or bytes(raw).decode(errors="replace"), user, image)
