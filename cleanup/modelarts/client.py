"""The calls of the API that this project makes (API.md, Calls), as methods of one project."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from cleanup.errors import CredentialsLost, InventoryError
from cleanup.image import Image, Status
from cleanup.in_use import Use
from cleanup.modelarts import wire
from cleanup.modelarts.http.messages import Request, Response, Result, segment
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.transport import Transport, as_bytes
from cleanup.modelarts.paging import Listing, PageItems, Paging, read_all
from cleanup.reference import parse_reference

T = TypeVar("T")
_IMAGES = 200  # the page sizes the API documents: its default for images, the largest one for notebooks
_NOTEBOOKS = 50
_MAX_PAGE_BYTES = 64 << 20


class ListingFailed(InventoryError):
    """A page that could not be read for good; `status` is the HTTP status, None without an answer."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


class Notebook(msgspec.Struct, frozen=True):
    """A notebook as far as it matters: what makes it one, and the image it needs (None: deleted)."""

    key: str
    use: Use | None


class Client:
    """One project at one endpoint. `workspaces` are those that belong to the target.

    `limiter` is the one of the transport, `at_once` bounds the pages under way, `clock` is in
    monotonic seconds.
    """

    def __init__(
        self,
        transport: Transport,
        limiter: RateLimiter,
        *,
        endpoint: str,
        project_id: str,
        workspaces: tuple[str, ...],
        at_once: int,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        scheme, _, rest = endpoint.rstrip("/").partition("://")
        host, slash, prefix = rest.partition("/")
        self._origin = f"{scheme}://{host}"
        self._base = f"{slash}{prefix}/v1/{segment(project_id)}"
        self._workspaces = workspaces
        self._at_once = max(1, min(at_once, 8))
        self.clock = clock
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

    async def list_images(
        self,
        workspace: str,
        *,
        wanted: Mapping[str, str] | None = None,
        listed: Callable[[int], None] = lambda _: None,
    ) -> Listing[Image]:
        """All images of a workspace, DELETED ones included; `wanted` narrows the list down.

        `listed` is told how many have been read. Raises ListingFailed when a page cannot be read,
        InventoryError when a record makes no sense.
        """
        query = {"type": "DEDICATED", "workspace_id": workspace, "limit": str(_IMAGES)} | dict(wanted or {})

        async def fetch(offset: int) -> PageItems[Image]:
            page = await self._page("images", query | {"offset": str(offset)})
            return PageItems(_decoded(page, offset, wire.decode_image, "image"), page.total)

        paging = Paging(
            fetch=fetch, key=lambda image: image.id, limit=_IMAGES, at_once=self._at_once, listed=listed
        )
        return await read_all(paging)

    async def list_notebooks(self, workspace: str, *, everybody: bool, feature: str) -> Listing[Notebook]:
        """All notebooks of one feature (NOTEBOOK or DEFAULT) in a workspace: one's own, or everybody's.

        Raises like `list_images`.
        """
        path = "notebooks/all" if everybody else "notebooks"
        # The pages call the parameter workspaceId, the SDK workspace_id.
        query = {"feature": feature, "workspaceId": workspace, "workspace_id": workspace}
        query["limit"] = str(_NOTEBOOKS)

        async def fetch(offset: int) -> PageItems[Notebook]:
            page = await self._page(path, query | {"offset": str(offset)})
            return PageItems(_decoded(page, offset, _notebook, "notebook"), page.total)

        paging = Paging(
            fetch=fetch, key=lambda notebook: notebook.key, limit=_NOTEBOOKS, at_once=self._at_once
        )
        return await read_all(paging)

    async def same_repository(self, image: Image) -> tuple[Image, ...]:
        """The records in the target's workspaces that may share the content of `image`, looked up now.

        Rather too many than too few: the fuzzy match of names finds more than the same name, and a
        namespace or name that does not fit the path is not asked for. Raises InventoryError unless
        the list is complete.
        """
        found: list[Image] = []
        for workspace in self._workspaces:
            try:
                listing = await self.list_images(workspace, wanted=_repository(image))
            except ListingFailed as error:
                raise (CredentialsLost(str(error)) if error.status == 401 else error) from None
            if listing.doubts:
                raise InventoryError(f"who shares {image.swr_path} is not clear: {'; '.join(listing.doubts)}")
            found += (one for one in listing.items if one.known_status is not Status.DELETED)
        return tuple(found)

    async def get_image(self, image_id: str, *, ignore_stop: bool = False) -> Result[Image]:
        """`GET /images/{id}`; with `ignore_stop` also while a stop is under way."""

        def decode(response: Response) -> Image:
            image = wire.decode_image(response.body)
            if image.id.casefold() != image_id.casefold():
                raise wire.Unreadable(f"it shows another image, {wire.clean(image.id)}")
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

    async def set_group_tags(
        self, workspace: str, namespace: str, name: str, tags: Sequence[object]
    ) -> Result[Any]:
        """Give the group of this namespace/name these resource tags, in place of those it has: the answer of the
        `PUT`, or of the look-up of the group where that shows none."""
        query = {"type": "DEDICATED", "workspace_id": workspace, "namespace": namespace, "name": name}
        query |= {"name_fuzzy_match": "false", "limit": str(_IMAGES), "offset": "0"}
        found = await self._transport.request(
            self._request("GET", "images/group", query),
            lambda response: wire.decode_group(response.body, namespace, name),
        )
        if found.value is None:
            return found
        body = msgspec.json.encode({"tags": tags})
        return await self._transport.request(
            self._request("PUT", f"images/group/{segment(found.value)}", body=body), as_bytes
        )

    def _request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Request:
        return Request(
            method=method,
            origin=self._origin,
            path=f"{self._base}/{path}",
            query=tuple((query or {}).items()),
            body=body,
        )

    async def _page(self, path: str, query: Mapping[str, str]) -> wire.Page:
        """One page. Raises ListingFailed."""
        request = self._request("GET", path, query)
        result = await self._transport.request(
            request, lambda response: wire.decode_page(response.body), max_bytes=_MAX_PAGE_BYTES
        )
        if result.unreadable:
            told = f"answered {result.status} without a page: {result.trouble}"
            raise ListingFailed(f"{result.label} {told}", result.status)
        if result.value is None:
            raise ListingFailed(f"{result.label} {describe(result)}", result.status)
        self.has_read = True
        self.service_time = result.date or self.service_time
        return result.value


def _decoded(page: wire.Page, offset: int, decode: Callable[[msgspec.Raw], T], what: str) -> tuple[T, ...]:
    items = []
    for number, record in enumerate(page.records):
        try:
            items.append(decode(record))
        except wire.Unreadable as error:
            place = f"{what} {number + 1} of the page at offset {offset}"
            raise InventoryError(f"{place} cannot be used: {error}") from None
    return tuple(items)


def _notebook(record: msgspec.Raw) -> Notebook:
    return Notebook(wire.notebook_key(record), wire.decode_use(record))


def _repository(image: Image) -> dict[str, str]:
    """The namespace and the name to ask for, each only where the image's path agrees with it."""
    told = parse_reference(image.swr_path or "", namespace=image.namespace)
    found = {"namespace": (image.namespace, told.namespace), "name": (image.name, told.name)}
    return {key: own for key, (own, path) in found.items() if own and own.lower() == path}


def describe(result: Result[Any]) -> str:
    """What the service said, or why it said nothing, for people: one line, and the id support asks for."""
    if result.stopped and not result.attempts:
        return "was not sent: the run is being stopped"
    if result.status is None:
        return f"has no answer: {result.trouble} (attempts: {result.attempts})"
    if result.redirect:
        return f"answered {result.status} and points to {result.redirect}: is the endpoint right?"
    told = wire.decode_error(result.body)
    said = ": ".join(part for part in (told.code, result.trouble or told.message) if part)
    request_id = f", request id {result.request_id}" if result.request_id else ""
    return f"answered {result.status} ({said or 'without a reason'}{request_id})"
