"""From a plan to its outcomes: check it, look again, delete what is still due, write everything down."""

import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import cleanup
from cleanup import outcome
from cleanup.apply.executor import Executor
from cleanup.apply.fresh_use import FreshUse
from cleanup.apply.recheck import Due, Rechecked, recheck
from cleanup.apply.settle import settle_earlier
from cleanup.config.connect import connect
from cleanup.config.job import Job
from cleanup.decision import limits
from cleanup.decision.decisions import about
from cleanup.decision.select import select
from cleanup.decision.types import Decision
from cleanup.errors import InventoryError, JournalWriteError, LimitExceeded, UsageError
from cleanup.journal import DeleteResult, Journal, JournalFile, RunFinished, RunStarted
from cleanup.journal.records import GroupSeen
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Inventory
from cleanup.outcome import Outcome, Verdict
from cleanup.plan import file as plan_file
from cleanup.plan.build import build_plan, look
from cleanup.plan.plan import Plan
from cleanup.plan.summary import content_bytes
from cleanup.policy.language import Policy
from cleanup.stop import Cause


async def apply_plan(job: Job, plan: Plan) -> RunFinished:
    """Look again at the target, then apply a reviewed plan to it."""
    require_complete(plan)
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        await settle_earlier(job, client)
        inventory = await look(job, client, again=True)
        inventory.require_complete()
        checked = check_again(job, plan, plan.deletes, inventory)
        return await delete(job, client, plan, plan.deletes, checked, inventory)


async def run_policy(job: Job, policy: Policy, show: Callable[[Plan], Awaitable[None]]) -> RunFinished:
    """Plan and apply on one inventory, as long as that is fresh; the plan lies beside the journal.

    What `show` raises ends it before anything is deleted.
    """
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        await settle_earlier(job, client)
        inventory = await look(job, client)
        plan = plan_file.write(
            build_plan(inventory, policy, job), job.plan, job.plan_key, elsewhere=job.elsewhere
        )
        await show(plan)
        inventory.require_complete()
        checked = check_again(job, plan, plan.deletes, inventory, plan.decisions)
        return await delete(job, client, plan, plan.deletes, checked, inventory)


def require_complete(plan: Plan) -> None:
    """Raise InventoryError for a plan that was made on half a picture."""
    if not plan.header.inventory.complete:
        doubts = "; ".join(plan.header.inventory.doubts)
        raise InventoryError(f"the plan was made on an inventory that is not complete ({doubts}): plan again")


def check_again(
    job: Job,
    plan: Plan,
    planned: Sequence[Decision],
    inventory: Inventory,
    today: Sequence[Decision] | None = None,
) -> Rechecked:
    """Decide again, by the plan's own policy on the inventory of now, and hold the plan against that.

    `today` are these decisions where they have just been made. Raises LimitExceeded when the plan
    was, or what is still to be deleted has come to be, over the policy's limits.
    """
    now = job.runtime.now()
    if today is None:
        today = _decide_again(job, plan, inventory, now)
    checked = recheck(
        planned,
        today,
        plan.policy,
        others=inventory.others,
        all_seen=not inventory.unseen,
        seen_at=inventory.seen_at,
        now=now,
    )
    job.runtime.say_more(
        f"looked again at {len(planned):,} planned images",
        due=len(checked.due),
        left_alone=len(checked.left_alone),
    )
    _require_within_limits(plan, checked, today, inventory)
    return checked


def _decide_again(job: Job, plan: Plan, inventory: Inventory, now: datetime) -> Sequence[Decision]:
    job.progress.begin("deciding again")
    return select(
        inventory.images,
        plan.policy,
        inventory.in_use,
        now,
        others=inventory.others,
        unseen=inventory.unseen,
    )


def _require_within_limits(
    plan: Plan, checked: Rechecked, today: Sequence[Decision], inventory: Inventory
) -> None:
    listed = {one.image.key for one in checked.due if one.listed}
    going = about(today, listed)
    over = limits.violations(going, inventory.images, limits.RunLimits.of(plan.policy))
    if found := plan.summary.over_limits or over:
        raise LimitExceeded("nothing was deleted: " + "; ".join(found))


