"""`restore`: register again what a journal says was deleted without its content."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Argument, Option
from cleanup.cli.showing import Showing
from cleanup.journal import read
from cleanup.journal.tidy import restore_journal_of
from cleanup.reports.restore_view import restore_view
from cleanup.restore import register
from cleanup.restore.candidates import candidates, selected, target_of
from cleanup.restore.records import RestoreResult, RestoreState
from cleanup.stop import Stop


def restore(
    journal: Annotated[Path, Argument(metavar="JOURNAL", help="The journal of the run that deleted.")],
    connecting: Connecting,
    working: Working,
    showing: Showing,
    image: Annotated[
        tuple[str, ...], Option(help="Only the image of this (old) id; repeatable. All when left out.")
    ] = (),
    apply: Annotated[
        bool, Option("--apply", help="Really register; without it, only show what could be.")
    ] = False,
) -> None:
    """Register again what was deleted without its content; it gets a new id.

    Without --apply this is a look at the journal: no network, no credentials. What was restored is
    written beside the journal, JOURNAL.restore.jsonl, so that nothing is restored twice.
    """
    destination = showing.destination()
    deleted = read(journal)
    beside = restore_journal_of(journal)
    earlier = register.read_earlier(beside)
    found = selected(candidates(deleted, earlier.links), image)
    due = [one for one in found if one.state is RestoreState.RESTORABLE]

    def show(results: Sequence[RestoreResult] = ()) -> None:
        ends = {one.image_id: one for one in results}
        shown = restore_view(found, ends, journal=str(journal), restore_journal=str(beside), applied=apply)
        destination.show([shown])

    if not apply:
        show()
        log().info(f"nothing was registered; --apply registers {len(due)}")
        return
    settings, target = working.settings(connecting), target_of(deleted, connecting.fleet(working))
    if not due:
        show()
        log().info("nothing to restore")
        return
    register.require_writable_beside(beside)

    async def work(stop: Stop) -> tuple[tuple[RestoreResult, ...], int]:
        job = jobs.new_job(target, settings, stop, journal=beside, elsewhere=register.ELSEWHERE)
        ended = await register.restore(job, journal, due, earlier, deleted.read_mes)
        if stop:
            log().warning(f"stopped early: {stop.why}")
        return ended

    results, code = event_loop.change(work, settings)
    show(results)
    log().info(f"restore journal: {beside}")
    if code:
        raise SystemExit(code)
