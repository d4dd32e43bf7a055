"""Who uses what, never older than `--max-staleness`: what the executor asks before each DELETE."""

import anyio

from cleanup.config.job import Job
from cleanup.errors import InventoryError
from cleanup.in_use import InUse
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Inventory, hidden_users, read_notebooks


class FreshUse:
    """The inventory's users, read again when they have become too old; workers that wait share one reading."""

    def __init__(self, job: Job, client: Client, inventory: Inventory) -> None:
        self._job = job
        self._client = client
        self._in_use = inventory.in_use
        self._read_at = inventory.seen_at
        self._reading = anyio.Lock()

    async def get(self) -> tuple[InUse, float]:
        """Who uses what, and the monotonic second at which that reading began. Raises a CleanupError."""
        clock, settings = self._job.runtime.clock, self._job.settings
        asked_at = clock()
        async with self._reading:
            # What was read after this was asked is fresh, also where nothing may be older than 0 s.
            if clock() - self._read_at >= settings.max_staleness and self._read_at < asked_at:
                read_at = clock()
                found = await read_notebooks(self._client, self._job.target.workspaces, settings.scope)
                if doubts := hidden_users(found, settings.scope):
                    raise InventoryError(doubts[0])
                self._in_use, self._read_at = found.in_use | settings.pins, read_at
            return self._in_use, self._read_at
