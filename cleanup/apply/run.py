"""From a plan to its outcomes: check it, look again, delete what is still due, write everything down."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import cleanup
from cleanup import outcome
from cleanup.apply.executor import Executor
from cleanup.apply.fresh_use import FreshUse
from cleanup.apply.recheck import Due, recheck
from cleanup.config.connect import connect
from cleanup.config.job import Job
from cleanup.decision import limits
from cleanup.decision.types import Decision
from cleanup.errors import InventoryError, JournalWriteError, LimitExceeded, UsageError
from cleanup.image import Image
from cleanup.journal import DeleteResult, Journal, JournalFile, RunFinished, RunStarted
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Inventory
from cleanup.outcome import Outcome, Verdict
from cleanup.plan import file as plan_file
from cleanup.plan.build import build_plan, look
from cleanup.plan.file import Plan, content_bytes
from cleanup.policy.language import Policy
from cleanup.stop import Cause


async def apply_plan(job: Job, plan: Plan) -> RunFinished:
    """Look again at the target, then apply a reviewed plan to it."""
    require_complete(plan)
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        inventory = await look(job, client)
        inventory.require_complete()
        check_limits(plan, plan.deletes, inventory.images)
        return await delete(job, client, plan, plan.deletes, inventory)


async def run_policy(job: Job, policy: Policy, show: Callable[[Plan], None]) -> RunFinished:
    """Plan and apply on one inventory, as long as that is fresh; the plan lies beside the journal."""
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        inventory = await look(job, client)
        plan = plan_file.write(build_plan(inventory, policy, job), job.plan)
        show(plan)
        inventory.require_complete()
        check_limits(plan, plan.deletes, inventory.images)
        return await delete(job, client, plan, plan.deletes, inventory)


def require_complete(plan: Plan) -> None:
    """Raise InventoryError for a plan that was made on half a picture."""
    if not plan.header.inventory.complete:
        doubts = "; ".join(plan.header.inventory.doubts)
        raise InventoryError(f"the plan was made on an inventory that is not complete ({doubts}): plan again")


def check_limits(plan: Plan, planned: Iterable[Decision], images: Sequence[Image]) -> None:
    """Raise LimitExceeded when the plan is, or on this inventory has come to be, over its limits.

    Of `planned` only what the inventory still shows counts: what is gone cannot be deleted.
    """
    there = {image.id for image in images}
    still = [decision for decision in planned if decision.image.id in there]
    found = plan.summary.over_limits or limits.violations(still, images, plan.header.policy.limits)
    if found:
        raise LimitExceeded("nothing was deleted: " + "; ".join(found))


async def delete(
    job: Job,
    client: Client,
    plan: Plan,
    planned: tuple[Decision, ...],
    inventory: Inventory,
    *,
    settled: Mapping[str, Verdict] | None = None,
    resumed: JournalFile | None = None,
) -> RunFinished:
    """Delete what of `planned` is still as the plan saw it; one result each, whatever happens.

    `settled` are verdicts that are known already (the doubts of the `resumed` journal). The journal
    has its `run.started` and `run.finished` when this returns. Raises UsageError when the journal
    cannot even be begun; nothing was deleted then.
    """
    began = job.runtime.clock()
    job.progress.total(len(planned))
    size = resumed.size if resumed else None
    with Journal(job.journal, job.run_id, job.target.name, job.runtime.now, read_size=size) as journal:
        try:
            journal.write(_started(job, plan, len(planned), resumed))
        except JournalWriteError as error:
            raise UsageError(str(error)) from error
        verdicts = dict(settled or {})
        open_ones = [decision for decision in planned if decision.image.id not in verdicts]
        checked = recheck(
            open_ones, {image.id: image for image in inventory.images}, inventory.in_use, inventory.seen_at
        )
        known = [(_unforced(one), verdicts[one.image.id]) for one in planned if one.image.id in verdicts]
        for one, verdict in (*known, *checked.left_alone):
            verdicts[one.image.id] = verdict
            journal.write(DeleteResult.of(one.image, one.rule, verdict))
            job.progress.ended(verdict.outcome)
        executor = Executor(
            client,
            journal,
            FreshUse(job, client, inventory),
            job.stop,
            clock=job.runtime.clock,
            concurrency=job.target.concurrency,
            max_staleness=job.settings.max_staleness,
            breaker=job.settings.breaker,
            ended=job.progress.ended,
        )
        verdicts |= await executor.execute(checked.due)
        finished = _finished(job, client, planned, verdicts, job.runtime.clock() - began)
        if job.stop.cause is not Cause.JOURNAL:
            journal.write(finished)
    return finished


def _unforced(decision: Decision) -> Due:
    return Due(image=decision.image, rule=decision.rule, force=False)


def _started(job: Job, plan: Plan, planned: int, resumed: JournalFile | None) -> RunStarted:
    header = plan.header
    return RunStarted(
        plan_id=header.plan_id,
        plan=_beside(job.plan, job.journal),
        plan_sha256=plan.summary.sha256,
        policy_sha256=header.policy.sha256,
        planned=planned,
        limits=header.policy.limits,
        rate=job.target.rate,
        concurrency=job.target.concurrency,
        endpoint=header.target.endpoint,
        project_id=header.target.project_id,
        workspaces=header.target.workspaces,
        tool_version=cleanup.__version__,
        resumes=resumed.runs[-1].started.run_id if resumed else None,
    )


def _beside(plan: Path, journal: Path) -> str:
    """The plan's place as seen from the journal's folder, so that both can be moved together."""
    plan, folder = plan.absolute(), journal.absolute().parent
    return str(plan.relative_to(folder)) if plan.is_relative_to(folder) else str(plan)


def _finished(
    job: Job, client: Client, planned: Sequence[Decision], verdicts: Mapping[str, Verdict], seconds: float
) -> RunFinished:
    counts = outcome.tally(verdict.outcome for verdict in verdicts.values())
    freed = (
        decision.image
        for decision in planned
        if verdicts[decision.image.id].outcome is Outcome.DELETED and verdicts[decision.image.id].force
    )
    exit_code = outcome.exit_code(counts, job.stop.cause)
    return RunFinished.of(
        counts,
        planned=len(planned),
        bytes_freed=content_bytes(freed),
        requests=client.requests,
        throttled=client.throttled,
        rate_end=client.rate_now,
        duration_s=round(seconds, 3),
        exit_code=exit_code,
        stopped=job.stop.why or None,
    )
