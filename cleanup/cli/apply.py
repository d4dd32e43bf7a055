"""`apply` and `run`: delete what a plan names and what still is as the plan saw it."""

from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli import event_loop as running
from cleanup.cli import fleet
from cleanup.cli.jobs import LIFETIME, apply_plan, conclude, new_job, run_policy
from cleanup.cli.options import Connecting, Deleting, JournalPath, PolicyPaths, Working
from cleanup.cli.output import emit, log
from cleanup.cli.plan import make_plan, plan_file, warn
from cleanup.config.settings import Target, Terms
from cleanup.errors import UsageError
from cleanup.journal import RunFinished
from cleanup.modelarts.wire import decode_image
from cleanup.plan import file as plans
from cleanup.plan.file import Plan
from cleanup.policy import load
from cleanup.reports import Format, plan_line, render, summary_line
from cleanup.stop import Stop


def apply(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN",
            help="A plan file written by `plan`; with --targets, the folder of plans.",
            show_default=False,
        ),
    ],
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    journal: JournalPath = None,
) -> None:
    """Delete exactly what the plan names and what still is as the plan saw it."""
    terms = working.terms(connecting, deleting)
    if (targets := connecting.fleet(working)) is not None:
        _apply_fleet(targets, terms, plan, _folder(journal))
        return
    target = connecting.target(working)
    reviewed = reviewed_plan(plan, target)

    async def work(stop: Stop) -> RunFinished:
        return await apply_plan(new_job(target, terms, stop, journal), reviewed, plan)

    conclude([running.run_stoppable(work, terms).exit_code])


def reviewed_plan(path: Path, target: Target) -> Plan:
    """A plan that may be applied to this target now. Raises RecordRejected, UsageError."""
    reviewed = plans.read(path, decode_image)
    plans.check_applicable(reviewed, target.ref, running.now())
    return reviewed


def _apply_fleet(targets: tuple[Target, ...], terms: Terms, folder: Path, journals: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: with --targets, PLAN is the folder that `plan -o` wrote to")

    async def work(stop: Stop) -> list[fleet.Ended]:
        async def one(target: Target) -> fleet.Ended:
            path = plan_file(folder, target)
            if not path.exists():
                raise UsageError(f"there is no plan {path}: plan this target first")
            reviewed = reviewed_plan(path, target)
            job = new_job(target, terms, stop.child(), journals, alone=False)
            return _ended(target, await apply_plan(job, reviewed, path))

        return await fleet.over(targets, one)

    _conclude_fleet(running.run_stoppable(work, terms))


def run(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    apply: Annotated[
        bool, typer.Option("--apply", help="Really delete; without it this is a dry run.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How to show the plan.")] = Format.TABLE,  # noqa: A002
    journal: JournalPath = None,
) -> None:
    """Plan and apply in one go, for cron. Without --apply it is a dry run."""
    terms = working.terms(connecting, deleting)
    if (targets := connecting.fleet(working)) is not None:
        _run_fleet(targets, terms, policy, apply, format, _folder(journal))
        return
    target = connecting.target(working)
    read_policy = load(policy)

    async def work(stop: Stop) -> RunFinished:
        job = new_job(target, terms, stop, journal)
        return await run_policy(job, read_policy, lambda made: _show(made, format))

    if apply:
        conclude([running.run_stoppable(work, terms).exit_code])
        return
    made = running.run_async(lambda: make_plan(target, terms, read_policy, LIFETIME))
    _show(made, format)
    warn(made)
    log().info("this was a dry run: nothing was deleted; --apply deletes")


def _run_fleet(
    targets: tuple[Target, ...],
    terms: Terms,
    policy: list[Path],
    apply: bool,
    format: Format,  # noqa: A002
    journals: Path,
) -> None:
    fleet.require_prose(format)
    policies = {target.name: load(target.policies or policy) for target in targets}

    async def planned(target: Target) -> fleet.Ended:
        made = await make_plan(target, terms, policies[target.name], LIFETIME, alone=False)
        _show(made, format)
        warn(made)
        return fleet.Ended(target.name, 0, plan_line(made.summary) + " (dry run)")

    async def applied(stop: Stop) -> list[fleet.Ended]:
        async def one(target: Target) -> fleet.Ended:
            job = new_job(target, terms, stop.child(), journals, alone=False)
            return _ended(
                target, await run_policy(job, policies[target.name], lambda made: _show(made, format))
            )

        return await fleet.over(targets, one)

    if apply:
        _conclude_fleet(running.run_stoppable(applied, terms))
    else:
        _conclude_fleet(running.run_async(lambda: fleet.over(targets, planned)))


def _show(made: Plan, format: Format) -> None:  # noqa: A002
    emit(render(made, format, **running.terminal()))


def _ended(target: Target, finished: RunFinished) -> fleet.Ended:
    return fleet.Ended(target.name, finished.exit_code, summary_line(finished))


def _conclude_fleet(ends: list[fleet.Ended]) -> None:
    fleet.summarize(ends)
    conclude(end.exit_code for end in ends)


def _folder(journal: Path | None) -> Path:
    """Where the journals of many targets go. Raises UsageError unless it is a folder."""
    folder = journal or Path()
    if not folder.is_dir():
        raise UsageError(
            f"--journal {folder}: with --targets this is a folder that exists; each target gets its file"
        )
    return folder
