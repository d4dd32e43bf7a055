"""The job of a command on one target: its files, its progress, and how it is seen through."""

import shlex
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path

import anyio

from cleanup.cli import ends, event_loop
from cleanup.cli.command_line import given_options
from cleanup.cli.options import Connecting, Deleting, Telling, Working
from cleanup.cli.output import (
    STDERR,
    bare_stderr,
    complain,
    is_plain,
    is_quiet,
    log,
)
from cleanup.cli.parsing import FolderPath
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
from cleanup.reports.formatting import plain
from cleanup.reports.journal_view import summary_line
from cleanup.runtime import Runtime
from cleanup.stop import Stop

_TELL_EVERY = 15.0
# A deadline is over by then.
_RESUMED_WITH = {
    field.name for group in (Connecting, Working, Deleting, Telling) for field in fields(group)
} - {"deadline"}


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


def require_apart(journal: Path | None, output: Path | None) -> None:
    """Raise UsageError where the report would take the journal's place: that must not show when all is done."""
    if journal and output and journal.resolve() == output.resolve():
        raise UsageError(f"--journal and -o name the same file, {output}: the report wants one of its own")


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
    job: Job, work: Awaitable[RunFinished], warnings: ends.Warnings | None = None, *, reported: bool = False
) -> ends.Ended:
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
    left = any(finished.counts[outcome] for outcome in TO_RESUME) and job.journal.is_file()
    if left and finished.exit_code != RecordRejected.exit_code:
        _tell_command("finish it with: ", resume_command(job.journal), about(job))
    ended = ends.Ended(job.target, finished.exit_code, line)
    return _with_report(ended, job) if reported else ended


def _with_report(ended: ends.Ended, job: Job) -> ends.Ended:
    """With the journal's report. One that was touched cannot be shown: that must not hide how the run ended."""
    try:
        return replace(ended, report=view(read_to_show(job.journal)))
    except CleanupError as error:
        complain(error, **about(job))
        return replace(ended, exit_code=ended.exit_code or error.exit_code)


def _tell_command(words: str, command: str, about: dict[str, str]) -> None:
    """A line for people that ends in a command to copy: on a terminal that is never broken into two."""
    if is_plain() and not about:
        STDERR.write(f"{words}{plain(command)}\n")
    else:
        log().info(words + command, **about)


def resume_command(journal: Path) -> str:
    """What finishes the run of this journal, with the options that connect as this command line does."""
    return shlex.join(["image-cleanup", "resume", str(journal), *given_options(_RESUMED_WITH)])


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
