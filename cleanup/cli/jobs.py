"""One command over its targets: a job for each, all at once; one that fails stops no other."""

import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import anyio

from cleanup.cli import event_loop
from cleanup.cli.options import Connecting, Deleting, Working
from cleanup.cli.output import (
    STDERR,
    bare_stderr,
    bug_line,
    complain,
    is_plain,
    is_quiet,
    log,
    report_bug,
)
from cleanup.cli.parsing import FolderPath
from cleanup.cli.showing import Destination
from cleanup.cli.telling import watch_of
from cleanup.config.job import Job
from cleanup.config.settings import Settings, Target
from cleanup.config.strict import require_plain_environment
from cleanup.errors import CleanupError, RecordRejected, UsageError
from cleanup.files import ELSEWHERE
from cleanup.journal import RunFinished, read_to_show, require_writable
from cleanup.journal import read as read_journal
from cleanup.outcome import TO_RESUME
from cleanup.plan.file import PLAN_KEY
from cleanup.plan.sealed import require_replaceable
from cleanup.progress import Progress
from cleanup.reports import view
from cleanup.reports.formatting import count, plain
from cleanup.reports.journal_view import summary_line
from cleanup.reports.targets_view import TargetEnd, together
from cleanup.reports.view import Report
from cleanup.runtime import Runtime
from cleanup.stop import Stop

AT_ONCE = 32
_TELL_EVERY = 15.0
# A deadline is over by then.
_RESUMED_WITH = {field.name for group in (Connecting, Working, Deleting) for field in fields(group)} - {
    "deadline"
}


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
    if code := worst(codes):
        raise SystemExit(code)


def _show(ends: Sequence[Ended], destination: Destination, exit_code: int) -> None:
    if any(end.target.from_file for end in ends):
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


def plan_path(plan: Path | None, target: Target, run_id: str) -> Path:
    """Where a target's plan lies: in the file that was named, for targets of a file in that folder."""
    if target.from_file:
        return (plan or Path()) / f"{target.name}.plan.jsonl"
    name = f"image-cleanup-{run_id}.plan.jsonl"
    return plan / name if isinstance(plan, FolderPath) else plan or Path(name)


def new_job(
    target: Target,
    settings: Settings,
    stop: Stop,
    *,
    plan: Path = Path(),
    journal: Path = Path(),
    elsewhere: str = ELSEWHERE,
) -> Job:
    """A job with an id of its own, and a progress bar unless many targets would draw at once."""
    watch, run_id = watch_of(target.name), event_loop.new_id()
    spans = event_loop.spans_of(target.name, run_id)
    runtime = replace(event_loop.runtime(), answered=watch.answered, spans=spans)
    _trace_target(target, settings, runtime)
    return Job(
        target=target,
        settings=settings,
        runtime=runtime,
        stop=stop,
        progress=Progress(
            bare_stderr() if _is_drawn(target) else None,
            note=log().info,
            begun=lambda phase: watch.begun(phase, runtime.clock()),
            spans=spans,
        ),
        run_id=run_id,
        plan=plan,
        plan_key=plan_key(),
        journal=journal,
        elsewhere=elsewhere,
    )


def _trace_target(target: Target, settings: Settings, runtime: Runtime) -> None:
    runtime.say_more(
        f"target {target.name}",
        endpoint=target.endpoint,
        project_id=target.project_id,
        workspaces=",".join(target.workspaces),
        auth=target.auth,
        users=",".join(target.users),
        in_use=target.in_use,
        pins=len(target.pins.uses),
        rate=target.rate,
        concurrency=target.concurrency,
    )


def _is_drawn(target: Target) -> bool:
    """Whether a bar may be drawn: many targets would at once, and a CI system keeps every frame of it."""
    if target.from_file or is_quiet():
        return False
    return event_loop.runtime().environment.get("CI", "false") in ("", "false")


def plan_key() -> str | None:
    """The key that plans are sealed with, None where there is none. Raises UsageError for an empty one.

    It may come out of a file: a line break at its end is no part of it.
    """
    environment = event_loop.runtime().environment
    require_plain_environment(environment, (), [PLAN_KEY])
    key = environment.get(PLAN_KEY)
    return None if key is None else key.rstrip("\r\n")


