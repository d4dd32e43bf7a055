"""`resume`: settle what an interrupted run left in doubt, then finish it under its plan's checks."""

from pathlib import Path
from typing import Annotated

import typer

from cleanup import applying
from cleanup import plan as plans
from cleanup.cli import running
from cleanup.cli.deleting import conclude, delete, look, require_complete
from cleanup.cli.options import Connecting, Deleting, Working
from cleanup.cli.output import log
from cleanup.decision import Decision
from cleanup.errors import InventoryError, RecordRejected
from cleanup.journal import Finished, Journal, JournalFile, read
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.modelarts.wire import decode_image
from cleanup.outcome import TO_RESUME, Outcome, Verdict
from cleanup.plan import Plan
from cleanup.settings import Target, Terms
from cleanup.stopping import Stop


def resume(
    journal: Annotated[Path, typer.Argument(help="The journal of the interrupted run.", show_default=False)],
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
) -> None:
    """Finish an interrupted apply: settle what was in doubt first, then delete the rest."""
    target = connecting.target(working)
    terms = working.terms(connecting, deleting)
    told = read(journal)
    plan = _its_plan(told)
    todo = unfinished(plan, told)
    if not todo:
        log().info(f"nothing to resume: every image that {journal} planned has its final status")
        return
    plans.check_applicable(plan, target.ref, running.now())
    conclude(running.run_stoppable(lambda stop: _resume(target, terms, told, plan, todo, stop), terms))


def _its_plan(told: JournalFile) -> Plan:
    """The plan that the journal's last apply was made from, unchanged. Raises RecordRejected."""
    started = told.chain[0].started
    path = told.path.absolute().parent / started.plan
    if not path.exists():
        raise RecordRejected(f"the journal's plan {path} is gone; put it back there, or plan again")
    plan = plans.read(path, decode_image)
    if plan.summary.sha256 != started.plan_sha256:
        raise RecordRejected(
            f"{path} is not the plan that {told.path} was made from: put that one back, or plan again"
        )
    return plan


def unfinished(plan: Plan, told: JournalFile) -> tuple[Decision, ...]:
    """The planned deletes whose latest outcome is missing, not-attempted or unknown."""
    latest = told.latest
    return tuple(
        decision
        for decision in plan.deletes
        if decision.image.id not in latest or latest[decision.image.id].outcome in TO_RESUME
    )


async def _resume(
    target: Target, terms: Terms, told: JournalFile, plan: Plan, todo: tuple[Decision, ...], stop: Stop
) -> Finished:
    require_complete(plan)
    async with running.connected(target, terms, stop) as client:
        seen = await look(client, target, terms, stop)
        seen.require_complete()
        applying.check_limits(plan, todo, seen.images)
        settled = await running.unless_stopped(stop, _settle(client, told, todo))
        run_id = running.new_id(running.now())
        plan_path = told.path.absolute().parent / told.chain[0].started.plan
        with Journal(told.path, run_id, target.name, running.now) as writer:
            return await delete(
                target,
                terms,
                plan,
                plan_path,
                writer,
                client,
                seen,
                stop,
                run_id,
                todo,
                settled,
                resumes=told.runs[-1].started.run_id,
            )


async def _settle(client: Client, told: JournalFile, todo: tuple[Decision, ...]) -> dict[str, Verdict]:
    """Look up every image whose DELETE may have been sent and whose answer nobody wrote down.

    Gone or undeterminable ones are settled; those still there are due again.
    """
    settled: dict[str, Verdict] = {}
    for decision in todo:
        if decision.image.id not in told.in_doubt:
            continue
        try:
            found = await deletion.current(client, decision.image.id)
        except InventoryError as error:
            found = Verdict(outcome=Outcome.UNKNOWN, error_msg=f"could not be looked up: {error}")
        if isinstance(found, Verdict):
            settled[decision.image.id] = found
    return settled
