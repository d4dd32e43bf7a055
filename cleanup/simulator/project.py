"""The state of one simulated project: its records, what the registry holds, and how it behaves."""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from cleanup.simulator.image_store import ImageStore
from cleanup.simulator.messages import Record, RecordedRequest
from cleanup.simulator.notebook_store import NotebookStore
from cleanup.simulator.record_store import RecordStore
from cleanup.simulator.references import ContentStore
from cleanup.simulator.routes import Operation
from cleanup.simulator.seed_images import new_id
from cleanup.simulator.world import World, default_workspaces

_REMEMBERED = 500_000


class WhenInUse(StrEnum):
    """What a DELETE of an image that a running notebook uses is answered with."""

    CONFLICT = "409"
    BAD_REQUEST = "400"
    ALLOW = "allow"


class WorkspaceClosed(Exception):
    """The caller may not enter the workspace of this id."""


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

    `now` is the service's clock. `not_found` is the status of "cannot be found": the pages say 400, 404 is
    seen too. With `sees_all` false, `/notebooks/all` is refused for want of permission; so are the calls in
    `forbidden`. Those in `absent` are of a service that the region does not offer. With `pages_algorithms`
    the offset of algorithms counts pages, as one client reads it, and not records, as the API pages say.
    """

    def __init__(
        self,
        world: World,
        now: Callable[[], datetime],
        *,
        when_in_use: WhenInUse = WhenInUse.CONFLICT,
        not_found: int = 404,
        sees_all: bool = True,
        forbidden: Collection[Operation] = (),
        absent: Collection[Operation] = (),
        pages_algorithms: bool = False,
        seed: int = 0,
    ) -> None:
        self.project_id = world.project_id
        self.user_id = world.user_id
        self.now = now
        self.images = ImageStore(dict(image) for image in world.images)
        self.notebooks = NotebookStore(dict(notebook) for notebook in world.notebooks)
        self.workspaces = RecordStore(world.workspaces or default_workspaces(world.images))
        self.jobs = RecordStore(world.jobs, "metadata", "id")
        self.algorithms = RecordStore(world.algorithms, "metadata", "id")
        self.models = RecordStore(world.models, "model_id")
        self.services_v1 = RecordStore(world.services_v1, "service_id")
        self.services = RecordStore(world.services)
        self.workflows = RecordStore(world.workflows, "workflow_id")
        self.contents = ContentStore(world.contents)
        self.read_mes: dict[str, str] = {}  # of groups, by their ids
        self.deletions: list[Deletion] = []
        self.requests: deque[RecordedRequest] = deque(maxlen=_REMEMBERED)
        self.when_in_use = when_in_use
        self.not_found = not_found
        self.sees_all = sees_all
        self.forbidden = set(forbidden)
        self.absent = set(absent)
        self.pages_algorithms = pages_algorithms
        self.random = Random(f"service {seed}")
        self._going: list[tuple[datetime, str, bool]] = []

    def may_enter(self, workspace_id: str) -> bool:
        """Whether the caller may use a workspace: a PRIVATE one is for its owner and those granted access."""
        workspace = self.workspaces.get(workspace_id) or {}
        granted = [grant.get("user_id") for grant in workspace.get("grants", ())]
        return workspace.get("auth_type") != "PRIVATE" or self.user_id in (workspace.get("owner"), *granted)

    def of_workspace(self, records: Iterable[Record], workspace_id: str) -> list[Record]:
        """The records of one workspace, wherever they say it. Raises WorkspaceClosed."""
        self.enter(workspace_id)
        return [one for one in records if one.get("metadata", one).get("workspace_id", "0") == workspace_id]

    def enter(self, workspace_id: str) -> None:
        """Raise WorkspaceClosed where the caller may not use the workspace."""
        if not self.may_enter(workspace_id):
            raise WorkspaceClosed(workspace_id)

    def delete(self, image: Record, force: bool, moment: datetime | None = None) -> None:
        """Remove an image; `force` takes the content of a PRIVATE one too, from under every record of it."""
        self.images.take(image["id"])
        path: str = image.get("swr_path", "")
        is_private = str(image.get("visibility")).upper() == "PRIVATE"
        self.deletions.append(
            Deletion(
                time=moment or self.now(),
                image_id=image["id"],
                swr_path=path,
                force=force,
                content_removed=force and is_private and self.contents.pop(path, None) is not None,
            )
        )

    def delete_later(self, image: Record, force: bool, seconds: float) -> None:
        """Show an image as DELETING, and remove it once so many seconds have passed."""
        self.images.put(image | {"status": "DELETING"})
        self._going.append((self.now() + timedelta(seconds=seconds), image["id"], force))

    def settle(self) -> None:
        """Remove the images whose deletion has come to its end by now."""
        now = self.now()
        for moment, image_id, force in [going for going in self._going if going[0] <= now]:
            self._going.remove((moment, image_id, force))
            if image := self.images.get(image_id):
                self.delete(image, force, moment)

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
        return new_id(self.random)

    def milliseconds(self) -> int:
        """The service's clock as the API writes it."""
        return int(self.now().timestamp() * 1000)
