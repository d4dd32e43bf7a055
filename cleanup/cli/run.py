"""`run`: plan and apply in one go, for cron."""

from typing import Annotated

from cleanup.apply.run import run_policy
from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Deleting, JournalPath, PolicyPaths, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.cli.plan import show, warn
from cleanup.config.settings import Target
from cleanup.plan.build import make_plan
from cleanup.plan.file import Plan
from cleanup.policy import load
from cleanup.reports import Format, plan_line
from cleanup.stop import Stop


def run(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    apply: Annotated[bool, Option("--apply", help="Really delete; without it this is a dry run.")] = False,
    format: Annotated[Format, Option(help="How to show the plan.")] = Format.TABLE,
    journal: JournalPath = None,
) -> None:
    """Plan and apply in one go, for cron. Without --apply it is a dry run."""
    settings = working.settings(connecting, deleting)
    targets = connecting.fleet(working)
    jobs.require_prose(targets, format)
    jobs.require_folder(targets, journal, "--journal")
    policies = {target.name: load(target.policies or policy) for target in targets}

    async def dry(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            job = jobs.new_job(target, settings, stop)
            with job.progress:
                plan = await make_plan(job, policies[target.name])
            show(plan, format)
            warn(plan)
            return jobs.Ended(target, 0, plan_line(plan.summary) + " (dry run)")

        return await jobs.over(targets, one)

    async def real(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            job = jobs.new_run(target, settings, stop, journal)

            def shown(plan: Plan) -> None:
                job.progress.pause()
                show(plan, format)
                for warning in plan.header.warnings:
                    log().warning(warning)

            return await jobs.finish(job, run_policy(job, policies[target.name], shown))

        return await jobs.over(targets, one)

    if apply:
        jobs.conclude(event_loop.change(real, settings))
        return
    ends = event_loop.read(dry)
    log().info("this was a dry run: nothing was deleted; --apply deletes")
    jobs.conclude(ends)
