"""The edge where real time, randomness, the environment, signals and the event loop come in."""

import os
import random
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Any, Self, TypeVar

import anyio
import click

from cleanup.cli.output import log, tracer
from cleanup.config.settings import Settings
from cleanup.errors import Interrupted
from cleanup.runtime import Runtime
from cleanup.stop import Cause, Stop
from cleanup.tracing import RunSpans, Tracing, is_wanted, open_tracing

T = TypeVar("T")
_TRACING = "cleanup.tracing"  # where the context keeps it for all jobs of a command
_CHANGED = "cleanup.changed"
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


# It runs on while the machine is suspended, so that nothing that was seen before counts as fresh after it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is done before an event loop as Ctrl-C does, so that it can still be told."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def real_runtime() -> Runtime:
    """This process's clocks, waits, chance and environment."""
    return Runtime(
        now=partial(datetime.now, UTC),  # both are asked several times a DELETE
        clock=partial(time.clock_gettime, _CLOCK),
        sleep=anyio.sleep,
        random=random.random,
        environment=os.environ,
        warn=lambda text: log().warning(text),
    )


def runtime() -> Runtime:
    """What `main` was called with, else the real one."""
    found: Runtime | None = click.get_current_context().obj
    return replace(found or real_runtime(), trace=tracer())


def new_id() -> str:
    """An id for a plan or a run: sorts by time, and is unique."""
    return f"{runtime().now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def spans_of(target: str, run_id: str) -> RunSpans | None:
    """Where the spans of one job go, None where nobody wants traces; a warning where they cannot be had."""
    now = runtime()
    if not is_wanted(now.environment):
        return None
    context = click.get_current_context()
    if _TRACING not in context.meta:
        context.meta[_TRACING] = open_tracing(now.environment, now.now, now.warn)
    tracing: Tracing | None = context.meta[_TRACING]
    if tracing is None:
        return None
    about = {"image_cleanup.target": target, "image_cleanup.run_id": run_id}
    return tracing.run(f"image-cleanup {context.info_name}", **about)


def _close_tracing(error: BaseException | None = None) -> None:
    """Deliver the spans of the work that is over; of what follows they are others."""
    if tracing := click.get_current_context().meta.get(_TRACING):
        del click.get_current_context().meta[_TRACING]
        tracing.close(error)


def may_have_changed() -> bool:
    """Whether this command has begun work that deletes, so that an interruption must not say it did not."""
    return _CHANGED in click.get_current_context().meta


def read(work: Callable[[Stop], Awaitable[T]], nothing: str = "nothing was deleted") -> T:
    """Run reading work; a signal ends it at once, for it changes nothing. Raises Interrupted then, saying so."""

    async def main() -> T:
        stop = Stop()
        with signals.heard_by(partial(_stop_on_signal, stop, False)):
            result = await stop.unless_requested(lambda: work(stop))
        if result is None:
            raise Interrupted(f"interrupted: {nothing}")
        return result

    with _Signals() as signals:
        return _unwrapped(main)


def change(work: Callable[[Stop], Awaitable[T]], settings: Settings) -> T:
    """Run deleting work under a Stop: the first signal and the deadline drain, a second signal aborts."""

    async def main() -> T:
        stop = Stop(settings.drain_timeout)
        with signals.heard_by(partial(_stop_on_signal, stop, True)):
            return await timed(stop)

    async def timed(stop: Stop) -> T:
        async with anyio.create_task_group() as group:
            if settings.deadline is not None:
                group.start_soon(_stop_in_time, stop, settings.deadline, settings.timeout)
            result = await work(stop)
            group.cancel_scope.cancel()
        return result

    click.get_current_context().meta[_CHANGED] = True
    with _Signals() as signals:
        return _unwrapped(main)


def _unwrapped(main: Callable[[], Awaitable[T]]) -> T:
    """Run the loop; an error of ours comes out as itself, not wrapped in the task group's."""
    try:
        result = anyio.run(main)
    except BaseException as caught:
        error = innermost(caught)
        _close_tracing(error)
        raise error from error.__cause__
    _close_tracing()
    return result


def innermost(error: BaseException) -> BaseException:
    """The one error that task groups have wrapped, or the group of several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class _Signals:
    """SIGINT and SIGTERM while an event loop runs, from before it begins until after it has ended.

    asyncio's own handlers end with the work in the loop and leave SIGTERM to the system: a run that had
    deleted was killed before it could tell what.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._hear: Callable[[signal.Signals], object] | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._arrived) for number in STOPPING_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextmanager
    def heard_by(self, hear: Callable[[signal.Signals], None]) -> Iterator[None]:
        """Within the loop that runs: it calls this for each signal."""
        import asyncio  # help pages do without it

        loop = asyncio.get_running_loop()
        self._hear = lambda number: loop.call_soon_threadsafe(hear, number)
        try:
            yield
        finally:
            self._hear = None

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._hear:
            self._hear(signal.Signals(number))
        else:  # the loop begins or ends
            signal.default_int_handler(number, frame)


def _stop_on_signal(stop: Stop, drains: bool, number: signal.Signals) -> None:
    if stop:
        stop.abort(Cause.SIGNAL, f"interrupted by {number.name}")
        return
    stop.request(Cause.SIGNAL, f"interrupted by {number.name}")
    if drains:
        log().warning(
            f"{number.name}: finishing the requests in flight (up to {stop.drain_seconds:g} s); "
            "once more to abort at once"
        )


async def _stop_in_time(stop: Stop, deadline: float, one_request: float) -> None:
    """Stop early enough for a request in flight to take all its time; but at most a third of it early."""
    margin = min(stop.drain_seconds, one_request, deadline / 3)
    stop.deadline = runtime().clock() + deadline - margin
    await anyio.sleep(deadline - margin)
    if not stop:
        stop.drain_seconds = margin
        log().warning(f"the deadline of {deadline:g} s is near: finishing the requests in flight")
        stop.request(Cause.DEADLINE, f"out of time (--deadline {deadline:g}s)")
