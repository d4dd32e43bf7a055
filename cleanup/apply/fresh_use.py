"""Who uses what, never older than `--max-staleness`: what the executor asks before each DELETE."""

import anyio

from cleanup.config.job import Job
from cleanup.errors import InventoryError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Inventory
from cleanup.modelarts.users import Reading, Scope, UserKind, notebooks, read_users


class FreshUse:
    """The inventory's users, read again when they have become too old; workers that wait share one reading.

    `workspaces` are all in which there may be users of an image, or records that share its content.
    """

    def __init__(self, job: Job, client: Client, inventory: Inventory) -> None:
        self.workspaces = inventory.workspaces
        self._job = job
        self._client = client
        self._in_use = inventory.in_use
        self._read_at = inventory.seen_at
        self._unseen = frozenset(inventory.unseen)
        self._reading = anyio.Lock()

    async def get(self) -> tuple[InUse, float]:
        """Who uses what, and the monotonic second at which that reading began. Raises a CleanupError."""
        clock, settings = self._job.runtime.clock, self._job.settings
        asked_at = clock()
        async with self._reading:
            # What was read after this was asked is fresh, also where nothing may be older than 0 s.
            if clock() - self._read_at >= settings.max_staleness and self._read_at < asked_at:
                read_at = clock()
                self._in_use, self._read_at = await self._read() | settings.pins, read_at
            return self._in_use, self._read_at

    async def _read(self) -> InUse:
        """All users again, all seen that were seen before. Raises InventoryError."""
        asked = self._job.asked_users
        reading = Reading(client=self._client, asked=asked, now=self._job.runtime.now())
        count = len(self._job.target.workspaces)
        found = await read_users(reading, self.workspaces[:count], self.workspaces[count:])
        closed = [workspace for workspace in found.unseen if workspace not in self._unseen]
        doubts = (*found.doubts, *(f"workspace {one} can no longer be read" for one in closed))
        if doubts:
            raise InventoryError(doubts[0])
        return found.in_use

    async def last_look(self, image: Image) -> Use | None:
        """A notebook that uses this image now, where everybody's notebooks are asked. Raises a CleanupError."""
        asked = self._job.asked_users
        if UserKind.NOTEBOOKS not in asked.wanted or asked.notebooks is not Scope.ALL:
            return None
        return await notebooks.user_of(self._client, image)
