"""The pool of workers that deletes and registers: items in order, until all are taken or a stop is asked for."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

from cleanup.stop import Stop

T = TypeVar("T")


async def work_off(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], stop: Stop, concurrency: int
) -> None:
    """Let up to `concurrency` workers take one item after the other.

    After a stop nothing new is taken; what is in hand is cancelled when its time to drain is over.
    """
    queue = iter(items)

    async def worker() -> None:
        while not stop and (item := next(queue, None)) is not None:
            await work(item)

    async with anyio.create_task_group() as guard:
        guard.start_soon(stop.cancel_after_drain, guard.cancel_scope)
        async with anyio.create_task_group() as workers:
            for _ in range(concurrency):
                workers.start_soon(worker)
        guard.cancel_scope.cancel()
