"""`apply`: delete what a plan names and what still is as the plan saw it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cleanup.apply.run import apply_plan, require_complete
from cleanup.cli import confirmation, ends, event_loop, fleet, jobs, telling
from cleanup.cli.apply import ApplyOptions
from cleanup.cli.earlier_runs import EarlierRuns
from cleanup.cli.output import log
from cleanup.cli.telling import watch_of
from cleanup.config.settings import Settings, Target
from cleanup.errors import CleanupError, RecordRejected, UsageError
from cleanup.plan import file as plan_file
from cleanup.plan.asked import forgotten, other_pins
from cleanup.plan.plan import Plan, check_applicable, require_policy
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.stop import Stop


def apply(asked: ApplyOptions) -> None:
    """Apply the plan of every target, once a person has confirmed where one sits there."""
    applying = _Applying.of(asked)
    destination = asked.showing.destination()
    jobs.require_apart(asked.journal, asked.showing.output)
    if applying.watched:
        event_loop.read(applying.ask)
    ended = event_loop.change(applying.all, applying.settings)
    ends.conclude(ended, destination, strict=asked.strict)


@dataclass(frozen=True, kw_only=True)
class _Applying:
    """What the options of `apply` come to; `watched` by a person, who has `confirmed` plans by their seals."""

    asked: ApplyOptions
    settings: Settings
    targets: tuple[Target, ...]
    expected: Policy | None
    warnings: Mapping[str, ends.Warnings]
    watched: bool
    earlier_runs: EarlierRuns = field(default_factory=EarlierRuns)
    confirmed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: ApplyOptions) -> "_Applying":
        settings = fleet.settings_of(asked.connecting, asked.working, asked.deleting)
        targets = fleet.targets_of(asked.connecting, asked.working)
        telling.about(targets, settings)
        if any(target.from_file for target in targets) and not asked.plan.is_dir():
            raise UsageError(
                f"{asked.plan} is no folder: with --targets, PLAN is the folder that `plan -o` wrote to"
            )
        jobs.require_folder(targets, asked.journal, "--journal")
        return cls(
            asked=asked,
            settings=settings,
            targets=targets,
            expected=load(asked.policy) if asked.policy else None,
            warnings={target.name: ends.Warnings(target, strict=asked.strict) for target in targets},
            watched=confirmation.is_watched() and not asked.yes,
        )

    async def ask(self, stop: Stop) -> bool:
        """Ask once for all plans that would delete. Raises UsageError after a no."""
        questions = []
        for target in self.targets:
            try:
                found = self._reviewed(target, plan_file.read_to_show)
                require_complete(found)
            except CleanupError:  # it is said where the target's turn comes
                continue
            if _would_delete(found):
                questions.append(confirmation.Question.about(found))
                self.confirmed[target.name] = found.summary.sha256
        await confirmation.confirm(questions, stop)
        return True

    async def all(self, stop: Stop) -> list[ends.Ended]:
        return await ends.over(self.targets, lambda target: self._one(target, stop))

    async def _one(self, target: Target, stop: Stop) -> ends.Ended:
        plan = self._reviewed(target, lambda path: plan_file.read(path, jobs.plan_key()))
        watch_of(target.name).planned(plan)
        if self.watched and _would_delete(plan) and self.confirmed.get(target.name) != plan.summary.sha256:
            raise RecordRejected("the plan was replaced after it had been confirmed: nothing was deleted")
        job = jobs.new_run(target, self.settings, stop, self.asked.journal, self._path(target))
        if other_pins(plan.header.inventory, target):
            log().info("the pins are not those that the plan was made with", **jobs.about(job))
        warnings = self.warnings[target.name]
        self.earlier_runs.tell(job, warnings)
        warnings.require_none()
        return await jobs.finish(job, apply_plan(job, plan), warnings, reported=self.asked.showing.asked)

    def _path(self, target: Target) -> Path:
        return jobs.plan_path(self.asked.plan, target, "")

    def _reviewed(self, target: Target, read: Callable[[Path], Plan]) -> Plan:
        """The target's plan, once nothing speaks against it that can be seen without the service.

        Raises CleanupError.
        """
        path, warnings = self._path(target), self.warnings[target.name]
        if target.from_file and not path.exists():
            raise UsageError(f"there is no plan {path}: plan this target first")
        plan = read(path)
        if self.expected:
            require_policy(plan, self.expected)
        warnings.tell(plan.header.warnings)
        check_applicable(plan, target.ref, event_loop.runtime().now())
        warnings.tell(forgotten(plan.header.inventory, target))
        warnings.require_none()
        return plan


def _would_delete(plan: Plan) -> bool:
    return bool(plan.summary.delete and not plan.summary.over_limits)
