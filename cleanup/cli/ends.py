"""One command over its targets, all at once: one that fails stops no other, and the worst speaks for all."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from cleanup.cli import event_loop
from cleanup.cli.output import bug_line, complain, log, report_bug
from cleanup.cli.showing import Destination
from cleanup.cli.telling import watch_of
from cleanup.config.settings import Target
from cleanup.errors import CleanupError, UsageError
from cleanup.reports.formatting import count
from cleanup.reports.view import Report

AT_ONCE: Final = 32


@dataclass(frozen=True)
class Ended:
    """How one target ended: the exit code it would have had alone, one line about it, its report if asked for."""

    target: Target
    exit_code: int
    line: str
    report: Report | None = None


class Warnings:
    """What looks wrong with one target: each said once on stderr, and counted.

    With --strict they end its work before anything is deleted.
    """

    def __init__(self, target: Target, *, strict: bool = False) -> None:
        self._about = {"target": target.name} if target.from_file else {}
        self._strict = strict
        self._told: dict[str, None] = {}
        self._watch = watch_of(target.name)

    def tell(self, texts: Iterable[str]) -> None:
        for text in texts:
            if text not in self._told:
                self._told[text] = None
                self._watch.warned()
                log().warning(text, **self._about)

    def require_none(self) -> None:
        """Raise UsageError where --strict was given and there was a warning."""
        if self._strict and self._told:
            raise UsageError(f"{count(len(self._told), 'warning')} and --strict: nothing was deleted")

    def __str__(self) -> str:
        """`; 2 warnings`, to stand at the end of a line that sums up; empty without any."""
        return f"; {count(len(self._told), 'warning')}" if self._told else ""


async def over(targets: Sequence[Target], work: Callable[[Target], Awaitable[Ended]]) -> list[Ended]:
    """Do the work for every target, up to AT_ONCE at a time; in the targets' order.

    An error of a target out of a file is its end; that of the one the options name is raised.
    """
    ends: dict[str, Ended] = {}
    at_once = anyio.CapacityLimiter(AT_ONCE)

    async def one(target: Target) -> None:
        async with at_once:
            ends[target.name] = await _end(target, work)

    async with anyio.create_task_group() as group:
        for target in targets:
            group.start_soon(one, target)
    return [ends[target.name] for target in targets]


async def _end(target: Target, work: Callable[[Target], Awaitable[Ended]]) -> Ended:
    try:
        return await work(target)
    except Exception as caught:
        if not target.from_file:
            raise
        error = event_loop.innermost(caught)
        if isinstance(error, CleanupError):
            complain(error, target=target.name)
            return Ended(target, error.exit_code, "; ".join(str(error).splitlines()))
        report_bug(error, target=target.name)
        return Ended(target, 1, bug_line(error))


def refused(target: Target, error: CleanupError, report: Report) -> Ended:
    """The end of a run that deleted nothing and has a plan to show for it."""
    complain(error, **({"target": target.name} if target.from_file else {}))
    return Ended(target, error.exit_code, "; ".join(str(error).splitlines()), report)


def conclude(ends: Sequence[Ended], destination: Destination | None = None, *, strict: bool = False) -> None:
    """Show the reports that the jobs left to be shown, of targets of a file with a summary over all of them.

    Ends the command with the worst of the exit codes.
    """
    codes = [end.exit_code for end in ends]
    for end in ends:
        watch_of(end.target.name).ended(end.exit_code, end.line)
    if not ends:
        log().warning(
            "this shard has no target, so nothing was done: compare --shard I/N with the targets file"
        )
        codes.append(UsageError.exit_code if strict else 0)
    try:
        _show(ends, destination or Destination(), worst(codes))
    except CleanupError as error:  # a disk is full, say: that must not hide how the targets ended
        complain(error)
        codes.append(error.exit_code)
        for end in ends:
            watch_of(end.target.name).ended(worst([end.exit_code, error.exit_code]), f"{end.line}; {error}")
    if code := worst(codes):
        raise SystemExit(code)


def _show(ends: Sequence[Ended], destination: Destination, exit_code: int) -> None:
    if any(end.target.from_file for end in ends):
        from cleanup.reports.targets_view import TargetEnd, together  # and with it what shows a plan

        those = [TargetEnd(end.target.name, end.exit_code, end.line, end.report) for end in ends]
        destination.show(together(those, exit_code), many=True)
        return
    for end in ends:
        if end.report:
            destination.show([end.report])


def worst(exit_codes: Iterable[int]) -> int:
    """The exit code that speaks for all: a bug before all else, then the highest error; 10 is no error."""
    codes = set(exit_codes) - {0}
    if 1 in codes:
        return 1
    return max(codes - {10}, default=10 if 10 in codes else 0)
