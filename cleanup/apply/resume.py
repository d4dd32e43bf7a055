"""An interrupted apply, finished: what was left in doubt is settled first, then the rest is deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cleanup.apply.earlier_plan import plan_path_of
from cleanup.apply.run import check_again, delete, require_complete
from cleanup.apply.settle import Open, doubts_here, settle
from cleanup.config.connect import connect
from cleanup.config.job import Job
from cleanup.config.settings import Target, TargetRef
from cleanup.decision.types import Decision
from cleanup.errors import Interrupted, RecordRejected, UsageError
from cleanup.image import Image
from cleanup.journal import JournalFile, RunFinished, read
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.outcome import TO_RESUME, Verdict
from cleanup.plan import file as plan_file
from cleanup.plan.build import look
from cleanup.plan.plan import Plan, check_applicable


def target_of(journal: JournalFile, targets: Sequence[Target]) -> Target:
    """The target that the journal is about; the only one, where there is only one. Raises UsageError."""
    name = journal.chain[0].started.target
    found = targets if len(targets) == 1 else [target for target in targets if target.name == name]
    if not found:
        raise UsageError(
            f"the journal is about the target '{name}', which is not in the targets file (or its shard)"
        )
    return found[0]


def plan_of(journal: JournalFile, key: str | None) -> Plan:
    """The plan that the journal's last apply was made from, unchanged. Raises RecordRejected."""
    path = plan_path_of(journal)
    if not path.exists():
        raise RecordRejected(f"the journal's plan {path} is gone; put it back there, or plan again")
    try:
        plan = plan_file.read(path, key)
    except UsageError as error:
        raise RecordRejected(f"{error}; put the journal's plan back there, or plan again") from error
    if plan.summary.sha256 != journal.chain[0].started.plan_sha256:
        raise RecordRejected(
            f"{path} is not the plan that {journal.path} was made from: put that one back, or plan again"
        )
    return plan


@dataclass(frozen=True)
class Refused:
    """Why a journal's plan cannot be gone on with; `plan` is that where it can at least be read."""

    why: RecordRejected
    plan: Plan | None


def applicable_plan(
    journal: JournalFile, key: str | None, target: TargetRef, now: datetime
) -> Plan | Refused:
    """The journal's plan, where it may still be applied to this target."""
    plan: Plan | None = None
    try:
        plan = plan_of(journal, key)
        if not (place := journal.chain[0].started.place).same_project(target):
            raise RecordRejected(
                f"the journal is about project {place.project_id} at {place.endpoint}, not about project "
                f"{target.project_id} at {target.endpoint}: connect to where it was written"
            )
        check_applicable(plan, target, now)
    except RecordRejected as error:
        return Refused(error, plan)
    return plan


def unfinished(plan: Plan, journal: JournalFile) -> tuple[Decision, ...]:
    """The planned deletes whose latest outcome is missing, not-attempted or unknown."""
    latest = journal.latest
    return tuple(
        decision
        for decision in plan.deletes
        if decision.image.key not in latest or latest[decision.image.key].outcome in TO_RESUME
    )


async def resume(job: Job, journal: JournalFile, plan: Plan, todo: tuple[Decision, ...]) -> RunFinished:
    """Settle what is in doubt, of whatever run, then delete the rest of `todo` under the plan's checks.

    Something is in doubt or `todo`.
    """
    require_complete(plan)
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        finished = await settle(job, client, journal, but=plan.summary.sha256 if todo else "")
        if finished:
            if not todo:
                return finished
            journal = read(journal.path)
        inventory = await look(job, client, again=True)
        inventory.require_complete()
        checked = check_again(job, plan, todo, inventory)
        settled = await job.stop.unless_requested(lambda: _settle(job, client, journal, todo))
        if settled is None:
            raise Interrupted(f"{job.stop.why}: nothing was deleted")
        return await delete(job, client, plan, todo, checked, inventory, settled=settled, resumed=journal)


async def give_up(job: Job, journal: JournalFile, refused: Refused, *, for_good: bool = False) -> RunFinished:
    """Settle what is in doubt where the plan cannot be gone on with; what else is open is not attempted.

    Raises the refusal where the journal knows all that already; `for_good` it is written down once more, so
    that the journal ends with it.
    """
    rest = _rest(journal, refused.plan) if journal.chain[0].started.place.same_project(job.target.ref) else ()
    known = not doubts_here(journal, job.target.ref) and all(one.image.key in journal.latest for one in rest)
    if known and not (for_good and rest):
        raise refused.why
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        finished = await settle(job, client, journal, rest=rest, refusal=refused.why)
    if finished is None or finished.exit_code != refused.why.exit_code:
        raise refused.why
    return finished


def _rest(journal: JournalFile, plan: Plan | None) -> tuple[Open, ...]:
    """What is open of the last plan and not in doubt; without the plan, as far as the journal knows."""
    doubts = journal.in_doubt
    if plan:
        return tuple(
            Open(one.image, one.rule) for one in unfinished(plan, journal) if one.image.key not in doubts
        )
    return tuple(
        Open(
            Image(
                id=one.image_id, namespace=one.namespace, name=one.name, tag=one.tag, swr_path=one.swr_path
            ),
            one.rule,
        )
        for key, one in journal.latest.items()
        if one.outcome in TO_RESUME and key not in doubts
    )


async def _settle(
    job: Job, client: Client, journal: JournalFile, todo: Sequence[Decision]
) -> Mapping[str, Verdict]:
    """Look up every image whose DELETE may have been sent and whose answer nobody wrote down.

    Gone or undeterminable ones are settled; those still there are due again. All that are still being
    deleted share one `--settle-timeout`.
    """
    until = job.runtime.clock() + job.settings.settle_timeout
    settled: dict[str, Verdict] = {}
    doubts = journal.in_doubt
    for decision in todo:
        if not (intent := doubts.get(decision.image.key)):
            continue
        found = await deletion.settle_doubt(client, decision.image.id, until=until, sleep=job.runtime.sleep)
        if isinstance(found, Verdict):
            settled[decision.image.id] = msgspec.structs.replace(found, force=intent.force)
    return settled
