"""The edge where real time, randomness, signals and the event loop come in."""

import io
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio

from cleanup.cli.output import log
from cleanup.config.settings import Target, Terms
from cleanup.errors import Interrupted
from cleanup.modelarts.client import Client
from cleanup.plan import build as planning
from cleanup.plan.build import Survey
from cleanup.reports.progress import Progress
from cleanup.stop import Cause, Stop

T = TypeVar("T")
_TELL_EVERY = 15.0
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def now() -> datetime:
    return datetime.now(UTC)


def new_id(moment: datetime) -> str:
    """An id for a plan or a run: sorts by time, and is unique."""
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def run_async(work: Callable[[], Awaitable[T]]) -> T:
    """Run reading work; a signal ends it at once, for it changes nothing. Raises Interrupted then."""

    async def main() -> T:
        done: list[T] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_on_signal, group.cancel_scope)
            done.append(await work())
            group.cancel_scope.cancel()
        if not done:
            raise Interrupted("interrupted: nothing was deleted")
        return done[0]

    return _unwrapped(main)


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(*STOPPING_SIGNALS) as signals:
        async for _ in signals:
            scope.cancel()


def run_stoppable(work: Callable[[Stop], Awaitable[T]], terms: Terms) -> T:
    """Run deleting work under a Stop: the first signal and the deadline drain, a second signal aborts."""

    async def main() -> T:
        stop = Stop(terms.drain_timeout)
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signals, stop)
            if terms.deadline is not None:
                group.start_soon(_stop_in_time, stop, terms.deadline, terms.timeout)
            result = await work(stop)
            group.cancel_scope.cancel()
        return result

    return _unwrapped(main)


def _unwrapped(main: Callable[[], Awaitable[T]]) -> T:
    """Run the loop; an error of ours comes out as itself, not wrapped in the task group's."""
    try:
        return anyio.run(main)
    except BaseExceptionGroup as group:
        error = innermost(group)
        raise error from error.__cause__


def innermost(error: BaseException) -> BaseException:
    """The one error that task groups have wrapped, or the group of several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _stop_on_signals(stop: Stop) -> None:
    with anyio.open_signal_receiver(*STOPPING_SIGNALS) as signals:
        async for number in signals:
            name = signal.Signals(number).name
            if stop:
                stop.abort(Cause.SIGNAL, f"interrupted by {name}")
                continue
            stop.request(Cause.SIGNAL, f"interrupted by {name}")
            log().warning(
                f"{name}: finishing the requests in hand (up to {stop.drain_seconds:g} s); once more to abort at once"
            )


async def _stop_in_time(stop: Stop, deadline: float, one_request: float) -> None:
    """Stop early enough for a request in hand to take all its time; but at most a third of it early."""
    margin = min(stop.drain_seconds, one_request, deadline / 3)
    await anyio.sleep(deadline - margin)
    if not stop:
        stop.drain_seconds = margin
        log().warning(f"the deadline of {deadline:g} s is near: finishing the requests in hand")
        stop.request(Cause.DEADLINE, f"out of time (--deadline {deadline:g}s)")


async def unless_stopped(stop: Stop, work: Awaitable[T]) -> T:
    """Await reading work, but let a stop end it. Raises Interrupted then: nothing was deleted yet."""
    done: list[T] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await stop.requested.wait()
            group.cancel_scope.cancel()

        group.start_soon(watch)
        done.append(await work)
        group.cancel_scope.cancel()
    if not done:
        raise Interrupted(f"{stop.why}: nothing was deleted")
    return done[0]


@asynccontextmanager
async def connected(target: Target, terms: Terms, stop: Stop | None = None) -> AsyncIterator[Client]:
    """A client for one target, with the process's environment and clock."""
    from cleanup.config.connect import connect

    async with connect(
        target, terms, environment=os.environ, stop=stop, clock=time.monotonic, now=now
    ) as client:
        yield client


async def survey(client: Client, target: Target, terms: Terms, progress: Progress) -> Survey:
    """One look at a target with this process's clocks. Raises AccessDenied, InventoryError."""
    seen = await planning.survey(
        client,
        target.workspaces,
        terms.scope,
        terms.pins,
        clock=anyio.current_time,
        now=now,
        listed=progress.listed,
    )
    for note in seen.notes:
        log().info(note)
    return seen


def terminal() -> dict[str, Any]:
    """How wide a table may be and whether it may have colours: as the terminal, or 100 plain columns."""
    if not sys.stdout.isatty():
        return {"width": 100, "color": False}
    return {"width": shutil.get_terminal_size().columns, "color": "NO_COLOR" not in os.environ}


def progress(shown: bool = True) -> Progress:
    """A progress bar on stderr; silent where that is no terminal, or where many would draw at once."""
    return Progress(sys.stderr if shown else io.StringIO())


@asynccontextmanager
async def told_in_lines(progress: Progress, planned: int) -> AsyncIterator[None]:
    """Where no bar can be drawn, say how far a long run is, every now and then."""
    if sys.stderr.isatty():
        yield
        return

    async def tell() -> None:
        while True:
            await anyio.sleep(_TELL_EVERY)
            log().info(f"{progress.done:,} of {planned:,} ended")

    async with anyio.create_task_group() as group:
        group.start_soon(tell)
        yield
        group.cancel_scope.cancel()
