"""Several calls at once, their answers in order; the first that fails ends the others."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from cleanup.errors import CleanupError

T = TypeVar("T")


async def gather(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """What each call returns. Raises the CleanupError of the first that fails, and cancels the rest."""
    found: dict[int, T] = {}
    failures: list[CleanupError] = []

    async def one(number: int, call: Callable[[], Awaitable[T]], group: TaskGroup) -> None:
        try:
            found[number] = await call()
        except CleanupError as error:
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for number, call in enumerate(calls):
            group.start_soon(one, number, call, group)
    if failures:
        raise failures[0]
    return [found[number] for number in sorted(found)]
