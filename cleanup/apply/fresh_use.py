"""Who uses what, never older than `--max-staleness`: what the executor asks before each DELETE."""

import math

import anyio

from cleanup.config.job import Job
from cleanup.errors import InventoryError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Inventory
from cleanup.modelarts.users import notebooks
from cleanup.modelarts.users.kinds import Scope, UserKind
from cleanup.modelarts.users.listing import Reading
from cleanup.modelarts.users.reading import read_users

_BETWEEN_DOUBTS = 60.0  # seconds


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
        self._clock = job.runtime.clock
        self._doubted_at = -math.inf

    async def get(self) -> tuple[InUse, float]:
        """Who uses what, and the monotonic second at which that reading began. Raises a CleanupError."""
        if self._clock() - self._read_at >= self._job.settings.max_staleness:
            await self._read_again(self._job.settings.max_staleness)
        return self._in_use, self._read_at

    async def who_uses(self, image: Image) -> Use | None:
        """Who uses this image, which the service refused to delete: its notebooks are asked now, all others
        once in a while, for many images may be refused at a time. Raises a CleanupError."""
        if use := await self.last_look(image):
            return use
        at_most = self._job.settings.max_staleness
        if self._clock() - self._doubted_at >= _BETWEEN_DOUBTS:
            self._doubted_at, at_most = self._clock(), 0.0
        await self._read_again(at_most)
        return self._in_use.of(image)

    async def _read_again(self, at_most: float) -> None:
        """Have a reading that is not older than so many seconds, or began after this was asked."""
        asked_at = self._clock()
        async with self._reading:
            if self._clock() - self._read_at >= at_most and self._read_at < asked_at:
                read_at = self._clock()
                self._in_use, self._read_at = await self._read() | self._job.target.pins, read_at

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
