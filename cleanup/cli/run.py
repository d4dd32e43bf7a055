"""`run`: plan and apply in one go, for cron."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated

import anyio

from cleanup.apply.run import run_policy
from cleanup.cli import confirmation, event_loop, jobs
from cleanup.cli.earlier_runs import EarlierRuns, resume_earlier
from cleanup.cli.options import Connecting, Deleting, JournalPath, PolicyPaths, Strict, Working, Yes
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.cli.plan import apply_line, show, what_to_know
from cleanup.config.settings import Target
from cleanup.plan.build import make_plan
from cleanup.plan.file import Plan
from cleanup.policy import load
from cleanup.reports import Format, plan_line
from cleanup.reports.formatting import count
from cleanup.stop import Stop


def run(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    apply: Annotated[bool, Option("--apply", help="Really delete; without it this is a dry run.")] = False,
    format: Annotated[Format, Option(help="How to show the plan.")] = Format.TABLE,
    journal: JournalPath = None,
    yes: Yes = False,
    strict: Strict = False,
) -> None:
    """Plan and apply in one go, for cron. Without --apply it is a dry run.

    With --apply it first resumes what an earlier run of the same target left unfinished in the journal's folder.
    On a terminal it then asks for the target's name after the plan was shown, for each target.
    """
    settings = working.settings(connecting, deleting)
    targets = connecting.fleet(working)
    jobs.require_prose(targets, format)
    jobs.require_folder(targets, journal, "--journal")
    policies = {target.name: load(target.policies or policy) for target in targets}

    earlier_runs = EarlierRuns()
    one_at_a_time = anyio.Lock()  # what many targets show, and ask, must not get mixed

    async def dry(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            job, warnings = jobs.new_job(target, settings, stop), jobs.Warnings(target, strict=strict)
            with job.progress:
                plan = await make_plan(job, policies[target.name])
            show(plan, format)
            warnings.tell(what_to_know(plan))
            warnings.require_none()
            return jobs.Ended(target, 0, f"{plan_line(plan.summary)} (dry run){warnings}")

        return await jobs.over(targets, one)

    async def real(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            job = jobs.new_run(target, settings, stop, journal)
            warnings = jobs.Warnings(target, strict=strict)
            asks, mine = not yes and confirmation.is_watched(), policies[target.name]
            async with one_at_a_time if asks else nullcontext():
                earlier = await resume_earlier(earlier_runs.of(job), job, settings, mine, warnings, asks=asks)

            async def shown(plan: Plan) -> None:
                async with one_at_a_time:
                    job.progress.pause()
                    show(plan, format, job.plan)
                    warnings.tell(plan.header.warnings)
                    warnings.require_none()
                    if not plan.summary.delete:
                        log().info(f"nothing is due: {_why_kept(plan)}", **jobs.about(job))
                    if asks and _can_delete(plan):
                        hint = f"the plan is kept: {apply_line(plan, job.plan, working.pins)}"
                        await confirmation.confirm([confirmation.Question.about(plan)], job.stop, hint)

            ended = await jobs.finish(job, run_policy(job, mine, shown), warnings)
            return replace(ended, exit_code=jobs.worst([earlier, ended.exit_code]))

        return await jobs.over(targets, one)

    if apply:
        jobs.conclude(event_loop.change(real, settings), strict=strict)
        return
    ends = event_loop.read(dry)
    log().info("this was a dry run: nothing was deleted; --apply deletes")
    jobs.conclude(ends, strict=strict)


def _can_delete(plan: Plan) -> bool:
    """Whether there is anything to ask about; what a limit or a doubt refuses deletes nothing anyway."""
    return bool(plan.summary.delete and not plan.summary.over_limits and plan.header.inventory.complete)


def _why_kept(plan: Plan) -> str:
    """`2,000 images are kept: 1,200 no-rule, 800 too-young`."""
    reasons = [f"{number:,} {reason}" for reason, number in plan.summary.by_reason.items()]
    return f"{count(plan.summary.keep, 'image')} kept" + (f": {', '.join(reasons)}" if reasons else "")
