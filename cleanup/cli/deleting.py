"""What `apply`, `run --apply` and `resume` have in common: look, check, delete, conclude."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import anyio
import typer

from cleanup import applying, planning
from cleanup import plan as plans
from cleanup.cli import running
from cleanup.cli.output import emit, log
from cleanup.decision import Decision
from cleanup.errors import InventoryError
from cleanup.journal import Finished, Journal
from cleanup.modelarts.client import Client
from cleanup.outcome import Verdict
from cleanup.plan import Plan
from cleanup.planning import Survey
from cleanup.policy.language import Policy
from cleanup.reports import Format, render
from cleanup.reports.matters import summary_line
from cleanup.settings import Target, Terms
from cleanup.stopping import Stop

LIFETIME = timedelta(hours=24)


async def apply_plan(
    target: Target, terms: Terms, plan: Plan, plan_path: Path, journal: Path | None, stop: Stop
) -> Finished:
    """Look again at the target, then apply a reviewed plan to it."""
    require_complete(plan)
    run_id = running.new_id(running.now())
    async with running.connected(target, terms, stop) as client:
        seen = await look(client, target, terms, stop)
        seen.require_complete()
        applying.check_limits(plan, plan.deletes, seen.images)
        with Journal(journal or default_journal(run_id), run_id, target.name, running.now) as writer:
            return await delete(
                target, terms, plan, plan_path, writer, client, seen, stop, run_id, plan.deletes
            )


async def run_policy(
    target: Target, terms: Terms, policy: Policy, shown_as: Format, journal: Path | None, stop: Stop
) -> Finished:
    """Plan and apply on one listing, as long as that is fresh."""
    moment = running.now()
    run_id = running.new_id(moment)
    journal = journal or default_journal(run_id)
    async with running.connected(target, terms, stop) as client:
        seen = await look(client, target, terms, stop)
        made = planning.draw_up(seen, policy, target.ref, plan_id=run_id, now=running.now(), expires=LIFETIME)
        path = journal.with_name(f"image-cleanup-{run_id}.plan.jsonl")
        made = plans.write(made, path)
        emit(render(made, shown_as, **running.terminal()))
        seen.require_complete()
        applying.check_limits(made, made.deletes, seen.images)
        with Journal(journal, run_id, target.name, running.now) as writer:
            return await delete(target, terms, made, path, writer, client, seen, stop, run_id, made.deletes)


def require_complete(plan: Plan) -> None:
    """Raise InventoryError for a plan that was made on half a picture."""
    if not plan.header.inventory.complete:
        doubts = "; ".join(plan.header.inventory.doubts)
        raise InventoryError(f"the plan was made on an inventory that is not complete ({doubts}): plan again")


def default_journal(run_id: str) -> Path:
    return Path(f"image-cleanup-{run_id}.jsonl")


async def look(client: Client, target: Target, terms: Terms, stop: Stop) -> Survey:
    """One look at the target, given up when a stop is asked for."""
    with running.progress() as progress:
        return await running.unless_stopped(
            stop,
            planning.survey(
                client, target.workspaces, terms.scope, terms.pins, anyio.current_time, progress.listed
            ),
        )


async def delete(
    target: Target,
    terms: Terms,
    plan: Plan,
    plan_path: Path,
    journal: Journal,
    client: Client,
    seen: Survey,
    stop: Stop,
    run_id: str,
    planned: tuple[Decision, ...],
    settled: Mapping[str, Verdict] | None = None,
    resumes: str | None = None,
) -> Finished:
    """Apply under a journal, with a progress bar on a terminal."""
    with running.progress() as progress:
        progress.total(len(planned))
        run = applying.Run(
            plan=plan,
            plan_path=plan_path,
            journal=journal,
            client=client,
            terms=applying.Terms(
                concurrency=target.concurrency,
                rate=target.rate,
                max_staleness=terms.max_staleness,
                breaker=terms.breaker,
            ),
            stop=stop,
            pins=terms.pins,
            scope=terms.scope,
            clock=anyio.current_time,
            run_id=run_id,
            resumes=resumes,
            ended=progress.ended,
        )
        finished = await applying.apply(run, planned, seen, settled or {})
    log().info(summary_line(finished))
    log().info(f"journal: {journal.path}")
    return finished


def conclude(finished: Finished) -> None:
    """End the command with the run's exit code, saying why where it is not 0."""
    if finished.stopped:
        log().warning(f"stopped early: {finished.stopped}")
    if finished.exit_code:
        raise typer.Exit(finished.exit_code)
