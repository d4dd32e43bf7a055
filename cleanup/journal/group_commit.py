"""Lines that are on disk before their writers go on, all who wait sharing one write and one sync (group commit)."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

_SWITCH = 0.0003  # seconds: Python's own 0.005 is how long a sync that is over may wait to say so
_Together = list[tuple[bytes, asyncio.Future[None]]]


class GroupCommit:
    """Calls `write` with the lines of all who wait, `sync` in a thread of its own, then `check`; one such round
    at a time. What any of them raises is raised to those who wait for it."""

    def __init__(
        self,
        write: Callable[[Sequence[bytes]], None],
        sync: Callable[[], None],
        check: Callable[[], None],
    ) -> None:
        self._write = write
        self._sync = sync
        self._check = check
        self._thread = ThreadPoolExecutor(1, "journal")
        self._waiting: _Together = []
        self._busy = False
        self._switch_before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)

    async def append(self, line: bytes) -> None:
        """Return when the line is on disk."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append((line, done))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin, loop)  # all who are about to run take part in it
        await done

    def soon(self, work: Callable[[], None]) -> None:
        """Have this done before the event loop waits again."""
        asyncio.get_running_loop().call_soon(work)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        together = [(line, done) for line, done in self._waiting if not done.done()]  # others were cancelled
        self._waiting = []

        def end(synced: asyncio.Future[None]) -> None:
            self._end(together, synced)
            self._busy = bool(self._waiting)
            if self._waiting:
                self._begin(loop)

        try:
            self._write([line for line, _ in together])
            syncing = loop.run_in_executor(self._thread, self._sync)
        except Exception as error:
            syncing = loop.create_future()
            syncing.set_exception(error)
        syncing.add_done_callback(end)

    def _end(self, together: _Together, synced: asyncio.Future[None]) -> None:
        left = [done for _, done in together if not done.done()]
        try:
            synced.result()
            if left:
                self._check()
        except Exception as error:
            for done in left:
                done.set_exception(error)
        else:
            for done in left:
                done.set_result(None)

    def close(self) -> None:
        """Wait for the sync that may be under way; no other follows."""
        self._thread.shutdown(cancel_futures=True)
        sys.setswitchinterval(self._switch_before)
