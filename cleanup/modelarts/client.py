"""The calls of the API that this project makes (API.md, Calls), as methods of one project."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
import msgspec

from cleanup.errors import CredentialsLost, InventoryError
from cleanup.image import Image, Status, known_status
from cleanup.image_columns.row import ImageRows
from cleanup.image_columns.table import ImageColumns
from cleanup.modelarts.details import Details
from cleanup.modelarts.failures import ListingFailed, describe
from cleanup.modelarts.http.messages import Request, Response, Result, segment
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.transport import Transport, as_bytes
from cleanup.modelarts.paging import READINGS, Items, Listing, PageItems, Paging, read_all
from cleanup.modelarts.wire.error_bodies import decode_error
from cleanup.modelarts.wire.groups import Group, decode_group, decode_read_me
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.modelarts.wire.image_rows import ListedImages
from cleanup.modelarts.wire.json_bodies import Page, decode_object, decode_page
from cleanup.modelarts.wire.values import Unreadable, clean
from cleanup.reference import parse_reference

T = TypeVar("T")
_IMAGES = 200  # the page size the API documents as its default
_SHOWN_PAUSE = 0.5  # seconds
_MAX_PAGE_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class ListCall(Generic[T]):
    """One list of the API and how to page through it (API.md, Lists and paging).

    `what` is one record for people, `items` the name of the list in a page, `total` the claim of how many
    there are. Offsets count records, or pages where it is `numbered`; a `posted` query is a JSON body. `into` is
    as in Paging. `together` decodes all records of a page, or None where each must be decoded by itself.
    """

    path: str
    what: str
    limit: int
    decode: Callable[[msgspec.Raw], T]
    key: Callable[[T], str]
    version: str = "v1"
    query: Mapping[str, object] = field(default_factory=dict)
    items: str = "data"
    total: Callable[[Page], int | None] = lambda page: page.total
    numbered: bool = False
    posted: bool = False
    readings: int = READINGS
    listed: Callable[[int, int | None], None] = lambda _, __: None
    into: Callable[[], Any] = list
    together: Callable[[Sequence[msgspec.Raw]], Items[T] | None] = lambda _: None


@dataclass(frozen=True)
class FoundImages:
    """What a Listing says, of images."""

    items: ImageColumns
    doubts: tuple[str, ...]


class Client:
    """One project at one endpoint.

    `limiter` is the one of the transport, `at_once` bounds the pages and details under way, `clock` is
    in monotonic seconds. `details` remembers what records say in detail, as long as the client lasts.
    """

    def __init__(
        self,
        transport: Transport,
        limiter: RateLimiter,
        *,
        endpoint: str,
        project_id: str,
        at_once: int,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        scheme, _, rest = endpoint.rstrip("/").partition("://")
        host, slash, prefix = rest.partition("/")
        self._origin = f"{scheme}://{host}"
        self._prefix = f"{slash}{prefix}"
        self._project = segment(project_id)
        self._at_once = max(1, at_once)
        self._lane = anyio.Semaphore(self._at_once)
        self.clock = clock
        self.details = Details()
        self.has_read = False
        self.service_time: datetime | None = None  # by the Date of the last page read

    @property
    def requests(self) -> int:
        """Requests sent so far, repeats included."""
        return self._limiter.released

    @property
    def throttled(self) -> int:
        """How often the service answered 429."""
        return self._limiter.refused_count

    @property
    def rate_now(self) -> float:
        """Requests a second that the limiter lets out now."""
        return self._limiter.rate_now

    @property
    def held(self) -> str:
        """Why requests have to wait now, for people; empty where they have not."""
        if (seconds := self._limiter.paused_for) >= _SHOWN_PAUSE:
            return f"throttled, waiting {math.ceil(seconds)} s"
        if again := self._transport.backing_off:
            return f"{again} to be sent again"
        return f"slowed to {self.rate_now:.0f}/s" if self._limiter.is_slowed else ""

    async def list_images(
        self,
        workspace: str,
        *,
        wanted: Mapping[str, str] | None = None,
        listed: Callable[[int, int | None], None] = lambda _, __: None,
    ) -> FoundImages:
        """All images of a workspace but the DELETED ones, which count for the proof that the list is whole.

        `wanted` narrows the list down, `listed` is told how many have been read, and of how many. Raises ListingFailed
        when a page cannot be read, InventoryError when a record makes no sense.
        """
        records = ListedImages()
        call = ListCall(
            path="images",
            what="image",
            query={"type": "DEDICATED", "workspace_id": workspace} | dict(wanted or {}),
            limit=_IMAGES,
            decode=records.row,
            key=lambda row: row.id,
            listed=listed,
            into=ImageColumns,
            together=records.rows,
        )
        found: Any = await self.list_records(call)
        return FoundImages(_without_deleted(found.items), found.doubts)

    async def list_records(self, call: ListCall[T]) -> Listing[T]:
        """All records of one list, each once. Raises like `list_images`."""

        async def fetch(offset: int) -> PageItems[T]:
            query = {**call.query, "limit": call.limit, "offset": offset}

            def decode(body: bytes) -> Page:
                return decode_page(body, call.items)

            page = await self.read(
                call.path, query, decode=decode, version=call.version, posted=call.posted, what="page"
            )
            items = call.together(page.records) or _decoded(page, offset, call.decode, call.what)
            return PageItems(items, call.total(page))

        paging = Paging(
            fetch=fetch,
            keys=partial(_keys, call.key),
            limit=call.limit,
            at_once=self._at_once,
            listed=call.listed,
            numbered=call.numbered,
            readings=call.readings,
            into=call.into,
        )
        return await read_all(paging)

    async def same_repository(self, image: Image, workspaces: Sequence[str]) -> tuple[Image, ...]:
        """The records in the workspaces that may share the content of `image`, looked up now.

        Rather too many than too few: the fuzzy match of names finds more than the same name, and a
        namespace or name that does not fit the path is not asked for. Raises InventoryError unless
        the list is complete.
        """
        found: list[Image] = []
        for workspace in workspaces:
            try:
                listing = await self.list_images(workspace, wanted=_repository(image))
            except ListingFailed as error:
                raise (CredentialsLost(str(error)) if error.status == 401 else error) from None
            if listing.doubts:
                raise InventoryError(f"who shares {image.swr_path} is not clear: {'; '.join(listing.doubts)}")
            found += listing.items
        return tuple(found)

    async def get_image(self, image_id: str, *, ignore_stop: bool = False) -> Result[Image]:
        """`GET /images/{id}`; with `ignore_stop` also while a stop is under way."""

        def decode(response: Response) -> Image:
            image = decode_image(response.body)
            if image.id.casefold() != image_id.casefold():
                raise Unreadable(f"it shows another image, {clean(image.id)}")
            return image

        request = self._request("GET", f"images/{segment(image_id)}")
        return await self._transport.request(request, decode, ignore_stop=ignore_stop)

    async def delete_image(
        self,
        image_id: str,
        *,
        force: bool,
        send_before: float = math.inf,
        on_send: Callable[[int], None] = lambda _: None,
    ) -> Result[bytes]:
        """`DELETE /images/{id}`; `force` takes the content in SWR along. See `Transport.request`."""
        query = {"force": "true"} if force else {}
        request = self._request("DELETE", f"images/{segment(image_id)}", query)
        return await self._transport.request(request, as_bytes, send_before=send_before, on_send=on_send)

    async def register_image(self, attributes: Mapping[str, object]) -> Result[bytes]:
        """`POST /images`. Never repeated once it may have had its effect, for each registers a new image."""
        request = self._request("POST", "images", body=msgspec.json.encode(attributes))
        return await self._transport.request(request, as_bytes, repeatable=False)

    async def list_groups(self, workspace: str) -> tuple[Group, ...]:
        """The groups of images of a workspace, for what they say of themselves.

        Raises ListingFailed, or InventoryError when one cannot be read or may be missing.
        """
        call = ListCall(
            path="images/group",
            what="group",
            query={"type": "DEDICATED", "workspace_id": workspace},
            limit=_IMAGES,
            decode=decode_read_me,
            key=lambda group: f"{group.namespace}/{group.name}",
        )
        found = await self.list_records(call)
        if found.doubts:
            raise InventoryError(
                f"the groups of workspace {workspace} are not clear: {'; '.join(found.doubts)}"
            )
        return found.items

    async def set_group(
        self, workspace: str, namespace: str, name: str, changes: Mapping[str, object]
    ) -> Result[Any]:
        """Give the group of this namespace/name other `tags` or another `read_me`: the answer of the `PUT`, or of
        the look-up of the group where that shows none."""
        query = {"type": "DEDICATED", "workspace_id": workspace, "namespace": namespace, "name": name}
        query |= {"name_fuzzy_match": "false", "limit": str(_IMAGES), "offset": "0"}
        found = await self._transport.request(
            self._request("GET", "images/group", query),
            lambda response: decode_group(response.body, namespace, name),
        )
        if found.value is None:
            return found
        body = msgspec.json.encode(changes)
        return await self._transport.request(
            self._request("PUT", f"images/group/{segment(found.value)}", body=body), as_bytes
        )

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        version: str = "v1",
    ) -> Request:
        return Request(
            method=method,
            origin=self._origin,
            path=f"{self._prefix}/{version}/{self._project}/{path}",
            query=tuple((query or {}).items()),
            body=body,
        )

    async def show(self, path: str, *, version: str = "v1") -> Mapping[str, object]:
        """One record in detail, as plain values. Raises ListingFailed."""
        return await self.read(path, decode=decode_object, version=version)

    async def read(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        decode: Callable[[bytes], T],
        version: str = "v1",
        posted: bool = False,
        what: str = "record",
    ) -> T:
        """What one call that only looks answers; a `posted` query goes as a JSON body. Raises ListingFailed."""
        if posted:
            request = self._request("POST", path, body=msgspec.json.encode(query), version=version)
        else:
            texts = {name: str(value) for name, value in (query or {}).items()}
            request = self._request("GET", path, texts, version=version)
        async with self._lane:
            result = await self._transport.request(
                request, lambda response: decode(response.body), max_bytes=_MAX_PAGE_BYTES
            )
        if result.value is None:
            told = f"answered {result.status} without a {what}: {result.trouble}"
            code = None if result.unreadable else decode_error(result.body).code
            message = f"{result.label} {told if result.unreadable else describe(result)}"
            raise ListingFailed(
                message, result.status, code, detail=what == "record", by_clock=result.clock is not None
            )
        self.has_read = True
        self.service_time = result.date or self.service_time
        return result.value


def _decoded(page: Page, offset: int, decode: Callable[[msgspec.Raw], T], what: str) -> tuple[T, ...]:
    items = []
    for number, record in enumerate(page.records):
        try:
            items.append(decode(record))
        except Unreadable as error:
            place = f"{what} {number + 1} of the page at offset {offset}"
            raise InventoryError(f"{place} cannot be used: {error}") from None
    return tuple(items)


def _keys(key: Callable[[Any], str], items: Items[Any]) -> Sequence[str]:
    return items.ids if isinstance(items, ImageRows) else [*map(key, items)]


def _without_deleted(images: ImageColumns) -> ImageColumns:
    status = images.codes(("status",))
    deleted = {code for code, (word,) in enumerate(status.values) if known_status(word) is Status.DELETED}
    if not deleted:
        return images
    return ImageColumns(images.row(number) for number, code in enumerate(status.codes) if code not in deleted)


def _repository(image: Image) -> dict[str, str]:
    """The namespace and the name to ask for, each only where the image's path agrees with it."""
    told = parse_reference(image.swr_path or "", namespace=image.namespace)
    found = {"namespace": (image.namespace, told.namespace), "name": (image.name, told.name)}
    return {key: own for key, (own, path) in found.items() if own and own.lower() == path}
