"""`plan`: list, decide, show, and write down what `apply` may delete."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import anyio
import typer

from cleanup import plan as plans
from cleanup import planning
from cleanup.cli import running
from cleanup.cli.options import Connecting, PolicyPaths, Working
from cleanup.cli.output import emit, log
from cleanup.errors import UsageError
from cleanup.plan import Plan
from cleanup.policy import load, parse_duration
from cleanup.policy.language import Policy
from cleanup.reports import Format, render
from cleanup.settings import Target, Terms

SOMETHING_TO_DELETE = 10


def plan(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The plan file. [default: image-cleanup-<plan_id>.plan.jsonl]"),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to show the plan.")] = Format.TABLE,  # noqa: A002
    expires: Annotated[str, typer.Option(help="How long the plan may be applied.")] = "24h",
    as_of: Annotated[
        str | None, typer.Option(help="Decide as if it were then (RFC 3339); such a plan cannot be applied.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 when there is something to delete.")
    ] = False,
) -> None:
    """List, decide and show, read-only; write the plan file that `apply` takes."""
    target = connecting.target(working)
    terms = working.terms(connecting)
    forecast = _moment(as_of) if as_of else None
    lifetime = _lifetime(expires)
    read_policy = load(policy)
    made = running.run_async(lambda: make_plan(target, terms, read_policy, lifetime, forecast))
    path = output or Path(f"image-cleanup-{made.header.plan_id}.plan.jsonl")
    made = plans.write(made, path)
    emit(render(made, format, **running.terminal()))
    warn(made)
    log().info(
        f"plan written to {path}" + ("" if forecast else f"; apply it with: image-cleanup apply {path}")
    )
    if detailed_exitcode and made.summary.delete:
        raise typer.Exit(SOMETHING_TO_DELETE)


async def make_plan(
    target: Target, terms: Terms, policy: Policy, expires: timedelta, as_of: datetime | None = None
) -> Plan:
    """Look at one target and decide. Raises AccessDenied, InventoryError."""
    async with running.connected(target, terms) as client:
        with running.progress() as progress:
            seen = await planning.survey(
                client, target.workspaces, terms.scope, terms.pins, anyio.current_time, progress.listed
            )
    moment = running.now()
    return planning.draw_up(
        seen, policy, target.ref, plan_id=running.new_id(moment), now=moment, expires=expires, as_of=as_of
    )


def warn(made: Plan) -> None:
    """Say loudly what keeps a plan from being applied."""
    for doubt in made.header.inventory.doubts:
        log().warning(f"the inventory is not complete, so this plan cannot be applied: {doubt}")
    for breach in made.summary.over_limits:
        log().warning(f"over a limit, so this plan cannot be applied: {breach}")


def _lifetime(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--expires '{text}': {error}") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--as-of '{text}' is no time: write it as 2027-01-31 or 2027-01-31T22:00:00Z"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
