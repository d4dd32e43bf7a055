"""`plan`: list, decide, show, and write down what `apply` may delete."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli import event_loop as running
from cleanup.cli import fleet
from cleanup.cli.jobs import conclude
from cleanup.cli.options import Connecting, PolicyPaths, Working
from cleanup.cli.output import emit, log
from cleanup.config.settings import Target, Terms
from cleanup.errors import UsageError
from cleanup.modelarts.inventory import Scope
from cleanup.plan import build as planning
from cleanup.plan import file as plans
from cleanup.plan.file import Plan
from cleanup.policy import load, parse_duration
from cleanup.policy.language import Policy
from cleanup.reports import Format, plan_line, render

SOMETHING_TO_DELETE = 10


def plan(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The plan file, image-cleanup-PLAN_ID.plan.jsonl when left out; with --targets a folder.",
            metavar="FILE",
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to show the plan.")] = Format.TABLE,  # noqa: A002
    expires: Annotated[
        str, typer.Option(help="How long the plan may be applied.", metavar="DURATION")
    ] = "24h",
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Decide as if it were then (RFC 3339); such a plan cannot be applied.", metavar="TIME"
        ),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 when there is something to delete.")
    ] = False,
) -> None:
    """List, decide and show, read-only; write the plan file that `apply` takes."""
    terms = working.terms(connecting)
    wanted = _Wanted(_lifetime(expires), _moment(as_of) if as_of else None, format, detailed_exitcode)
    if (targets := connecting.fleet(working)) is not None:
        _plan_fleet(targets, terms, policy, output or Path(), wanted)
        return
    target = connecting.target(working)
    read_policy = load(policy)
    if output:
        plans.require_writable(output)
    made = running.run_async(lambda: make_plan(target, terms, read_policy, wanted.expires, wanted.as_of))
    path = output or Path(f"image-cleanup-{made.header.plan_id}.plan.jsonl")
    conclude([_written(made, path, wanted)])


class _Wanted:
    """What was asked of the plan, besides where and by which policy."""

    def __init__(
        self, expires: timedelta, as_of: datetime | None, shown_as: Format, detailed_exitcode: bool
    ) -> None:
        self.expires = expires
        self.as_of = as_of
        self.shown_as = shown_as
        self.detailed_exitcode = detailed_exitcode


def _written(made: Plan, path: Path, wanted: _Wanted, *, alone: bool = True) -> int:
    """Write and show a plan; the exit code it deserves."""
    made = plans.write(made, path)
    emit(render(made, wanted.shown_as, **running.terminal()))
    warn(made)
    applicable = alone and not (wanted.as_of or made.header.inventory.doubts or made.summary.over_limits)
    log().info(
        f"plan written to {path}" + (f"; apply it with: {_apply_line(made, path)}" if applicable else "")
    )
    return SOMETHING_TO_DELETE if wanted.detailed_exitcode and made.summary.delete else 0


def _apply_line(made: Plan, path: Path) -> str:
    """What applies this plan; `apply` looks at notebooks again and needs to be told whose, too."""
    scope = made.header.inventory.in_use
    return f"image-cleanup apply {path}" + ("" if scope == Scope.ALL else f" --in-use {scope}")


def _plan_fleet(
    targets: tuple[Target, ...], terms: Terms, policy: list[Path], folder: Path, wanted: _Wanted
) -> None:
    if not folder.is_dir():
        raise UsageError(
            f"-o {folder}: with --targets this is a folder that exists; each target gets its file"
        )
    fleet.require_prose(wanted.shown_as)
    policies = {target.name: load(target.policies or policy) for target in targets}

    async def one(target: Target) -> fleet.Ended:
        mine = policies[target.name]
        made = await make_plan(target, terms, mine, wanted.expires, wanted.as_of, alone=False)
        code = _written(made, plan_file(folder, target), wanted, alone=False)
        return fleet.Ended(target.name, code, plan_line(made.summary))

    ends = running.run_async(lambda: fleet.over(targets, one))
    fleet.summarize(ends)
    log().info(f"apply the plans with: image-cleanup apply {folder} and the same --targets")
    conclude(end.exit_code for end in ends)


def plan_file(folder: Path, target: Target) -> Path:
    """Where a target's plan lies when many are planned at once."""
    return folder / f"{target.name}.plan.jsonl"


async def make_plan(
    target: Target,
    terms: Terms,
    policy: Policy,
    expires: timedelta,
    as_of: datetime | None = None,
    *,
    alone: bool = True,
) -> Plan:
    """Look at one target and decide. Raises AccessDenied, InventoryError."""
    async with running.connected(target, terms) as client:
        with running.progress(alone) as progress:
            seen = await running.survey(client, target, terms, progress)
    moment = running.now()
    return planning.build_plan(
        seen,
        policy,
        target.ref,
        plan_id=running.new_id(moment),
        now=moment,
        expires=expires,
        as_of=as_of,
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
    if not 2000 <= moment.year <= 2200:
        raise UsageError(f"--as-of '{text}' is out of reach: from 2000 to 2200")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