def new_run(
    target: Target,
    settings: Settings,
    stop: Stop,
    journal: Path | None,
    plan: Path | None = None,
    elsewhere: str = "choose another place with --journal",
) -> Job:
    """A job that writes a journal: `journal`, a file or, for targets of a file, a folder.

    `plan` is left out where the run makes its own; that lies beside the journal. Raises UsageError
    where one of them could not be written, or where something else lies there.
    """
    job = new_job(target, settings, stop.child() if target.from_file else stop, elsewhere=elsewhere)
    name = f"image-cleanup-{target.name}-{job.run_id}" if target.from_file else f"image-cleanup-{job.run_id}"
    in_folder = target.from_file or isinstance(journal, FolderPath)
    path = (journal or Path()) / f"{name}.jsonl" if in_folder else journal or Path(f"{name}.jsonl")
    require_writable(path, elsewhere)
    if path.is_file() and path.stat().st_size:
        _require_journal(path, elsewhere)
    if plan is None:
        plan = path.with_name(f"{name}.plan.jsonl")
        require_replaceable(plan, "plan", elsewhere)
    return replace(job, journal=path, plan=plan)


def _require_journal(path: Path, elsewhere: str) -> None:
    """Only a journal is appended to: anything else would be ruined, and could not be read back."""
    try:
        read_journal(path)
    except RecordRejected as error:
        raise UsageError(f"{error}; nothing is appended to it, {elsewhere}") from error


def require_folder(targets: Iterable[Target], path: Path | None, option: str) -> None:
    """Make the folder that `path` is for targets of a file, or by the slash at its end, where it is missing.

    Raises UsageError where something else lies there, or it cannot be made; folders above it must exist.
    """
    if path is None or not (isinstance(path, FolderPath) or any(target.from_file for target in targets)):
        return
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{option} {path}: this is a folder here, and there is something else") from None
    except FileNotFoundError:
        raise UsageError(f"{option} {path}: there is no folder {path.parent} to make it in") from None
    except OSError as error:
        raise UsageError(f"{option} {path}: the folder cannot be made ({error.strerror})") from error


async def finish(
    job: Job, work: Awaitable[RunFinished], warnings: Warnings | None = None, *, reported: bool = False
) -> Ended:
    """See a run through: the bar or, where none can be drawn, a line every now and then; and how it ended.

    The report of its journal is made where that was asked for.
    """
    with job.progress:
        async with _told_in_lines(job):
            finished = await work
        if job.runtime.spans:
            job.runtime.spans.finished(finished.exit_code)
    watch_of(job.target.name).finished(finished)
    line = f"{summary_line(finished)}{warnings or ''}"
    log().info(f"{line}; journal: {job.journal}", **about(job))
    if finished.stopped:
        log().warning(f"stopped early: {finished.stopped}", **about(job))
    left = any(finished.counts[outcome] for outcome in TO_RESUME)
    if left and finished.exit_code != RecordRejected.exit_code:
        _tell_command("finish it with: ", resume_command(job.journal), about(job))
    report = view(read_to_show(job.journal)) if reported else None
    return Ended(job.target, finished.exit_code, line, report)


def _tell_command(words: str, command: str, about: dict[str, str]) -> None:
    """A line for people that ends in a command to copy: on a terminal that is never broken into two."""
    if is_plain() and not about:
        STDERR.write(f"{words}{plain(command)}\n")
    else:
        log().info(words + command, **about)


def resume_command(journal: Path) -> str:
    """What finishes the run of this journal, with the options that connect as this command line does."""
    return shlex.join(["image-cleanup", "resume", str(journal), *event_loop.given_options(_RESUMED_WITH)])


def about(job: Job) -> dict[str, str]:
    """Which target a message is about, where there are many."""
    return {"target": job.target.name} if job.target.from_file else {}


@asynccontextmanager
async def _told_in_lines(job: Job) -> AsyncIterator[None]:
    if job.progress.draws:
        yield
        return

    async def tell() -> None:
        while True:
            await anyio.sleep(_TELL_EVERY)  # for people, so in their time
            if job.progress.planned:
                log().info(f"{job.progress.done:,} of {job.progress.planned:,} processed", **about(job))

    async with anyio.create_task_group() as group:
        group.start_soon(tell)
        yield
        group.cancel_scope.cancel()
