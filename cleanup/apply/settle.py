"""What a journal leaves in doubt, settled by look-ups alone and written down as a run of its own; deletes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

import cleanup
from cleanup import outcome
from cleanup.config.job import Job
from cleanup.config.settings import TargetRef
from cleanup.errors import CleanupError, Interrupted, UsageError
from cleanup.image import Image
from cleanup.journal import (
    DeleteIntent,
    DeleteResult,
    Journal,
    JournalFile,
    RunFinished,
    RunStarted,
    image_of,
    read,
)
from cleanup.journal.records import Level
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.outcome import Outcome, Verdict


@dataclass(frozen=True)
class Open:
    """An image of an earlier run that has no final status, and will get none by a DELETE any more."""

    image: Image
    rule: str | None


async def settle_earlier(job: Job, client: Client) -> None:
    """Settle what earlier runs left in doubt in the journal that this run is about to append to.

    Raises UsageError where that is about another project, InventoryError where no credentials let us look.
    """
    if not (job.journal.is_file() and job.journal.stat().st_size):
        return
    journal = read(job.journal)
    if strangers := journal.in_doubt.keys() - doubts_here(journal, job.target.ref).keys():
        raise UsageError(
            f"the journal {job.journal} leaves deletes of another project in doubt ({len(strangers)}): settle "
            f"them with `image-cleanup resume {job.journal}`, connected to that, or choose another --journal"
        )
    await settle(job, client, journal)


def doubts_here(journal: JournalFile, target: TargetRef) -> dict[str, DeleteIntent]:
    """What is in doubt in this journal and can be looked up, since it is of the target's own project."""
    here = {run.started.run_id for run in journal.runs if run.started.place.same_project(target)}
    return {key: intent for key, intent in journal.in_doubt.items() if intent.run_id in here}


async def settle(
    job: Job,
    client: Client,
    journal: JournalFile,
    *,
    but: str = "",
    rest: Sequence[Open] = (),
    refusal: CleanupError | None = None,
) -> RunFinished | None:
    """Look every image in doubt up, and write down what is found: a run for each plan that it was of.

    Those of the plan with the sha256 `but` are left to who goes on with that. With a `refusal`, why
    the last plan cannot be gone on with, its run names that, its exit code, and the `rest` of its
    images as not attempted. Returns how the last of these runs ended, None where there was none.
    Raises Interrupted when a stop comes first; nothing is written then.
    """
    doubts = doubts_here(journal, job.target.ref)
    plans = {run.started.run_id: run.started.plan_sha256 for run in journal.runs}
    last = journal.chain[0].started.plan_sha256
    doubts = {key: intent for key, intent in doubts.items() if plans[intent.run_id] != but}
    found = await job.stop.unless_requested(lambda: _look_all_up(job, client, doubts))
    if found is None:
        raise Interrupted(f"{job.stop.why}: nothing was deleted")
    finished = None
    # The last plan comes last: how it ended is what the journal, and `resume`, end with.
    concerned = {plans[intent.run_id] for intent in doubts.values()} | ({last} if rest else set())
    for number, plan in enumerate(sorted(concerned, key=lambda plan: plan == last), 1):
        mine = [intent for intent in doubts.values() if plans[intent.run_id] == plan]
        results = [DeleteResult.of(image_of(one), one.rule, found[one.image_id]) for one in mine]
        refused = refusal if plan == last else None
        if refused:
            left = Verdict(outcome=Outcome.NOT_ATTEMPTED, error_msg=str(refused))
            results += [DeleteResult.of(one.image, one.rule, left) for one in rest]
        of_its_own = replace(job, run_id=f"{job.run_id}-s{number}")
        finished = _write(of_its_own, client, journal, plan, results, refused)
        journal = read(journal.path)
    return finished


async def _look_all_up(job: Job, client: Client, doubts: Mapping[str, DeleteIntent]) -> dict[str, Verdict]:
    """What is found of each; all that are still being deleted share one `--settle-timeout`."""
    until = job.runtime.clock() + job.settings.settle_timeout
    settled = {}
    for intent in doubts.values():
        found = await deletion.settle_doubt(client, intent.image_id, until=until, sleep=job.runtime.sleep)
        settled[intent.image_id] = _as_verdict(found, intent)
    return settled


def _as_verdict(found: Image | Verdict, intent: DeleteIntent) -> Verdict:
    if isinstance(found, Verdict):
        return msgspec.structs.replace(found, force=intent.force)
    seen = found.status or ""
    return Verdict(
        outcome=Outcome.UNKNOWN if found.known_status is None else Outcome.NOT_ATTEMPTED,
        image_status=seen,
        error_msg=f"its DELETE was in doubt; a look-up shows that it is still there ({seen or 'status missing'})",
    )


def _exit_code(counts: dict[Outcome, int]) -> int:
    """As of an interrupted run: what was found to be there has not been deleted."""
    return outcome.exit_code(counts) or (Interrupted.exit_code if counts[Outcome.NOT_ATTEMPTED] else 0)


def _write(
    job: Job,
    client: Client,
    journal: JournalFile,
    plan: str,
    results: Sequence[DeleteResult],
    refusal: CleanupError | None,
) -> RunFinished:
    """One run that resumes the last one of this plan (its sha256) with these results, whole."""
    began = job.runtime.clock()
    chain = [run.started for run in journal.runs if run.started.plan_sha256 == plan]
    with Journal.of(job, read_size=journal.size) as file:
        file.write(_started(job, chain, len(results)))
        for result in results:
            file.write(result)
        finished = _finished(client, results, refusal, job.runtime.clock() - began)
        file.write(finished)
    told = ", ".join(f"{number:,} {word}" for word, number in finished.counts.items() if number)
    job.progress.note(f"what run {chain[-1].run_id} left open was settled by look-ups: {told}")
    return finished


def _started(job: Job, chain: Sequence[RunStarted], planned: int) -> RunStarted:
    """As the first run of the `chain` began, for what its last one left open."""
    return msgspec.structs.replace(
        chain[0],
        level=Level.INFO,
        planned=planned,
        rate=job.target.rate,
        concurrency=job.target.concurrency,
        tool_version=cleanup.__version__,
        resumes=chain[-1].run_id,
    )


def _finished(
    client: Client, results: Sequence[DeleteResult], refusal: CleanupError | None, seconds: float
) -> RunFinished:
    counts = outcome.tally(result.outcome for result in results)
    return RunFinished.of(
        counts,
        planned=len(results),
        bytes_freed=0,
        requests=client.requests,
        throttled=client.throttled,
        rate_end=client.rate_now,
        duration_s=round(seconds, 3),
        exit_code=refusal.exit_code if refusal else _exit_code(counts),
        stopped=str(refusal) if refusal else None,
    )
