"""An interrupted apply, finished: what was left in doubt is settled first, then the rest is deleted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cleanup.apply.run import check_again, delete, require_complete
from cleanup.config.connect import connect
from cleanup.config.job import Job
from cleanup.config.settings import Target
from cleanup.decision.types import Decision
from cleanup.errors import Interrupted, InventoryError, RecordRejected, UsageError
from cleanup.image import Image
from cleanup.journal import JournalFile, RunFinished
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.outcome import TO_RESUME, Outcome, Verdict
from cleanup.plan import file as plan_file
from cleanup.plan.build import look
from cleanup.plan.file import Plan


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
    plan = plan_file.read(path, key)
    if plan.summary.sha256 != journal.chain[0].started.plan_sha256:
        raise RecordRejected(
            f"{path} is not the plan that {journal.path} was made from: put that one back, or plan again"
        )
    return plan


def plan_path_of(journal: JournalFile) -> Path:
    """Where the journal says its plan lies."""
    return journal.path.absolute().parent / journal.chain[0].started.plan


def unfinished(plan: Plan, journal: JournalFile) -> tuple[Decision, ...]:
    """The planned deletes whose latest outcome is missing, not-attempted or unknown."""
    latest = journal.latest
    return tuple(
        decision
        for decision in plan.deletes
        if decision.image.id not in latest or latest[decision.image.id].outcome in TO_RESUME
    )


async def resume(job: Job, journal: JournalFile, plan: Plan, todo: tuple[Decision, ...]) -> RunFinished:
    """Settle what of `todo` is in doubt, then delete the rest under the plan's checks."""
    require_complete(plan)
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        inventory = await look(job, client)
        inventory.require_complete()
        checked = check_again(job, plan, todo, inventory)
        settled = await job.stop.unless_requested(lambda: _settle(client, journal, todo))
        if settled is None:
            raise Interrupted(f"{job.stop.why}: nothing was deleted")
        return await delete(job, client, plan, todo, checked, inventory, settled=settled, resumed=journal)


async def _settle(client: Client, journal: JournalFile, todo: Sequence[Decision]) -> Mapping[str, Verdict]:
    """Look up every image whose DELETE may have been sent and whose answer nobody wrote down.

    Gone or undeterminable ones are settled; those still there are due again.
    """
    settled: dict[str, Verdict] = {}
    in_doubt, chain = journal.in_doubt, journal.chain
    for decision in todo:
        image_id = decision.image.id
        if image_id not in in_doubt:
            continue
        found = await _look_up(client, image_id)
        if isinstance(found, Verdict):
            intents = [run.intents[image_id] for run in chain if image_id in run.intents]
            asked = bool(intents) and intents[-1].force
            settled[image_id] = msgspec.structs.replace(found, force=asked)
    return settled


async def _look_up(client: Client, image_id: str) -> Image | Verdict:
    """The image, or the verdict that it is gone, or that this is still unknown."""
    try:
        found = await deletion.current(client, image_id)
    except InventoryError as error:
        return Verdict(outcome=Outcome.UNKNOWN, error_msg=f"could not be looked up: {error}")
    if isinstance(found, Verdict) and found.outcome is not Outcome.ALREADY_GONE:
        return msgspec.structs.replace(found, outcome=Outcome.UNKNOWN)
    return found
