"""The pool of workers that deletes and registers: items in order, until all are taken or a stop is asked for."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import anyio

from cleanup.stop import Stop

T = TypeVar("T")
Rest = Callable[[], Coroutine[Any, Any, None]]


async def work_off(
    items: Iterable[T], work: Callable[[T], Awaitable[Rest | None]], stop: Stop, concurrency: int
) -> None:
    """Let up to `concurrency` workers take one item after the other.

    What `work` returns is what is left to do of the item that takes no worker: it goes on beside them. After
    a stop nothing new is taken; what is in flight is cancelled when its time to drain is over.
    """
    queue = iter(items)

    async def worker() -> None:
        while not stop and (item := next(queue, None)) is not None:
            if rest := await work(item):
                workers.start_soon(rest)

    async with anyio.create_task_group() as guard:
        guard.start_soon(stop.cancel_after_drain, guard.cancel_scope)
        async with anyio.create_task_group() as workers:
            for _ in range(concurrency):
                workers.start_soon(worker)
        guard.cancel_scope.cancel()
