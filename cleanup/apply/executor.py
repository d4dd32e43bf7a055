"""The deleting itself: due images in, one verdict each out, each written down when it is there."""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache, partial

import anyio
import msgspec

from cleanup.apply.fresh_use import FreshUse
from cleanup.apply.recheck import Due, Objections
from cleanup.apply.worker_pool import Rest, work_off
from cleanup.decision.force import sharing_content
from cleanup.errors import CleanupError, CredentialsLost, InventoryError, JournalWriteError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.journal import DeleteIntent, DeleteResult, Journal
from cleanup.modelarts import deletion
from cleanup.modelarts.client import Client
from cleanup.outcome import BAD, GONE, Outcome, Verdict
from cleanup.policy.language import Policy
from cleanup.reference import ReferenceIndex
from cleanup.stop import Cause, Stop

_LOOKS = 5
_TOO_SLOW = (
    "not deleted, since what was known of it was too old again each time its turn came: "
    "raise --max-staleness or --rate"
)
_GRACE = 30.0  # seconds
_AHEAD = 4  # to so many that ask the service there is another whose intent is written meanwhile
_MOST_SETTLING = 1000


class _Deletion:
    """One image on its way. Its states, in order:

    waiting for its siblings -> looked at (again while `due.seen_at` is too old) -> intended (`intent` is
    the force that its line in the journal names) -> sent (`in_flight` is the number of the attempt that
    left last, 0 when none is under way) -> settled (`verdict`), where the service takes its time only
    after a while (`pending`; its verdict holds until then).

    `attempts` counts the DELETEs of requests that have ended; each look has its own request.
    """

    def __init__(self, due: Due) -> None:
        self.due = due
        self.intent: bool | None = None
        self.attempts = 0
        self.in_flight = 0
        self.verdict: Verdict | None = None
        self.pending: deletion.Pending | None = None

    def sent(self, attempt: int) -> None:
        """A DELETE leaves."""
        self.in_flight = attempt

    def returned(self, attempts: int) -> None:
        """The request has its answer, after so many DELETEs."""
        self.attempts += attempts
        self.in_flight = 0


