"""Journals beside the one that is about to be written whose runs were cut off: found, told of, and resumed first."""

from pathlib import Path

from cleanup.cli import confirmation, ends, jobs
from cleanup.cli.output import complain, log
from cleanup.cli.work.resume import Rest, go_on
from cleanup.config.job import Job
from cleanup.config.settings import Settings
from cleanup.errors import CleanupError, Interrupted, RecordRejected, UsageError
from cleanup.journal import read
from cleanup.journal.state import OpenJournal, State, open_journals
from cleanup.outcome import Outcome
from cleanup.plan.plan import Plan
from cleanup.policy.language import Policy
from cleanup.reports.formatting import count
from cleanup.stop import Stop


class EarlierRuns:
    """What lies in the folders of a command's journals; each folder is looked through once."""

    def __init__(self) -> None:
        self._found: dict[Path, tuple[OpenJournal, ...]] = {}

    def of(self, job: Job, warnings: ends.Warnings) -> list[OpenJournal]:
        """Those of the job's own target that lie beside its journal; that itself is not among them.

        What cannot be read may be one: the first job is warned of it.
        """
        folder = job.journal.absolute().parent
        if folder not in self._found:
            self._found[folder] = tuple(
                open_journals(job.journal.parent, lambda *found: warnings.tell([_unreadable(*found)]))
            )
        return [
            one
            for one in self._found[folder]
            if one.started.place.same_place(job.target.ref) and one.path.absolute() != job.journal.absolute()
        ]

    def tell(self, job: Job, warnings: ends.Warnings) -> None:
        """Name each that is unfinished, and the command that finishes it."""
        for one in self.of(job, warnings):
            if one.state is State.UNFINISHED:
                warnings.tell([f"{one.path} is unfinished; finish it with: {jobs.resume_command(one.path)}"])


def _unreadable(path: Path, why: str) -> str:
    return f"{path} cannot be read ({why}): it may be an unfinished journal"


async def resume_earlier(
    found: list[OpenJournal],
    job: Job,
    settings: Settings,
    policy: Policy,
    warnings: ends.Warnings,
    *,
    asks: bool,
) -> int:
    """Finish each as `resume` does, and say so; the worst of their exit codes.

    Where the plan has expired, or was made from another policy than today's, what was in doubt is looked up and
    nothing deleted: that is no failure, for a new plan takes up the rest. Where it `asks`, deleting is confirmed
    first. Raises Interrupted when a stop comes, UsageError after a no or for a warning with --strict.
    """
    codes = [0]
    for one in found:
        if one.state is State.RUNNING:
            warnings.tell([f"{one.path} is left alone: another process is writing to it"])
            continue
        try:
            rest = Rest.of(read(one.path), job.target).under(policy)
            if rest.todo and isinstance(rest.plan, Plan):
                warnings.tell(rest.plan.header.warnings)
                warnings.require_none()
            if asks and rest.todo:
                await confirmation.confirm([_question(one, rest)], job.stop)
        except RecordRejected as error:
            warnings.tell([f"{one.path} is left alone: {error}"])
            continue
        if rest.is_nothing:
            continue
        log().info(f"{one.path} is unfinished: it is resumed first", **jobs.about(job))
        codes.append(await _finish(rest, settings, job.stop, warnings))
        if job.stop:
            raise Interrupted(f"{job.stop.why}: nothing was planned")
    return ends.worst(codes)


def _question(one: OpenJournal, rest: Rest) -> confirmation.Question:
    says = (
        f"{one.path} is unfinished: {count(len(rest.todo), 'image')} of {one.started.planned:,} that were "
        f"confirmed on {one.started.timestamp:%Y-%m-%d %H:%M} UTC are left and would be deleted first",
    )
    return confirmation.Question(rest.target.ref, says)


async def _finish(rest: Rest, settings: Settings, stop: Stop, warnings: ends.Warnings) -> int:
    """The exit code that the journal adds to that of the run."""
    try:
        ended = await go_on(rest, settings, stop.child(), for_good=True)
    except (UsageError, RecordRejected) as error:  # another process was quicker, say
        warnings.tell([f"{rest.journal.path} is left alone: {error}"])
        return 0
    except CleanupError as error:
        complain(error, target=rest.target.name)
        return error.exit_code
    if ended.exit_code != RecordRejected.exit_code:
        return ended.exit_code
    latest = read(rest.journal.path).latest.values()
    return 3 if any(result.outcome is Outcome.UNKNOWN for result in latest) else 0
