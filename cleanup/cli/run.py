"""`run`: plan and apply in one go, for cron."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio

from cleanup.apply.run import run_policy
from cleanup.cli import confirmation, event_loop, jobs
from cleanup.cli.earlier_runs import EarlierRuns, resume_earlier
from cleanup.cli.options import (
    Connecting,
    Deleting,
    JournalPath,
    Measuring,
    Notifying,
    PolicyPaths,
    Strict,
    Working,
    Yes,
)
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.cli.plan import apply_line, show, what_to_know
from cleanup.cli.showing import Destination, Showing
from cleanup.cli.telling import telling, watch_of
from cleanup.config.job import Job
from cleanup.config.settings import Settings, Target
from cleanup.errors import CleanupError
from cleanup.plan.build import make_plan
from cleanup.plan.file import Plan
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.reports import plan_line, view
from cleanup.reports.formatting import count
from cleanup.stop import Stop


def run(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
    showing: Showing,
    measuring: Measuring,
    notifying: Notifying,
    apply: Annotated[bool, Option("--apply", help="Really delete; without it this is a dry run.")] = False,
    journal: JournalPath = None,
    yes: Yes = False,
    strict: Strict = False,
) -> None:
    """Plan and apply in one go, for cron. Without --apply it is a dry run.

    A dry run shows the plan. With --apply it first resumes what an earlier run of the same target left unfinished
    in the journal's folder. The plan is shown as a table before anything is deleted, and on a terminal the target's
    name is asked for; with --format or -o the report of the journal is shown when all is done, and no plan where
    nobody is asked.
    """
    destination = showing.destination()
    settings = working.settings(connecting, deleting)
    targets = connecting.fleet(working)
    jobs.require_folder(targets, journal, "--journal")
    policies = {target.name: load(target.policies or policy) for target in targets}

    asks = not yes and confirmation.is_watched()
    applying = _Applying(settings, policies, not showing.asked, journal, working.pins, asks, strict)

    async def dry(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            job, warnings = jobs.new_job(target, settings, stop), jobs.Warnings(target, strict=strict)
            with job.progress:
                plan = await make_plan(job, policies[target.name])
            report = show(plan, target, destination)
            warnings.tell(what_to_know(plan))
            warnings.require_none()
            return jobs.Ended(target, 0, f"{plan_line(plan.summary)} (dry run){warnings}", report)

        return await jobs.over(targets, one)

    async def real(stop: Stop) -> list[jobs.Ended]:
        return await jobs.over(targets, partial(applying.one, stop=stop))

    with telling(measuring, notifying, targets, settings, dry_run=not apply):
        if apply:
            jobs.conclude(event_loop.change(real, settings), destination, strict=strict)
            return
        ends = event_loop.read(dry)
        log().info("this was a dry run: nothing was deleted; --apply deletes")
        jobs.conclude(ends, destination, strict=strict)


@dataclass(frozen=True)
class _Applying:
    """`run --apply` of each target; `asks` a person before anything is deleted."""

    settings: Settings
    policies: Mapping[str, Policy]
    shows: bool  # the plan; else the journal's report at the end
    journal: Path | None
    pins: Sequence[Path]
    asks: bool
    strict: bool
    earlier_runs: EarlierRuns = field(default_factory=EarlierRuns)
    one_at_a_time: anyio.Lock = field(
        default_factory=anyio.Lock
    )  # many tables and questions must not get mixed

    async def one(self, target: Target, stop: Stop) -> jobs.Ended:
        job = jobs.new_run(target, self.settings, stop, self.journal)
        warnings, policy = jobs.Warnings(target, strict=self.strict), self.policies[target.name]
        async with self.one_at_a_time if self.asks else nullcontext():
            found = self.earlier_runs.of(job)
            earlier = await resume_earlier(found, job, self.settings, policy, warnings, asks=self.asks)
        made: list[Plan] = []

        async def shown(plan: Plan) -> None:
            made.append(plan)
            watch_of(target.name).planned(plan)
            await self._show_and_ask(job, warnings, plan)

        try:
            work = run_policy(job, policy, shown)
            ended = await jobs.finish(job, work, warnings, reported=not self.shows)
        except Exception as caught:
            error = event_loop.innermost(caught)
            if self.shows or not (made and isinstance(error, CleanupError)):
                raise
            ended = jobs.refused(target, error, view(made[0], file=job.plan))
        return replace(ended, exit_code=jobs.worst([earlier, ended.exit_code]))

    async def _show_and_ask(self, job: Job, warnings: jobs.Warnings, plan: Plan) -> None:
        """Raises UsageError for a no, and for a warning with --strict."""
        async with self.one_at_a_time:
            job.progress.pause()
            if self.shows or self.asks:
                Destination().show([view(plan, file=job.plan)])
            warnings.tell(plan.header.warnings)
            warnings.require_none()
            if not plan.summary.delete:
                log().info(f"nothing is due: {_why_kept(plan)}", **jobs.about(job))
            if self.asks and _can_delete(plan):
                hint = f"the plan is kept: {apply_line(plan, job.plan, self.pins)}"
                await confirmation.confirm([confirmation.Question.about(plan)], job.stop, hint)


def _can_delete(plan: Plan) -> bool:
    """Whether there is anything to ask about; what a limit or a doubt refuses deletes nothing anyway."""
    return bool(plan.summary.delete and not plan.summary.over_limits and plan.header.inventory.complete)


def _why_kept(plan: Plan) -> str:
    """`2,000 images are kept: 1,200 no-rule, 800 too-young`."""
    reasons = [f"{number:,} {reason}" for reason, number in plan.summary.by_reason.items()]
    return f"{count(plan.summary.keep, 'image')} kept" + (f": {', '.join(reasons)}" if reasons else "")
