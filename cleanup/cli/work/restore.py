"""`restore`: register again what a journal says was deleted without its content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cleanup.cli import event_loop, fleet, jobs
from cleanup.cli.output import log
from cleanup.cli.restore import RestoreOptions
from cleanup.cli.showing import Destination
from cleanup.config.settings import Settings, Target
from cleanup.journal import JournalFile, read
from cleanup.journal.tidy import restore_journal_of
from cleanup.reports.restore_view import restore_view
from cleanup.restore import register
from cleanup.restore.candidates import Candidate, candidates, selected, target_of
from cleanup.restore.records import RestoreResult, RestoreState
from cleanup.stop import Stop


def restore(asked: RestoreOptions) -> None:
    """Show what can be registered again and, with --apply, do it."""
    restoring = _Restoring.of(asked)
    if not asked.apply:
        restoring.show()
        log().info(f"nothing was registered; --apply registers {len(restoring.due)}")
        return
    settings = fleet.settings_of(asked.connecting, asked.working)
    target = target_of(restoring.deleted, fleet.targets_of(asked.connecting, asked.working))
    if not restoring.due:
        restoring.show()
        log().info("nothing to restore")
        return
    register.require_writable_beside(restoring.beside)
    results, code = event_loop.change(lambda stop: restoring.carry_out(target, settings, stop), settings)
    restoring.show(results)
    log().info(f"restore journal: {restoring.beside}")
    if code:
        raise SystemExit(code)


@dataclass(frozen=True, kw_only=True)
class _Restoring:
    """What a journal says was deleted, and what was restored of it `earlier`, as the journal `beside` it says."""

    asked: RestoreOptions
    destination: Destination
    deleted: JournalFile
    beside: Path
    earlier: register.Earlier
    found: tuple[Candidate, ...]

    @classmethod
    def of(cls, asked: RestoreOptions) -> "_Restoring":
        destination, deleted = asked.showing.destination(), read(asked.journal)
        beside = restore_journal_of(asked.journal)
        earlier = register.read_earlier(beside)
        return cls(
            asked=asked,
            destination=destination,
            deleted=deleted,
            beside=beside,
            earlier=earlier,
            found=selected(candidates(deleted, earlier.links), asked.image),
        )

    @property
    def due(self) -> list[Candidate]:
        return [one for one in self.found if one.state is RestoreState.RESTORABLE]

    def show(self, results: Sequence[RestoreResult] = ()) -> None:
        ends = {one.image_id: one for one in results}
        journals = {"journal": str(self.asked.journal), "restore_journal": str(self.beside)}
        self.destination.show([restore_view(self.found, ends, **journals, applied=self.asked.apply)])

    async def carry_out(
        self, target: Target, settings: Settings, stop: Stop
    ) -> tuple[tuple[RestoreResult, ...], int]:
        """What became of each that is due, and the exit code."""
        job = jobs.new_job(target, settings, stop, journal=self.beside, elsewhere=register.ELSEWHERE)
        ended = await register.restore(job, self.asked.journal, self.due, self.earlier, self.deleted.read_mes)
        if stop:
            log().warning(f"stopped early: {stop.why}")
        return ended
