"""What `apply`, `run --apply` and `resume` have in common: look, check, delete, conclude."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import anyio
import typer

from cleanup.apply import run as applying
from cleanup.cli import event_loop as running
from cleanup.cli.output import log
from cleanup.config.settings import Target, Terms
from cleanup.decision.types import Decision
from cleanup.errors import InventoryError, RecordRejected, UsageError
from cleanup.journal import Journal, JournalFile, RunFinished, read, require_writable
from cleanup.modelarts.client import Client
from cleanup.outcome import Verdict
from cleanup.plan import build as planning
from cleanup.plan import file as plans
from cleanup.plan.build import Survey
from cleanup.plan.file import Plan
from cleanup.policy.language import Policy
from cleanup.reports import summary_line
from cleanup.reports.progress import Progress
from cleanup.stop import Stop

LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run against one target: where, how, how it may be stopped, and where it is written down.

    `alone` is false where other targets are at work at the same time.
    """

    target: Target
    terms: Terms
    stop: Stop
    run_id: str
    journal: Path
    alone: bool = True

    @property
    def name(self) -> str:
        """What the run's files are called; with many targets the target names them too."""
        return (
            f"image-cleanup-{self.run_id}"
            if self.alone
            else f"image-cleanup-{self.target.name}-{self.run_id}"
        )


def new_job(target: Target, terms: Terms, stop: Stop, journal: Path | None, *, alone: bool = True) -> Job:
    """A job with an id of its own; `journal` is a file, or (not `alone`) a folder.

    Raises UsageError where its journal could not be written, or where something else lies there.
    """
    run_id = running.new_id(running.now())
    job = Job(target=target, terms=terms, stop=stop, run_id=run_id, journal=Path(), alone=alone)
    path = journal if journal and alone else (journal or Path()) / f"{job.name}.jsonl"
    require_writable(path)
    if path.is_file() and path.stat().st_size:
        _require_journal(path)
    return replace(job, journal=path)


def _require_journal(path: Path) -> None:
    """Only a journal is appended to: anything else would be ruined, and could not be read back."""
    try:
        read(path)
    except RecordRejected as error:
        raise UsageError(
            f"{error}; nothing is appended to it, choose another place with --journal"
        ) from error


async def apply_plan(job: Job, plan: Plan, plan_path: Path) -> RunFinished:
    """Look again at the target, then apply a reviewed plan to it."""
    require_complete(plan)
    async with running.connected(job.target, job.terms, job.stop) as client:
        with running.progress(job.alone) as progress:
            seen = await look(job, client, progress)
            seen.require_complete()
            applying.check_limits(plan, plan.deletes, seen.images)
            return await delete(job, plan, plan_path, client, seen, plan.deletes, progress)


async def run_policy(job: Job, policy: Policy, show: Callable[[Plan], None]) -> RunFinished:
    """Plan and apply on one listing, as long as that is fresh; the plan lies beside the journal."""
    async with running.connected(job.target, job.terms, job.stop) as client:
        with running.progress(job.alone) as progress:
            seen = await look(job, client, progress)
        made = planning.build_plan(
            seen, policy, job.target.ref, plan_id=job.run_id, now=running.now(), expires=LIFETIME
        )
        path = job.journal.with_name(f"{job.name}.plan.jsonl")
        made = plans.write(made, path)
        show(made)
        seen.require_complete()
        applying.check_limits(made, made.deletes, seen.images)
        with running.progress(job.alone) as progress:
            return await delete(job, made, path, client, seen, made.deletes, progress)


def require_complete(plan: Plan) -> None:
    """Raise InventoryError for a plan that was made on half a picture."""
    if not plan.header.inventory.complete:
        doubts = "; ".join(plan.header.inventory.doubts)
        raise InventoryError(f"the plan was made on an inventory that is not complete ({doubts}): plan again")


async def look(job: Job, client: Client, progress: Progress) -> Survey:
    """One look at the target, given up when a stop is asked for."""
    return await running.unless_stopped(
        job.stop,
        running.survey(client, job.target, job.terms, progress),
    )


async def delete(
    job: Job,
    plan: Plan,
    plan_path: Path,
    client: Client,
    seen: Survey,
    planned: tuple[Decision, ...],
    progress: Progress,
    *,
    settled: Mapping[str, Verdict] | None = None,
    told: JournalFile | None = None,
) -> RunFinished:
    """Apply under the job's journal; `told` is what that journal said before, when it is resumed."""
    progress.total(len(planned))
    size = told.size if told else None
    with Journal(job.journal, job.run_id, job.target.name, running.now, read_size=size) as journal:
        run = applying.Run(
            plan=plan,
            plan_path=plan_path,
            journal=journal,
            client=client,
            terms=_terms(job),
            stop=job.stop,
            pins=job.terms.pins,
            scope=job.terms.scope,
            clock=anyio.current_time,
            run_id=job.run_id,
            resumes=told.runs[-1].started.run_id if told else None,
            ended=progress.ended,
        )
        async with running.told_in_lines(progress, len(planned)):
            finished = await applying.apply(run, planned, seen, settled or {})
    _tell(job, finished)
    return finished


def _terms(job: Job) -> applying.Terms:
    return applying.Terms(
        concurrency=job.target.concurrency,
        rate=job.target.rate,
        max_staleness=job.terms.max_staleness,
        breaker=job.terms.breaker,
    )


def _tell(job: Job, finished: RunFinished) -> None:
    about = {} if job.alone else {"target": job.target.name}
    log().info(f"{summary_line(finished)}; journal: {job.journal}", **about)
    if finished.stopped:
        log().warning(f"stopped early: {finished.stopped}", **about)


def conclude(exit_codes: Iterable[int]) -> None:
    """End the command with the worst of these exit codes."""
    if code := worst(exit_codes):
        raise typer.Exit(code)


def worst(exit_codes: Iterable[int]) -> int:
    """The exit code that speaks for all: a bug before all else, then the highest error; 10 is no error."""
    codes = set(exit_codes) - {0}
    if 1 in codes:
        return 1
    return max(codes - {10}, default=10 if 10 in codes else 0)
