"""The state of one simulated project: its records, what the registry holds, and how it behaves."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from cleanup.simulator.image_store import ImageStore
from cleanup.simulator.messages import RecordedRequest
from cleanup.simulator.notebook_store import NotebookStore
from cleanup.simulator.references import ContentStore
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


class Project:
    """One project of ModelArts in memory, and the latest half million requests. One event loop owns it.

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
        self.contents = ContentStore(world.contents)
        self.deletions: list[Deletion] = []
        self.requests: deque[RecordedRequest] = deque(maxlen=_REMEMBERED)
        self.when_in_use = when_in_use
        self.not_found = not_found
        self.sees_all = sees_all
        self._random = Random(f"service {seed}")

    def remember(self, request: RecordedRequest) -> None:
        """Add one line to `requests`."""
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
