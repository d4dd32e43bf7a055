"""`resume`: finish an interrupted apply."""

from dataclasses import dataclass, replace

from cleanup.apply.earlier_plan import plan_path_of
from cleanup.apply.resume import Refused, applicable_plan, give_up, target_of, unfinished
from cleanup.apply.resume import resume as resume_run
from cleanup.apply.settle import doubts_here
from cleanup.cli import ends, event_loop, fleet, jobs, telling
from cleanup.cli.output import log
from cleanup.cli.resume import ResumeOptions
from cleanup.cli.telling import watch_of
from cleanup.config.settings import Settings, Target
from cleanup.decision.types import Decision
from cleanup.errors import RecordRejected
from cleanup.journal import JournalFile, read, require_writable
from cleanup.plan.asked import forgotten
from cleanup.plan.plan import Plan, require_policy
from cleanup.policy.language import Policy
from cleanup.reports import view
from cleanup.stop import Stop

_ELSEWHERE = "resume a copy of it, its plan beside it, in a folder that can be written"


@dataclass(frozen=True)
class Rest:
    """What is left of a journal: `todo` of its plan, where that can be gone on with, and so many `doubts`
    that can be settled here, so many `strangers` that cannot."""

    journal: JournalFile
    target: Target
    plan: Plan | Refused
    todo: tuple[Decision, ...]
    doubts: int
    strangers: int

    @classmethod
    def of(cls, journal: JournalFile, target: Target) -> "Rest":
        plan = applicable_plan(journal, jobs.plan_key(), target.ref, event_loop.runtime().now())
        doubts = len(doubts_here(journal, target.ref))
        return cls(
            journal=journal,
            target=target,
            plan=plan,
            todo=() if isinstance(plan, Refused) else unfinished(plan, journal),
            doubts=doubts,
            strangers=len(journal.in_doubt) - doubts,
        )

    def under(self, policy: Policy) -> "Rest":
        """The same, but of a plan that was made from another policy nothing more is to be deleted."""
        if isinstance(self.plan, Refused):
            return self
        try:
            require_policy(self.plan, policy)
        except RecordRejected as error:
            return replace(self, plan=Refused(error, self.plan), todo=())
        return self

    @property
    def is_nothing(self) -> bool:
        return not (isinstance(self.plan, Refused) or self.todo or self.doubts)


def resume(asked: ResumeOptions) -> None:
    """Go on with the journal that is named, on the target that it is about."""
    settings = fleet.settings_of(asked.connecting, asked.working, asked.deleting)
    targets = fleet.targets_of(asked.connecting, asked.working)
    if len(targets) == 1:
        telling.about(targets, settings)
    destination = asked.showing.destination() if asked.showing.asked else None
    earlier = read(asked.journal)
    target = target_of(earlier, targets)
    telling.about((target,), settings)
    rest = Rest.of(earlier, target)
    if rest.todo and not isinstance(rest.plan, Refused):
        for difference in forgotten(rest.plan.header.inventory, rest.target):
            log().warning(difference)
    if rest.strangers:
        log().warning(
            f"{rest.strangers} deletes in doubt are of another project: resume once more, connected to that"
        )
    if rest.is_nothing:
        log().info(f"nothing to resume: every image that {earlier.path} planned has its final status")
        if destination:
            destination.show([view(earlier)])
        return
    require_writable(earlier.path, _ELSEWHERE)
    reported = asked.showing.asked
    ended = event_loop.change(lambda stop: go_on(rest, settings, stop, reported=reported), settings)
    ends.conclude([ended], destination)


async def go_on(
    rest: Rest, settings: Settings, stop: Stop, *, for_good: bool = False, reported: bool = False
) -> ends.Ended:
    """Finish what is left, in the same journal; `for_good` also where a plan that is refused leaves nothing
    to find out. Raises CleanupError."""
    earlier = rest.journal
    job = jobs.new_job(
        rest.target,
        settings,
        stop,
        plan=plan_path_of(earlier),
        journal=earlier.path,
        elsewhere=_ELSEWHERE,
    )
    if isinstance(rest.plan, Plan):
        watch_of(rest.target.name).planned(rest.plan)
    if isinstance(rest.plan, Refused):
        return await jobs.finish(job, give_up(job, earlier, rest.plan, for_good=for_good), reported=reported)
    return await jobs.finish(job, resume_run(job, earlier, rest.plan, rest.todo), reported=reported)
