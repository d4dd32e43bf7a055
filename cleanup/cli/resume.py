"""`resume`: finish an interrupted apply."""

from pathlib import Path
from typing import Annotated

from cleanup.apply.resume import Refused, applicable_plan, give_up, plan_path_of, target_of, unfinished
from cleanup.apply.resume import resume as resume_run
from cleanup.apply.settle import doubts_here
from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Deleting, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Argument
from cleanup.journal import read, require_writable
from cleanup.stop import Stop


def resume(
    journal: Annotated[Path, Argument(metavar="JOURNAL", help="The journal of the interrupted run.")],
    connecting: Connecting,
    working: Working,
    deleting: Deleting,
) -> None:
    """Finish an interrupted apply: settle what was in doubt first, then delete the rest."""
    settings = working.settings(connecting, deleting)
    earlier = read(journal)
    target = target_of(earlier, connecting.fleet(working))
    plan = applicable_plan(earlier, jobs.plan_key(), target.ref, event_loop.runtime().now())
    todo = () if isinstance(plan, Refused) else unfinished(plan, earlier)
    doubts = doubts_here(earlier, target.ref)
    if strangers := len(earlier.in_doubt) - len(doubts):
        log().warning(
            f"{strangers} deletes in doubt are of another project: resume once more, connected to that"
        )
    if not (isinstance(plan, Refused) or todo or doubts):
        log().info(f"nothing to resume: every image that {journal} planned has its final status")
        return

    elsewhere = "resume a copy of it, its plan beside it, in a folder that can be written"
    require_writable(journal, elsewhere)

    async def work(stop: Stop) -> jobs.Ended:
        job = jobs.new_job(
            target, settings, stop, plan=plan_path_of(earlier), journal=journal, elsewhere=elsewhere
        )
        if isinstance(plan, Refused):
            return await jobs.finish(job, give_up(job, earlier, plan))
        return await jobs.finish(job, resume_run(job, earlier, plan, todo))

    jobs.conclude([event_loop.change(work, settings)])
