"""`apply`: delete what a plan names and what still is as the plan saw it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cleanup.apply.run import apply_plan, require_complete
from cleanup.cli import confirmation, event_loop, jobs
from cleanup.cli.earlier_runs import EarlierRuns
from cleanup.cli.options import (
    Connecting,
    Deleting,
    JournalPath,
    Measuring,
    Notifying,
    Strict,
    Working,
    Yes,
)
from cleanup.cli.output import log
from cleanup.cli.parsing import Argument, Option
from cleanup.cli.showing import Showing
from cleanup.cli.telling import telling, watch_of
from cleanup.config.settings import Target
from cleanup.errors import CleanupError, RecordRejected, UsageError
from cleanup.plan import file as plan_file
from cleanup.plan.asked import forgotten, other_pins
from cleanup.plan.file import Plan
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.stop import Stop


def apply(
    plan: Annotated[
        Path,
        Argument(metavar="PLAN", help="A plan file written by `plan`; with --targets, the folder of plans."),
    ],
    policy: Annotated[
        tuple[Path, ...],
        Option(
            "--policy",
            "-p",
            help="Apply only a plan that was made from exactly this policy; repeatable.",
            metavar="PATH",
            configured=False,
        ),
    ],
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    showing: Showing,
    measuring: Measuring,
    notifying: Notifying,
    journal: JournalPath = None,
    yes: Yes = False,
    strict: Strict = False,
) -> None:
    """Delete exactly what the plan names and what still is as the plan saw it.

    On a terminal it says what goes and asks for the target's name. In a pipe it does not ask: who wrote the
    command line named a plan that can be read before. How it ended is one line on stderr; with --format or -o
    the report of the journal is shown, too.
    """
    destination = showing.destination()
    settings = working.settings(connecting, deleting)
    targets = connecting.fleet(working)
    if any(target.from_file for target in targets) and not plan.is_dir():
        raise UsageError(f"{plan} is no folder: with --targets, PLAN is the folder that `plan -o` wrote to")
    jobs.require_folder(targets, journal, "--journal")
    expected = load(policy) if policy else None
    warnings = {target.name: jobs.Warnings(target, strict=strict) for target in targets}
    earlier_runs = EarlierRuns()
    watched, confirmed = confirmation.is_watched() and not yes, dict[str, str]()

    def reviewed(target: Target, read: Callable[[Path], Plan]) -> Plan:
        return _reviewed(target, jobs.plan_path(plan, target, ""), read, expected, warnings[target.name])

    async def ask(stop: Stop) -> bool:
        questions = []
        for target in targets:
            try:
                found = reviewed(target, plan_file.read_to_show)
                require_complete(found)
            except CleanupError:  # it is said where the target's turn comes
                continue
            if found.summary.delete and not found.summary.over_limits:
                questions.append(confirmation.Question.about(found))
                confirmed[target.name] = found.summary.sha256
        await confirmation.confirm(questions, stop)
        return True

    async def work(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            mine = reviewed(target, lambda path: plan_file.read(path, jobs.plan_key()))
            watch_of(target.name).planned(mine)
            asked = watched and mine.summary.delete and not mine.summary.over_limits
            if asked and confirmed.get(target.name) != mine.summary.sha256:
                raise RecordRejected("the plan was replaced after it had been confirmed: nothing was deleted")
            job = jobs.new_run(target, settings, stop, journal, jobs.plan_path(plan, target, ""))
            if other_pins(mine.header.inventory, target):
                log().info("the pins are not those that the plan was made with", **jobs.about(job))
            earlier_runs.tell(job, warnings[target.name])
            warnings[target.name].require_none()
            work = apply_plan(job, mine)
            return await jobs.finish(job, work, warnings[target.name], reported=showing.asked)

        return await jobs.over(targets, one)

    with telling(measuring, notifying, targets, settings):
        if watched:
            event_loop.read(ask)
        jobs.conclude(event_loop.change(work, settings), destination, strict=strict)


def _reviewed(
    target: Target,
    path: Path,
    read: Callable[[Path], Plan],
    expected: Policy | None,
    warnings: jobs.Warnings,
) -> Plan:
    """The target's plan, once nothing speaks against it that can be seen without the service. Raises CleanupError."""
    if target.from_file and not path.exists():
        raise UsageError(f"there is no plan {path}: plan this target first")
    plan = read(path)
    if expected:
        plan_file.require_policy(plan, expected)
    warnings.tell(plan.header.warnings)
    plan_file.check_applicable(plan, target.ref, event_loop.runtime().now())
    warnings.tell(forgotten(plan.header.inventory, target))
    warnings.require_none()
    return plan
