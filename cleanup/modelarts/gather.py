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


async def hand_over(
    calls: Iterable[Callable[[], Awaitable[T]]], take: Callable[[T], bool], *, at_once: int
) -> None:
    """Give to `take` what each call returns, in their order, until it says that this is enough.

    Up to `at_once` of them are under way, however slow one is. Raises the CleanupError of the first
    that fails. Calls that are not needed any more are cancelled, or never made.
    """
    found: dict[int, T] = {}
    failures: list[CleanupError] = []
    numbered = enumerate(calls)
    next_ = 0

    async def work(group: TaskGroup) -> None:
        nonlocal next_
        for number, call in numbered:
            try:
                found[number] = await call()
            except CleanupError as error:
                failures.append(error)
                group.cancel_scope.cancel()
                return
            while next_ in found:
                next_ += 1
                if not take(found.pop(next_ - 1)):
                    group.cancel_scope.cancel()
                    return

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(work, group)
    if failures:
        raise failures[0]
