"""`run`: plan and apply in one go, for cron."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from cleanup.apply.run import run_policy
from cleanup.cli import confirmation, ends, event_loop, fleet, jobs, telling
from cleanup.cli.earlier_runs import EarlierRuns, resume_earlier
from cleanup.cli.output import log
from cleanup.cli.run import RunOptions
from cleanup.cli.showing import Destination
from cleanup.cli.telling import watch_of
from cleanup.cli.work.plan import apply_line, show, what_to_know
from cleanup.config.job import Job
from cleanup.config.settings import Settings, Target
from cleanup.errors import CleanupError
from cleanup.plan.build import make_plan
from cleanup.plan.plan import Plan
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.reports import view
from cleanup.reports.formatting import count
from cleanup.reports.plan_verdict import plan_line
from cleanup.stop import Stop


def run(asked: RunOptions) -> None:
    """Plan every target and, with --apply, delete; else show the plans."""
    settings = fleet.settings_of(asked.connecting, asked.working, asked.deleting)
    targets = fleet.targets_of(asked.connecting, asked.working)
    telling.about(targets, settings)
    destination = asked.showing.destination()
    jobs.require_apart(asked.journal, asked.showing.output)
    jobs.require_folder(targets, asked.journal, "--journal")
    policies = {target.name: load(target.policies or asked.policy) for target in targets}
    if asked.apply:
        real = _RealRun.of(asked, settings, targets, policies)
        ends.conclude(event_loop.change(real.all, settings), destination, strict=asked.strict)
        return
    dry = _DryRun(settings, targets, policies, destination, asked.journal, asked.strict)
    ended = event_loop.read(dry.all)
    log().info(f"this was a dry run: nothing was deleted{'; --apply deletes' if dry.due else ''}")
    ends.conclude(ended, destination, strict=asked.strict)


@dataclass(frozen=True)
class _DryRun:
    """`run` without --apply; a `journal` is not written, but one that could not be is refused today, not at night.

    `due` are the names of the targets of which --apply would delete something.
    """

    settings: Settings
    targets: Sequence[Target]
    policies: Mapping[str, Policy]
    destination: Destination
    journal: Path | None
    strict: bool
    due: set[str] = field(default_factory=set)

    async def all(self, stop: Stop) -> list[ends.Ended]:
        return await ends.over(self.targets, lambda target: self._one(target, stop))

    async def _one(self, target: Target, stop: Stop) -> ends.Ended:
        warnings = ends.Warnings(target, strict=self.strict)
        if self.journal:
            job = jobs.new_run(target, self.settings, stop, self.journal)
        else:
            job = jobs.new_job(target, self.settings, stop)
        with job.progress:
            plan = await make_plan(job, self.policies[target.name])
        report = show(plan, target, self.destination)
        warnings.tell(what_to_know(plan))
        warnings.require_none()
        if _can_delete(plan):
            self.due.add(target.name)
        return ends.Ended(target, 0, f"{plan_line(plan.summary)} (dry run){warnings}", report)


@dataclass(frozen=True)
class _RealRun:
    """`run --apply` of each target; `asks` a person before anything is deleted."""

    settings: Settings
    targets: Sequence[Target]
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

    @classmethod
    def of(
        cls,
        asked: RunOptions,
        settings: Settings,
        targets: Sequence[Target],
        policies: Mapping[str, Policy],
    ) -> "_RealRun":
        return cls(
            settings,
            targets,
            policies,
            shows=not asked.showing.asked,
            journal=asked.journal,
            pins=asked.working.pins,
            asks=not asked.yes and confirmation.is_watched(),
            strict=asked.strict,
        )

    async def all(self, stop: Stop) -> list[ends.Ended]:
        return await ends.over(self.targets, lambda target: self._one(target, stop))

    async def _one(self, target: Target, stop: Stop) -> ends.Ended:
        job = jobs.new_run(target, self.settings, stop, self.journal)
        warnings, policy = ends.Warnings(target, strict=self.strict), self.policies[target.name]
        async with self.one_at_a_time if self.asks else nullcontext():
            found = self.earlier_runs.of(job, warnings)
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
            ended = ends.refused(target, error, view(made[0], file=job.plan))
        return replace(ended, exit_code=ends.worst([earlier, ended.exit_code]))

    async def _show_and_ask(self, job: Job, warnings: ends.Warnings, plan: Plan) -> None:
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
