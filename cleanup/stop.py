"""Ending a run early, on purpose: who asked for it, why, and how long the work in hand may take."""

from enum import StrEnum

import anyio


class Cause(StrEnum):
    SIGNAL = "signal"
    DEADLINE = "deadline"
    BREAKER = "breaker"
    DENIED = "denied"
    JOURNAL = "journal"


class Stop:
    """A request to stop that everybody who works can see. The first cause counts.

    `requested` is set when nothing new may start, `aborted` when even the work in hand must end.
    """

    def __init__(self, drain_seconds: float = 25.0) -> None:
        self.requested = anyio.Event()
        self.aborted = anyio.Event()
        self.cause: Cause | None = None
        self.why = ""
        self.drain_seconds = drain_seconds
        self._children: list[Stop] = []

    def child(self) -> "Stop":
        """A stop of one target's own: it follows this one, but what stops it stops nobody else."""
        child = Stop(self.drain_seconds)
        self._children.append(child)
        if self.cause is not None:
            child.request(self.cause, self.why)
        return child

    def __bool__(self) -> bool:
        return self.requested.is_set()

    def request(self, cause: Cause, why: str) -> None:
        """Stop starting anything new; `why` is one sentence for people and for the journal."""
        if self.cause is None:
            self.cause, self.why = cause, why
            self.requested.set()
        for child in self._children:
            child.drain_seconds = self.drain_seconds
            child.request(cause, why)

    def abort(self, cause: Cause, why: str) -> None:
        """Stop at once."""
        self.request(cause, why)
        self.aborted.set()
        for child in self._children:
            child.abort(cause, why)


async def end_draining(stop: Stop, scope: anyio.CancelScope) -> None:
    """Cancel the work in hand when a stop was asked for and its time to drain is over, or it is aborted."""
    await stop.requested.wait()
    with anyio.move_on_after(stop.drain_seconds):
        await stop.aborted.wait()
    scope.cancel()
