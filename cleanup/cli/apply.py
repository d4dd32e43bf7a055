"""`apply`: delete what a plan names and what still is as the plan saw it."""

from pathlib import Path
from typing import Annotated

from cleanup.apply.run import apply_plan
from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Deleting, JournalPath, PolicyPaths, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Argument
from cleanup.config.settings import Target
from cleanup.errors import UsageError
from cleanup.plan import file as plan_file
from cleanup.policy import load
from cleanup.stop import Stop


def apply(
    plan: Annotated[
        Path,
        Argument(metavar="PLAN", help="A plan file written by `plan`; with --targets, the folder of plans."),
    ],
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    journal: JournalPath = None,
) -> None:
    """Delete exactly what the plan names and what still is as the plan saw it."""
    settings = working.settings(connecting, deleting)
    targets = connecting.fleet(working)
    if any(target.from_file for target in targets) and not plan.is_dir():
        raise UsageError(f"{plan} is no folder: with --targets, PLAN is the folder that `plan -o` wrote to")
    jobs.require_folder(targets, journal, "--journal")
    expected = load(policy) if policy else None

    async def work(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            path = jobs.plan_path(plan, target, "")
            if target.from_file and not path.exists():
                raise UsageError(f"there is no plan {path}: plan this target first")
            reviewed = plan_file.read(path, jobs.plan_key())
            if expected:
                plan_file.require_policy(reviewed, expected)
            for warning in reviewed.header.warnings:
                log().warning(warning)
            plan_file.check_applicable(reviewed, target.ref, event_loop.runtime().now())
            job = jobs.new_run(target, settings, stop, journal, path)
            return await jobs.finish(job, apply_plan(job, reviewed))

        return await jobs.over(targets, one)

    jobs.conclude(event_loop.change(work, settings))