class Executor:
    """Deletes what is due through a client, ahead of each DELETE in a journal, on fresh knowledge of use.

    `policy` is the plan's; `clock` is in monotonic seconds, `sleep` waits some. No DELETE leaves on an
    observation older than `max_staleness` seconds, it is renewed before; with 0 every image is looked at
    first, one at a time, and its DELETE leaves within _GRACE seconds of that look, and before the seconds
    in which the plan may be applied, `valid_for`, are over. What is accepted and not done yet is looked at
    for `settle_timeout` seconds, beside the other work. Of so many workers that some write intents meanwhile, at most
    `concurrency` ask the service. After `breaker` bad results in a row the run stops
    (0 switches that off). `ended` is told each outcome.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        users: FreshUse,
        stop: Stop,
        *,
        policy: Policy,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        concurrency: int = 16,
        max_staleness: float = 300.0,
        valid_for: Callable[[], float] = lambda: math.inf,
        settle_timeout: float = 120.0,
        breaker: int = 20,
        ended: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._client = client
        self._journal = journal
        self._users = users
        self._stop = stop
        self._objections = Objections(policy)
        self._clock = clock
        self._sleep = sleep
        self._workers = concurrency + concurrency // _AHEAD
        self._asking = anyio.Semaphore(concurrency, fast_acquire=True)
        self._max_staleness = max_staleness
        self._longest = max_staleness or _GRACE
        self._valid_for = valid_for
        # Where looks must be very fresh, a DELETE may not queue behind the looks of other workers.
        self._lane = anyio.Lock() if max_staleness < _GRACE else nullcontext()
        self._settle_timeout = settle_timeout
        self._settling = anyio.Semaphore(_MOST_SETTLING)
        self._settled: dict[str, anyio.Event] = {}
        self._recent: deque[bool] = deque(maxlen=breaker or None)
        self._breaker = breaker or math.inf
        self._ended = ended

    async def execute(
        self, due: Sequence[Due], known: Mapping[str, Verdict] | None = None
    ) -> dict[str, Verdict]:
        """Delete what is due, in order; a verdict in short for every image, also when stopped, beside those `known`."""
        self.verdicts = dict(known or {})
        self._settled = {image_id: anyio.Event() for one in due for image_id in one.after}
        try:
            await work_off(due, self._delete, self._stop, min(self._workers, len(due)))
        finally:
            for one in due:
                if one.image.id not in self.verdicts:
                    self._end(one, self._not_attempted())
            self._write_out()
        return self.verdicts

    def _write_out(self) -> None:
        """Have all results in the journal."""
        try:
            self._journal.catch_up()
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))

    async def _delete(self, one: Due) -> Rest | None:
        """One image from taking it up to its verdict; whatever happens, it gets exactly one.

        Where the service takes its time the wait for that is returned, to go on beside other work.
        """
        work = _Deletion(one)
        settling: Rest | None = None
        try:
            if one.after:
                work.due = await self._after_its_siblings(one)
            for _ in range(_LOOKS):
                if self._stop or work.verdict:
                    break
                async with self._lane:
                    await self._look_and_send(work)
            else:
                if not self._stop:
                    work.verdict = work.verdict or Verdict(outcome=Outcome.FAILED, error_msg=_TOO_SLOW)
            if work.pending:
                await self._settling.acquire()
                settling = partial(self._settle, work, work.pending)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))
        finally:
            if settling is None:
                self._end_of(work)
        return settling

    async def _settle(self, work: _Deletion, pending: deletion.Pending) -> None:
        """The rest of a deletion that takes its time, up to its verdict."""
        try:
            until = self._clock() + self._settle_timeout
            work.verdict = await deletion.settle(self._client, pending, until=until, sleep=self._sleep)
        finally:
            self._settling.release()
            self._end_of(work)

    def _end_of(self, work: _Deletion) -> None:
        verdict = work.verdict or (self._cut_short() if work.in_flight else self._not_attempted())
        self._end(work.due, verdict, work.attempts + work.in_flight)

    async def _after_its_siblings(self, one: Due) -> Due:
        """Wait until all records of the same content have ended; take the content only if all are gone."""
        for image_id in one.after:
            if image_id not in self.verdicts:
                await self._settled[image_id].wait()
        all_gone = all(map(self._is_gone, one.after))
        return one if all_gone else msgspec.structs.replace(one, force=False)

    async def _look_and_send(self, work: _Deletion) -> None:
        known = await self._known(work.due)
        if isinstance(known, Verdict):
            work.verdict = known
            return
        if (left := self._valid_for()) <= 0:
            self._stop.request(
                Cause.EXPIRED, "the plan expired while it was applied: plan again for the rest"
            )
        if self._stop:
            return
        work.due, since = known
        latest = min(since + self._longest, self._clock() + left)
        if not await self._intended(work):
            return
        async with self._asking:
            if self._stop:
                return
            answer = await deletion.delete(
                self._client,
                work.due.image.id,
                force=work.due.force,
                who_uses=partial(self._users.who_uses, work.due.image),
                send_before=latest,
                on_send=work.sent,
            )
        work.returned(answer.attempts)
        if isinstance(answer, Verdict):
            work.verdict = answer
        elif isinstance(answer, deletion.Pending):
            work.verdict, work.pending = answer.verdict, answer
        else:  # its time was over before it could leave (again): only a new look can tell what is due
            work.due = msgspec.structs.replace(work.due, seen_at=None)

    async def _intended(self, work: _Deletion) -> bool:
        """Whether the intent is on disk: else the image has its verdict."""
        if work.intent is not work.due.force:
            try:
                intent = _intent(work.due)
            except InventoryError as error:  # its record cannot be read back: restore would not have it
                work.verdict = self._unseen(error)
                return False
            await self._journal.write_ahead(intent)
            work.intent = work.due.force
        return True

    async def _known(self, one: Due) -> tuple[Due, float] | Verdict:
        """What is due by all that is known, and the monotonic second since which that is known.

        What is too old is looked at again; a verdict when the image must be left alone.
        """
        stale = one.seen_at is None or self._clock() - one.seen_at >= self._max_staleness
        try:
            in_use, since = await self._users.get()
            if stale:
                async with self._asking:
                    return await self._second_look(one, in_use, since)
        except CleanupError as error:
            return self._unseen(error)
        trouble = self._objections.to(one, one.image, in_use)
        return trouble or (one, min(since, one.seen_at or since))

    async def _second_look(self, one: Due, in_use: InUse, since: float) -> tuple[Due, float] | Verdict:
        """Look the image up alone; what is known then is as old as the oldest of it, the users of `since`."""
        if one.force and await self._shared(one.image):
            one = msgspec.structs.replace(one, force=False)
        found = await deletion.current(self._client, one.image.id)
        if isinstance(found, Verdict):
            return found
        if trouble := self._objections.to(one, found, in_use):
            return trouble
        use = await self._users.last_look(found)
        return self._objections.to(one, found, InUse([use] if use else [])) or (one, since)

    async def _shared(self, image: Image) -> bool:
        """Whether a record that is not ours to delete before this one has come to share the content."""
        others = await self._client.same_repository(image, self._users.workspaces)
        staying = ReferenceIndex((other.reference, other) for other in others if not self._is_gone(other.id))
        return image.content is None or bool(sharing_content(image, staying))

    def _is_gone(self, image_id: str) -> bool:
        verdict = self.verdicts.get(image_id)
        return verdict is not None and verdict.outcome in GONE

    def _unseen(self, error: CleanupError) -> Verdict:
        """What becomes of an image that could not be looked at again: it is not deleted."""
        if self._stop:
            return self._not_attempted()
        why = f"not deleted, since it could not be looked up: {error}"
        if isinstance(error, CredentialsLost):
            return Verdict(outcome=Outcome.DENIED, http_status=401, error_msg=why)
        return Verdict(outcome=Outcome.FAILED, error_msg=why)

    def _not_attempted(self) -> Verdict:
        return Verdict(outcome=Outcome.NOT_ATTEMPTED, error_msg=self._stop.why or None)

    def _cut_short(self) -> Verdict:
        why = f"stopped while its DELETE was under way ({self._stop.why or 'a bug'}); `resume` settles it"
        return Verdict(outcome=Outcome.UNKNOWN, error_msg=why)

    def _end(self, one: Due, verdict: Verdict, attempts: int = 0) -> None:
        """Write the one result down, wake those who wait for it, and stop the run where it shows no hope."""
        force = one.force and verdict.outcome is not Outcome.DRIFTED
        verdict = msgspec.structs.replace(verdict, force=force, attempts=attempts)
        # The evidence stands in the journal; here it would only take room, more with each image.
        self.verdicts[one.image.id] = _in_short(verdict.outcome, force, verdict.error_msg)
        if waited_for := self._settled.get(one.image.id):
            waited_for.set()
        try:
            self._journal.write_behind(DeleteResult.of(one.image, one.rule, verdict))
            self._ended(verdict.outcome)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))
        if verdict.outcome is Outcome.DENIED and verdict.http_status == 401:
            self._stop.request(Cause.DENIED, f"the credentials are no longer accepted ({verdict.error_msg})")
        if verdict.outcome in (Outcome.DRIFTED, Outcome.NOT_ATTEMPTED):
            return
        self._recent.append(verdict.outcome in BAD)
        if len(self._recent) >= self._breaker and all(self._recent):
            last = f"{verdict.outcome}: {verdict.error_msg or verdict.http_status}"
            self._stop.request(
                Cause.BREAKER,
                f"the last {len(self._recent)} results were all failures or denials (last: {last})",
            )


@lru_cache(maxsize=256)  # nearly all are one of a few
def _in_short(outcome: Outcome, force: bool, error_msg: str | None) -> Verdict:
    return Verdict(outcome=outcome, force=force, error_msg=error_msg)


def _intent(one: Due) -> DeleteIntent:
    return DeleteIntent(image_id=one.image.id, rule=one.rule, force=one.force, image=one.image.raw)
