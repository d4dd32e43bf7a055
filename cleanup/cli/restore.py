"""`restore`: register again what a journal says was deleted without its content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import anyio
import typer

from cleanup.cli import event_loop as running
from cleanup.cli.jobs import conclude
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import emit, log
from cleanup.config.settings import Target, Terms
from cleanup.errors import InventoryError, RecordRejected, UsageError
from cleanup.journal import Journal, JournalFile, read, require_writable
from cleanup.modelarts.inventory import read_images
from cleanup.plan.file import TargetRef
from cleanup.reports.restore_view import RestoreFormat, render_restore
from cleanup.restore import register as registering
from cleanup.restore.candidates import Candidate, Restoration, State, candidates, selected
from cleanup.stop import Stop


def restore(
    journal: Annotated[
        Path,
        typer.Argument(metavar="JOURNAL", help="The journal of the run that deleted.", show_default=False),
    ],
    connecting: Connecting,
    working: Working,
    image: Annotated[
        list[str] | None,
        typer.Option(
            help="Only the image of this (old) id; repeatable. All when left out.", show_default=False
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Really register; without it, only show what could be.")
    ] = False,
    format: Annotated[RestoreFormat, typer.Option(help="How to show it.")] = RestoreFormat.TABLE,  # noqa: A002
) -> None:
    """Register again what was deleted without its content; it gets a new id.

    Without --apply this is a look at the journal: no network, no credentials. What was restored is
    written beside the journal, JOURNAL.restore.jsonl, so that nothing is restored twice.
    """
    told = read(journal)
    beside = journal.with_name(f"{journal.stem}.restore.jsonl")
    earlier = registering.read_earlier(beside)
    found = selected(candidates(told, earlier.links), image or ())
    due = [one for one in found if one.state is State.RESTORABLE]
    shown = _Shown(journal=journal, beside=beside, format=format, found=found)
    if not apply:
        shown.show((), applied=False)
        log().info(f"nothing was registered; --apply registers {len(due)}")
        return
    terms, target = working.terms(connecting), _its_target(told, connecting, working)
    results: tuple[Restoration, ...] = ()
    code = 0
    if due:
        _require_writable(beside)
        job = _Job(source=journal, beside=beside, target=target, terms=terms, due=due, earlier=earlier)
        results, code = running.run_stoppable(job.work, terms)
    shown.show(results, applied=True)
    log().info(f"restore journal: {beside}" if due else "nothing to restore")
    conclude([code])


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What is printed, before or after."""

    journal: Path
    beside: Path
    format: RestoreFormat
    found: Sequence[Candidate]

    def show(self, results: Sequence[Restoration], *, applied: bool) -> None:
        ends = {result.image_id: result for result in results}
        pieces = render_restore(
            self.found,
            ends,
            self.format,
            journal=str(self.journal),
            restore_journal=str(self.beside),
            applied=applied,
            **running.terminal(),
        )
        emit(pieces)


def _its_target(told: JournalFile, connecting: Connecting, working: Working) -> Target:
    """The target that all runs of the journal are about. Raises RecordRejected when it is not among ours."""
    places = [
        TargetRef(
            name=run.started.target,
            endpoint=run.started.endpoint,
            project_id=run.started.project_id,
            workspaces=run.started.workspaces,
        )
        for run in told.runs
    ]
    targets = connecting.fleet(working)
    if targets is None:
        targets = (connecting.target(working),)
    for target in targets:
        if all(place.same_place(target.ref) for place in places):
            return target
    place = places[-1]
    raise RecordRejected(
        f"the journal is about project {place.project_id} (workspaces {', '.join(place.workspaces)}) at "
        f"{place.endpoint}, not about {_named(targets[0]) if len(targets) == 1 else 'any of the targets'}: "
        "connect to where it was written"
    )


def _named(target: Target) -> str:
    return f"project {target.project_id} (workspaces {', '.join(target.workspaces)}) at {target.endpoint}"


def _require_writable(beside: Path) -> None:
    try:
        require_writable(beside)
    except UsageError as error:
        raise UsageError(
            f"cannot write the restore journal {beside}: copy the journal to a folder where it can lie beside it"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One restoring against one target."""

    source: Path
    beside: Path
    target: Target
    terms: Terms
    due: Sequence[Candidate]
    earlier: registering.Earlier

    async def work(self, stop: Stop) -> tuple[tuple[Restoration, ...], int]:
        """List what is there, register what is not. Raises AccessDenied, InventoryError, Interrupted."""
        async with running.connected(self.target, self.terms, stop) as client:
            seen = await running.unless_stopped(stop, read_images(client, self.target.workspaces))
            if seen.doubts:
                raise InventoryError(
                    f"the inventory is not complete, nothing was registered: {'; '.join(seen.doubts)}"
                )
            with self._journal() as journal:
                run = registering.Run(
                    source=self.source,
                    target=self.target.ref,
                    journal=journal,
                    client=client,
                    stop=stop,
                    concurrency=self.target.concurrency,
                    clock=anyio.current_time,
                )
                ended = await registering.restore(run, self.due, seen.images, self.earlier.links.values())
        if stop:
            log().warning(f"stopped early: {stop.why}")
        return ended

    def _journal(self) -> Journal:
        """The restore journal, for this process alone. Raises UsageError when another one wrote to it meanwhile."""
        return Journal(
            self.beside,
            running.new_id(running.now()),
            self.target.name,
            running.now,
            finish_with=f"image-cleanup restore {self.source} --apply",
            read_size=self.earlier.size,
        )
