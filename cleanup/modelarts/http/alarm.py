"""Time-outs of very many waits, of which hardly any runs out: one timer for all of them."""

import asyncio
import math
from typing import Any


class Alarm:
    """Ends waits with TimeoutError when their time is over. All seconds are those of the loop's clock.

    asyncio.timeout has a timer and a context for each wait, which is a twentieth of what a DELETE costs.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits: dict[asyncio.Future[Any], float] = {}
        self._rings_at = math.inf

    def set(self, wait: asyncio.Future[Any], until: float) -> None:
        """From the second `until` on the future fails, unless it is done or `unset` before."""
        self._waits[wait] = until
        if until < self._rings_at:
            self._ring_at(until)

    def unset(self, wait: asyncio.Future[Any]) -> None:
        self._waits.pop(wait, None)

    def _ring_at(self, moment: float) -> None:
        self._rings_at = moment
        self._loop.call_at(moment, self._ring, moment)

    def _ring(self, moment: float) -> None:
        if moment != self._rings_at:
            return  # an earlier one came in between, and saw to the rest
        self._rings_at = math.inf
        for wait, until in list(self._waits.items()):
            if until <= moment and not wait.done():
                wait.set_exception(TimeoutError())
        if left := [until for until in self._waits.values() if until > moment]:
            self._ring_at(min(left))
