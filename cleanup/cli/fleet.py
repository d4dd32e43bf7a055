"""One command over many targets at once: each ends on its own, one that fails stops no other."""

import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio

from cleanup.cli.event_loop import innermost
from cleanup.cli.output import log, say
from cleanup.config.settings import Target
from cleanup.errors import CleanupError, UsageError
from cleanup.reports import Format
from cleanup.reports.formatting import count

AT_ONCE = 32


@dataclass(frozen=True)
class Ended:
    """How one target ended: the exit code it would have had alone, and one line about it."""

    name: str
    exit_code: int
    line: str


async def over(targets: Sequence[Target], work: Callable[[Target], Awaitable[Ended]]) -> list[Ended]:
    """Do the work for every target, up to AT_ONCE at a time; errors become ends, in the targets' order."""
    ends: dict[str, Ended] = {}
    turns = anyio.CapacityLimiter(AT_ONCE)

    async def one(target: Target) -> None:
        async with turns:
            ends[target.name] = await _end(target, work)

    async with anyio.create_task_group() as group:
        for target in targets:
            group.start_soon(one, target)
    return [ends[target.name] for target in targets]


async def _end(target: Target, work: Callable[[Target], Awaitable[Ended]]) -> Ended:
    try:
        return await work(target)
    except Exception as caught:
        error = innermost(caught)
        if not isinstance(error, CleanupError):
            traceback.print_exception(error)
        message = str(error) if isinstance(error, CleanupError) else f"a bug: {type(error).__name__}"
        log().error(message, target=target.name)
        return Ended(target.name, getattr(error, "exit_code", 1), message)


def summarize(ends: Iterable[Ended]) -> None:
    """One line a target on stdout, and one for all of them."""
    ends = list(ends)
    width = max((len(end.name) for end in ends), default=0)
    for end in ends:
        say(f"{end.name:{width}}  exit {end.exit_code:2}  {end.line}")
    good = sum(end.exit_code in (0, 10) for end in ends)
    say(f"{count(len(ends), 'target')}: {good} done, {len(ends) - good} with trouble")


def require_prose(format: Format) -> None:  # noqa: A002
    """Raise UsageError for a format of which many reports one after the other make no document."""
    if format in (Format.JSON, Format.CSV):
        raise UsageError(
            f"--format {format} is one document and --targets makes many: "
            f"plan with -o FOLDER, then show each with `report FOLDER/NAME.plan.jsonl --format {format}`"
        )
