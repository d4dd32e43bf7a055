"""Ending a run early, on purpose: who asked for it, why, and how long the work in flight may take."""

import math
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

import anyio

T = TypeVar("T")


class Cause(StrEnum):
    SIGNAL = "signal"
    DEADLINE = "deadline"
    BREAKER = "breaker"
    DENIED = "denied"
    JOURNAL = "journal"
    EXPIRED = "expired"


class Stop:
    """A request to stop that everybody who works can see. The first cause counts.

    `requested` is set when nothing new may start, `aborted` when even the work in flight must end; `deadline`
    is the monotonic second from which on nothing new will start.
    """

    def __init__(self, drain_seconds: float = 25.0) -> None:
        self.requested = anyio.Event()
        self.aborted = anyio.Event()
        self.cause: Cause | None = None
        self.why = ""
        self.drain_seconds = drain_seconds
        self.deadline = math.inf
        self._children: list[Stop] = []
        self._scopes: set[anyio.CancelScope] = set()

    def child(self) -> "Stop":
        """A stop of one target's own: it follows this one, but what stops it stops nobody else."""
        child = Stop(self.drain_seconds)
        child.deadline = self.deadline
        self._children.append(child)
        if self.cause is not None:
            child.request(self.cause, self.why)
        return child

    def __bool__(self) -> bool:
        return self.cause is not None

    def ends_at(self, *, late: bool) -> float:
        """The monotonic second at which there is no time left: for new work, or `late` for the work in flight."""
        return self.deadline + self.drain_seconds if late else self.deadline

    def request(self, cause: Cause, why: str) -> None:
        """Stop starting anything new; `why` is one sentence for people and for the journal."""
        if self.cause is None:
            self.cause, self.why = cause, why
            self.requested.set()
            for scope in self._scopes:
                scope.cancel()
        for child in self._children:
            child.drain_seconds = self.drain_seconds
            child.request(cause, why)

    def abort(self, cause: Cause, why: str) -> None:
        """Stop at once."""
        self.request(cause, why)
        self.aborted.set()
        for child in self._children:
            child.abort(cause, why)

    async def unless_requested(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """What the work returns; None where a stop is asked for before or meanwhile, which cancels it."""
        if self:
            return None
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                return await work()
            finally:
                self._scopes.discard(scope)
        return None

    async def cancel_after_drain(self, scope: anyio.CancelScope) -> None:
        """Wait for a stop, let the work in flight drain, and cancel what is left of it; an abort cuts that short."""
        await self.requested.wait()
        with anyio.move_on_after(self.drain_seconds):
            await self.aborted.wait()
        scope.cancel()
