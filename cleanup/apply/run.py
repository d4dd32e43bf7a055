"""From a plan to its outcomes: check it, look again, delete what is still due, write everything down."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

import cleanup
from cleanup import outcome
from cleanup.apply.executor import Hands, execute
from cleanup.apply.recheck import Due, recheck
from cleanup.decision import limits
from cleanup.decision.types import Decision
from cleanup.errors import InventoryError, JournalWriteError, LimitExceeded, UsageError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.journal import DeleteIntent, DeleteResult, Journal, RunFinished, RunStarted
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Scope, read_notebooks
from cleanup.outcome import Outcome, Verdict
from cleanup.plan.build import Survey, hidden_users
from cleanup.plan.file import Plan, content_bytes
from cleanup.stop import Cause, Stop


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a run may go: `max_staleness` in seconds, `breaker` in results (see `execute`)."""

    concurrency: int
    rate: float
    max_staleness: float
    breaker: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One applying of one plan to one target: what it works with."""

    plan: Plan
    plan_path: Path
    journal: Journal
    client: Client
    terms: Terms
    stop: Stop
    pins: InUse
    scope: Scope
    clock: Callable[[], float]
    run_id: str
    resumes: str | None = None
    ended: Callable[[Outcome], None] = lambda _: None


def check_limits(plan: Plan, planned: Iterable[Decision], images: Sequence[Image]) -> None:
    """Raise LimitExceeded when the plan is, or on this inventory has come to be, over its limits.

    Of `planned` only what the inventory still shows counts: what is gone cannot be deleted.
    """
    there = {image.id for image in images}
    still = [decision for decision in planned if decision.image.id in there]
    found = plan.summary.over_limits or limits.violations(still, images, plan.header.policy.limits)
    if found:
        raise LimitExceeded("nothing was deleted: " + "; ".join(found))


async def apply(
    run: Run, planned: tuple[Decision, ...], seen: Survey, settled: Mapping[str, Verdict]
) -> RunFinished:
    """Delete what of `planned` is still as the plan saw it; one result each, whatever happens.

    `settled` are verdicts that are known already (a resumed run's doubts). The journal has its
    `run.started` and `run.finished` when this returns. Raises UsageError when the journal cannot
    even be begun; nothing was deleted then.
    """
    began = run.clock()
    try:
        run.journal.started(_started(run, len(planned)))
    except JournalWriteError as error:
        raise UsageError(str(error)) from error
    verdicts = dict(settled)
    for decision in planned:
        if decision.image.id in settled:
            _report(
                run, Due(image=decision.image, rule=decision.rule, force=False), settled[decision.image.id]
            )
    open_ones = [decision for decision in planned if decision.image.id not in settled]
    checked = recheck(open_ones, {image.id: image for image in seen.images}, seen.in_use, seen.seen_at)
    for one, verdict in checked.left_alone:
        verdicts[one.image.id] = verdict
        _report(run, one, verdict)
    verdicts |= await execute(
        checked.due,
        _hands(run, seen),
        run.stop,
        concurrency=run.terms.concurrency,
        max_staleness=run.terms.max_staleness,
        breaker=run.terms.breaker,
    )
    return _finish(run, planned, verdicts, run.clock() - began)


def _report(run: Run, one: Due, verdict: Verdict) -> None:
    run.journal.result(DeleteResult.of(one.image, one.rule, verdict))
    run.ended(verdict.outcome)


def _hands(run: Run, seen: Survey) -> Hands:
    async def intend(one: Due) -> None:
        await run.journal.intent(
            DeleteIntent(image_id=one.image.id, rule=one.rule, force=one.force, image=one.image.raw)
        )

    return Hands(
        delete=lambda image_id, force, fresh: deletion.delete(run.client, image_id, force=force, fresh=fresh),
        look_up=lambda image_id: deletion.current(run.client, image_id),
        users=_FreshUse(run, seen).get,
        sharers=run.client.same_repository,
        intend=intend,
        report=lambda one, verdict: _report(run, one, verdict),
        clock=run.clock,
    )


class _FreshUse:
    """Who uses what, never older than the run's `max_staleness`; workers that wait share one reading."""

    def __init__(self, run: Run, seen: Survey) -> None:
        self._run = run
        self._in_use = seen.in_use
        self._read_at = seen.seen_at
        self._reading = anyio.Lock()

    async def get(self) -> tuple[InUse, float]:
        asked_at = self._run.clock()
        async with self._reading:
            too_old = self._run.clock() - self._read_at >= self._run.terms.max_staleness
            if too_old and self._read_at < asked_at:
                read_at = self._run.clock()
                fresh = await read_notebooks(
                    self._run.client, self._run.plan.header.target.workspaces, self._run.scope
                )
                if doubts := hidden_users(fresh, self._run.scope):
                    raise InventoryError(doubts[0])
                self._in_use, self._read_at = fresh.in_use | self._run.pins, read_at
            return self._in_use, self._read_at


def _started(run: Run, planned: int) -> RunStarted:
    header = run.plan.header
    return RunStarted(
        run_id=run.run_id,
        target=header.target.name,
        plan_id=header.plan_id,
        plan=_beside(run.plan_path, run.journal.path),
        plan_sha256=run.plan.summary.sha256,
        policy_sha256=header.policy.sha256,
        planned=planned,
        limits=header.policy.limits,
        rate=run.terms.rate,
        concurrency=run.terms.concurrency,
        endpoint=header.target.endpoint,
        project_id=header.target.project_id,
        workspaces=header.target.workspaces,
        tool_version=cleanup.__version__,
        resumes=run.resumes,
    )


def _beside(plan: Path, journal: Path) -> str:
    """The plan's place as seen from the journal's folder, so that both can be moved together."""
    plan, folder = plan.absolute(), journal.absolute().parent
    return str(plan.relative_to(folder)) if plan.is_relative_to(folder) else str(plan)


def _finish(
    run: Run, planned: tuple[Decision, ...], verdicts: Mapping[str, Verdict], seconds: float
) -> RunFinished:
    counts = outcome.tally(verdict.outcome for verdict in verdicts.values())
    freed = (
        decision.image
        for decision in planned
        if verdicts[decision.image.id].outcome is Outcome.DELETED and verdicts[decision.image.id].force
    )
    finished = RunFinished(
        counts=counts,
        planned=len(planned),
        bytes_freed=content_bytes(freed),
        requests=run.client.requests,
        throttled=run.client.throttled,
        rate_end=run.client.rate_now,
        duration_s=round(seconds, 3),
        exit_code=outcome.exit_code(counts, run.stop.cause),
        stopped=run.stop.why or None,
    )
    if run.stop.cause is not Cause.JOURNAL:
        run.journal.finished(finished)
    return finished
