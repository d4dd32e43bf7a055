"""The image API's state and semantics, without HTTP: a call in, an answer out, and everything remembered."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

import msgspec

from cleanup.simulator.image_store import BUILD_IN, ImageStore
from cleanup.simulator.messages import (
    ApiResponse,
    Call,
    Operation,
    Record,
    RecordedRequest,
    error_response,
    json_response,
)
from cleanup.simulator.notebook_store import NotebookStore
from cleanup.simulator.parameters import ParameterError, image_query, notebook_page, whole_number
from cleanup.simulator.registration import register
from cleanup.simulator.seed_images import new_id
from cleanup.simulator.world import World

_REMEMBERED = 500_000


class WhenInUse(StrEnum):
    """What a DELETE of an image that a running notebook uses is answered with."""

    CONFLICT = "409"
    BAD_REQUEST = "400"
    ALLOW = "allow"


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """One image that a DELETE removed.

    `force` is what the request asked for; `content_removed` whether that took the content in SWR along.
    """

    time: datetime
    image_id: str
    swr_path: str
    force: bool
    content_removed: bool


class Service:
    """One project of ModelArts in memory. Not thread-safe: one event loop owns it.

    `now` is the service's clock. `not_found` is the status of "cannot be found": the pages say 400,
    404 is seen too. With `sees_all` false, `/notebooks/all` is refused for want of permission.
    """

    def __init__(
        self,
        world: World,
        now: Callable[[], datetime],
        *,
        when_in_use: WhenInUse = WhenInUse.CONFLICT,
        not_found: int = 404,
        sees_all: bool = True,
        seed: int = 0,
    ) -> None:
        self.project_id = world.project_id
        self.user_id = world.user_id
        self.now = now
        self.images = ImageStore(dict(image) for image in world.images)
        self.notebooks = NotebookStore(dict(notebook) for notebook in world.notebooks)
        self.contents = dict(world.contents)
        self.when_in_use = when_in_use
        self.not_found = not_found
        self.sees_all = sees_all
        self.requests: deque[RecordedRequest] = deque(maxlen=_REMEMBERED)
        self.deletions: list[Deletion] = []
        self._random = Random(f"service {seed}")
        self._answers: Mapping[Operation, Callable[[Call], ApiResponse]] = {
            Operation.LIST: self._list,
            Operation.SHOW: self._show,
            Operation.DELETE: self._delete,
            Operation.REGISTER: self._register,
            Operation.NOTEBOOKS: self._notebooks,
            Operation.ALL_NOTEBOOKS: self._notebooks,
        }

    def handle(self, call: Call) -> ApiResponse:
        """Do what one call asks and answer it as the service would."""
        if call.operation not in self._answers:
            return error_response(404, "APIG.0101", "The API does not exist or has not been published.")
        if call.project_id != self.project_id:
            return error_response(403, "ModelArts.0210", "The project id in the URL and in the token differ.")
        try:
            return self._answers[call.operation](call)
        except ParameterError as bad:
            return error_response(400, bad.code, str(bad))
        except msgspec.DecodeError:
            return error_response(400, "ModelArts.0107", "The request body is not valid JSON.")

    def remember(self, request: RecordedRequest) -> None:
        """Add one line to `requests`; the oldest of half a million are forgotten."""
        self.requests.append(request)

    def busiest_second(self) -> int:
        """The most requests that arrived within any one second."""
        most, times = 0, deque[datetime]()
        for request in self.requests:
            times.append(request.time)
            while request.time - times[0] >= timedelta(seconds=1):
                times.popleft()
            most = max(most, len(times))
        return most

    def new_id(self) -> str:
        """An id for a new record."""
        return new_id(self._random)

    def milliseconds(self) -> int:
        """The service's clock as the API writes it."""
        return int(self.now().timestamp() * 1000)

    def _list(self, call: Call) -> ApiResponse:
        offset, limit = whole_number(call.query, "offset", 0, 0), whole_number(call.query, "limit", 200, 1)
        records, total = self.images.page(image_query(call.query), offset, limit)
        return json_response(200, envelope(records, total, offset, limit))

    def _show(self, call: Call) -> ApiResponse:
        image = self.images.get(call.image_id or "")
        return self._missing(call) if image is None else json_response(200, image)

    def _delete(self, call: Call) -> ApiResponse:
        image = self.images.get(call.image_id or "")
        if image is None:
            return self._missing(call)
        if image.get("type") == BUILD_IN:
            return error_response(403, "ModelArts.0108", "Not authorized to delete a built-in image.")
        if self.when_in_use is not WhenInUse.ALLOW and self.notebooks.running_on(image):
            return in_use_error(image["id"], int(self.when_in_use))
        return json_response(
            200, self._remove(image, _is_force(call)) | {"status": "DELETED"}, effect="deleted"
        )

    def _remove(self, image: Record, force: bool) -> Record:
        """Take a record out; `force` takes a PRIVATE one's content too, from under every record of that path."""
        self.images.take(image["id"])
        path: str = image.get("swr_path", "")
        is_private = str(image.get("visibility")).upper() == "PRIVATE"
        removed = force and is_private and self.contents.pop(path, None) is not None
        self.deletions.append(
            Deletion(
                time=self.now(), image_id=image["id"], swr_path=path, force=force, content_removed=removed
            )
        )
        return image

    def _register(self, call: Call) -> ApiResponse:
        image = register(call.json(), self.contents, self.new_id(), self.milliseconds())
        self.images.put(image)
        return json_response(201, image, effect="registered")

    def _notebooks(self, call: Call) -> ApiResponse:
        everybody = call.operation is Operation.ALL_NOTEBOOKS
        if everybody and not self.sees_all:
            return error_response(
                403, "ModelArts.0108", "Not authorized to list the notebooks of other users."
            )
        records, total, offset, limit = notebook_page(
            call.query, self.notebooks, None if everybody else self.user_id
        )
        return json_response(200, envelope(records, total, offset, limit))

    def _missing(self, call: Call) -> ApiResponse:
        return error_response(
            self.not_found, "ModelArts.6797", f"Specified image {call.image_id} cannot be found."
        )


def envelope(records: list[Record], total: int, offset: int, limit: int) -> Record:
    """A page as every list call answers it; `current` counts pages from zero."""
    return {
        "current": offset // limit,
        "data": records,
        "pages": -(-total // limit),
        "size": len(records),
        "total": total,
    }


def in_use_error(image_id: str, status: int) -> ApiResponse:
    """The refusal to delete an image that is being used; the pages name no code of its own for it."""
    return error_response(
        status, "ModelArts.0104", f"The image {image_id} is being used by a notebook instance."
    )


def _is_force(call: Call) -> bool:
    """`force` in the query is the documented way; the SDK of late 2026 sends `is_force` in a JSON body."""
    body = call.json()
    in_body = isinstance(body, dict) and body.get("is_force") is True
    return in_body or call.query.get("force", "").lower() == "true"