async def delete(
    job: Job,
    client: Client,
    plan: Plan,
    planned: tuple[Decision, ...],
    checked: Rechecked,
    inventory: Inventory,
    *,
    settled: Mapping[str, Verdict] | None = None,
    resumed: JournalFile | None = None,
) -> RunFinished:
    """Delete what of `planned` is `checked` to be due; one result each, whatever happens.

    `settled` are verdicts that are known already (the doubts of the `resumed` journal). The journal
    has its `run.started` and `run.finished` when this returns. Raises UsageError when the journal
    cannot even be begun; nothing was deleted then.
    """

    began = job.runtime.clock()
    job.progress.total(len(planned))
    with Journal.of(job, read_size=resumed.size if resumed else None) as journal:
        try:
            journal.write(_started(job, plan, len(planned), resumed))
        except JournalWriteError as error:
            raise UsageError(str(error)) from error
        verdicts = {one.image.id: verdict for one, verdict in checked.left_alone} | dict(settled or {})
        due = [one for one in checked.due if one.image.id not in verdicts]
        try:
            await job.stop.unless_requested(lambda: _write_groups(job, client, journal, due))
            _write_known(job, journal, planned, verdicts)
        except JournalWriteError as error:
            job.stop.request(Cause.JOURNAL, str(error))
        executor = _executor(job, client, journal, plan, FreshUse(job, client, inventory))
        with _frozen():
            verdicts = await executor.execute(due, verdicts)
        finished = _finished(job, client, planned, verdicts, job.runtime.clock() - began)
        if job.stop.cause is not Cause.JOURNAL:
            journal.write(finished)
    return finished


def _write_known(
    job: Job, journal: Journal, planned: Sequence[Decision], verdicts: Mapping[str, Verdict]
) -> None:
    """Write down the results of what needs no DELETE any more."""
    for one in planned:
        if verdict := verdicts.get(one.image.id):
            journal.write(DeleteResult.of(one.image, one.rule, verdict))
            job.progress.ended(verdict.outcome)


def _executor(job: Job, client: Client, journal: Journal, plan: Plan, users: FreshUse) -> Executor:
    def valid_for() -> float:
        return (plan.header.expires_at - job.runtime.now()).total_seconds()

    return Executor(
        client,
        journal,
        users,
        job.stop,
        policy=plan.policy,
        clock=job.runtime.clock,
        concurrency=job.target.concurrency,
        sleep=job.runtime.sleep,
        max_staleness=job.settings.max_staleness,
        valid_for=valid_for,
        settle_timeout=job.settings.settle_timeout,
        breaker=job.settings.breaker,
        ended=job.progress.ended,
    )


@contextmanager
def _frozen() -> Iterator[None]:
    """What is there by now stays to the end: the collector need not walk it again and again."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _write_groups(job: Job, client: Client, journal: Journal, due: Sequence[Due]) -> None:
    """Write down what the groups of the images that go say of themselves; a run does not depend on it."""
    going = {(one.image.workspace_id or "0", one.image.namespace, one.image.name) for one in due}
    for workspace in sorted({workspace for workspace, _, _ in going}):
        try:
            found = await client.list_groups(workspace)
        except InventoryError as error:
            job.progress.note(
                f"what the image groups of workspace {workspace} say of themselves (read_me) "
                f"is not kept for restore: {error}"
            )
            continue
        for group in found:
            if group.read_me and (workspace, group.namespace, group.name) in going:
                journal.write(
                    GroupSeen(
                        workspace_id=workspace,
                        namespace=group.namespace,
                        name=group.name,
                        read_me=group.read_me,
                    )
                )


def _started(job: Job, plan: Plan, planned: int, resumed: JournalFile | None) -> RunStarted:
    header = plan.header
    return RunStarted(
        plan_id=header.plan_id,
        plan=_beside(job.plan, job.journal),
        plan_sha256=plan.summary.sha256,
        policy_sha256=header.policy.sha256,
        planned=planned,
        limits=limits.RunLimits.of(plan.policy),
        rate=job.target.rate,
        concurrency=job.target.concurrency,
        endpoint=header.target.endpoint,
        project_id=header.target.project_id,
        workspaces=header.target.workspaces,
        tool_version=cleanup.__version__,
        resumes=resumed.chain[-1].started.run_id if resumed else None,
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
