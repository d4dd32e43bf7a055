"""The calls of the API that this project makes (api.md, Calls), as methods of one project."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from cleanup.errors import CredentialsLost, InventoryError
from cleanup.image import Image, Status, content_key
from cleanup.in_use import Use
from cleanup.modelarts import wire
from cleanup.modelarts.http.messages import Request, segment
from cleanup.modelarts.http.transport import Result, Transport
from cleanup.modelarts.paging import Listing, Page, Paging, read_all

T = TypeVar("T")
_IMAGES = 200  # the page sizes the API documents: its default for images, the largest one for notebooks
_NOTEBOOKS = 50
_MOST_PAGE = 64 << 20
_READINGS = 3  # of a page that came cut off or as HTML although the status said 200


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

    `at_once` bounds the pages under way; `clock` is in monotonic seconds.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        endpoint: str,
        project_id: str,
        workspaces: tuple[str, ...],
        at_once: int,
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport
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
        return self._transport.limiter.released

    @property
    def throttled(self) -> int:
        """How often the service answered 429."""
        return self._transport.limiter.refused_count

    @property
    def rate_now(self) -> float:
        """Requests a second that the limiter lets out now."""
        return self._transport.limiter.rate_now

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

        async def fetch(offset: int) -> Page[Image]:
            page = await self._page("images", query | {"offset": str(offset)})
            return Page(_decoded(page, offset, wire.decode_image, "image"), page.total)

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

        async def fetch(offset: int) -> Page[Notebook]:
            page = await self._page(path, query | {"offset": str(offset)})
            return Page(_decoded(page, offset, _notebook, "notebook"), page.total)

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

    async def get_image(self, image_id: str, *, ignore_stop: bool = False) -> Result:
        """`GET /images/{id}`; with `ignore_stop` also while a stop is under way."""
        return await self._transport.request(
            self._request("GET", f"images/{segment(image_id)}"), ignore_stop=ignore_stop
        )

    async def delete_image(
        self, image_id: str, *, force: bool, fresh: Callable[[], bool] | None = None
    ) -> Result:
        """`DELETE /images/{id}`; `force` takes the content in SWR along, `fresh` is asked before it leaves."""
        query = {"force": "true"} if force else {}
        request = self._request("DELETE", f"images/{segment(image_id)}", query)
        return await self._transport.request(request, fresh=fresh)

    async def register_image(self, attributes: Mapping[str, object]) -> Result:
        """`POST /images`. Never repeated once it may have had its effect, for each registers a new image."""
        request = self._request("POST", "images", body=msgspec.json.encode(attributes))
        return await self._transport.request(request, repeatable=False)

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
        """One page; read a few times where a 200 carries no page. Raises ListingFailed."""
        request = self._request("GET", path, query)
        for _ in range(_READINGS):
            answer = await self._transport.request(request, max_bytes=_MOST_PAGE)
            if not answer.ok:
                raise ListingFailed(f"{answer.place} {describe(answer)}", answer.status)
            try:
                page = wire.decode_page(answer.body)
            except wire.Unreadable as error:
                trouble = answer.trouble or str(error)
            else:
                self.has_read = True
                self.service_time = answer.date or self.service_time
                return page
        raise ListingFailed(
            f"{answer.place} answered {answer.status} without a page: {trouble}", answer.status
        )


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
    *_, namespace, last = ("", "", *(content_key(image.swr_path) or "").split("/"))
    found = {"namespace": (image.namespace, namespace), "name": (image.name, last.partition(":")[0])}
    return {key: own for key, (own, told) in found.items() if own and own.casefold() == told}


def describe(answer: Result) -> str:
    """What the service said, or why it said nothing, for people: one line, and the id support asks for."""
    if answer.stopped and not answer.attempts:
        return "was not sent: the run is being stopped"
    if answer.status is None:
        return f"has no answer: {answer.trouble} (attempts: {answer.attempts})"
    if answer.redirect:
        return f"answered {answer.status} and points to {answer.redirect}: is the endpoint right?"
    told = wire.decode_error(answer.body)
    said = ": ".join(part for part in (told.code, answer.trouble or told.message) if part)
    request_id = f", request id {answer.request_id}" if answer.request_id else ""
    return f"answered {answer.status} ({said or 'without a reason'}{request_id})"
