"""`resume`: settle what an interrupted run left in doubt, then finish it under its plan's checks."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cleanup.apply import run as applying
from cleanup.cli import event_loop as running
from cleanup.cli.jobs import Job, conclude, delete, look, new_job, require_complete
from cleanup.cli.options import Connecting, Deleting, Working
from cleanup.cli.output import log
from cleanup.config.settings import Target
from cleanup.decision.types import Decision
from cleanup.errors import InventoryError, RecordRejected, UsageError
from cleanup.image import Image
from cleanup.journal import JournalFile, RunFinished, read
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.modelarts.wire import decode_image
from cleanup.outcome import TO_RESUME, Outcome, Verdict
from cleanup.plan import file as plans
from cleanup.plan.file import Plan
from cleanup.stop import Stop


def resume(
    journal: Annotated[
        Path,
        typer.Argument(metavar="JOURNAL", help="The journal of the interrupted run.", show_default=False),
    ],
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
) -> None:
    """Finish an interrupted apply: settle what was in doubt first, then delete the rest."""
    terms = working.terms(connecting, deleting)
    told = read(journal)
    targets = connecting.fleet(working)
    target = _its_target(told, (connecting.target(working),) if targets is None else targets)
    plan = _its_plan(told)
    plans.check_applicable(plan, target.ref, running.now())
    todo = unfinished(plan, told)
    if not todo:
        log().info(f"nothing to resume: every image that {journal} planned has its final status")
        return

    async def work(stop: Stop) -> RunFinished:
        return await _resume(new_job(target, terms, stop, journal), told, plan, todo)

    conclude([running.run_stoppable(work, terms).exit_code])


def _its_target(told: JournalFile, targets: tuple[Target, ...]) -> Target:
    """The target that the journal is about; the only one, where there is no targets file."""
    name = told.chain[0].started.target
    found = targets if len(targets) == 1 else [target for target in targets if target.name == name]
    if not found:
        raise UsageError(
            f"the journal is about the target '{name}', which is not in the targets file (or its shard)"
        )
    return found[0]


def _its_plan(told: JournalFile) -> Plan:
    """The plan that the journal's last apply was made from, unchanged. Raises RecordRejected."""
    path = _plan_path(told)
    if not path.exists():
        raise RecordRejected(f"the journal's plan {path} is gone; put it back there, or plan again")
    plan = plans.read(path, decode_image)
    if plan.summary.sha256 != told.chain[0].started.plan_sha256:
        raise RecordRejected(
            f"{path} is not the plan that {told.path} was made from: put that one back, or plan again"
        )
    return plan


def _plan_path(told: JournalFile) -> Path:
    return told.path.absolute().parent / told.chain[0].started.plan


def unfinished(plan: Plan, told: JournalFile) -> tuple[Decision, ...]:
    """The planned deletes whose latest outcome is missing, not-attempted or unknown."""
    latest = told.latest
    return tuple(
        decision
        for decision in plan.deletes
        if decision.image.id not in latest or latest[decision.image.id].outcome in TO_RESUME
    )


async def _resume(job: Job, told: JournalFile, plan: Plan, todo: tuple[Decision, ...]) -> RunFinished:
    require_complete(plan)
    async with running.connected(job.target, job.terms, job.stop) as client:
        with running.progress(job.alone) as progress:
            seen = await look(job, client, progress)
            seen.require_complete()
            applying.check_limits(plan, todo, seen.images)
            settled = await running.unless_stopped(job.stop, _settle(client, told, todo))
            return await delete(
                job,
                plan,
                _plan_path(told),
                client,
                seen,
                todo,
                progress,
                settled=settled,
                told=told,
            )


async def _settle(client: Client, told: JournalFile, todo: tuple[Decision, ...]) -> dict[str, Verdict]:
    """Look up every image whose DELETE may have been sent and whose answer nobody wrote down.

    Gone or undeterminable ones are settled; those still there are due again.
    """
    settled: dict[str, Verdict] = {}
    for decision in todo:
        if decision.image.id not in told.in_doubt:
            continue
        found = await _look_up(client, decision.image.id)
        if isinstance(found, Verdict):
            settled[decision.image.id] = msgspec.structs.replace(found, force=_force_asked(told, decision))
    return settled


def _force_asked(told: JournalFile, decision: Decision) -> bool:
    """Whether the DELETE that was in doubt had asked for the content too."""
    intents = [run.intents[decision.image.id] for run in told.chain if decision.image.id in run.intents]
    return bool(intents) and intents[-1].force


async def _look_up(client: Client, image_id: str) -> Image | Verdict:
    """The image, or the verdict that it is gone, or that this is still unknown."""
    try:
        found = await deletion.current(client, image_id)
    except InventoryError as error:
        return Verdict(outcome=Outcome.UNKNOWN, error_msg=f"could not be looked up: {error}")
    if isinstance(found, Verdict) and found.outcome is not Outcome.ALREADY_GONE:
        return msgspec.structs.replace(found, outcome=Outcome.UNKNOWN)
    return found
