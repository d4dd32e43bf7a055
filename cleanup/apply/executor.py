"""The worker pool: due images in, one verdict each out. Knows no file, no terminal and no HTTP."""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio
import msgspec

from cleanup.apply.recheck import Due, objection
from cleanup.decision.select import NeededContents
from cleanup.errors import CleanupError, CredentialsLost, JournalWriteError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.outcome import BAD, Outcome, Verdict
from cleanup.stop import Cause, Stop, end_draining

_LOOKS = 5
_TOO_SLOW = (
    "not deleted, since what was known of it was too old again each time its turn came: "
    "raise --max-staleness or --rate"
)
_GONE = frozenset({Outcome.DELETED, Outcome.ALREADY_GONE})


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Everything the executor may do to the world.

    `delete(image_id, force, fresh)` sends the DELETE and settles its answer; it asks `fresh` right
    before each request leaves and returns None when that said no and the image is still there.
    `look_up(image_id)` returns the image as it is now, or the verdict when there is none or nobody
    can tell; `users()` is who uses what, fresh enough, and the second at which that reading began;
    `sharers(image)` are the records of the same repository, looked up now; `intend` returns once
    the intent is durable; `report` writes the one result. `clock` is in monotonic seconds.
    `look_up`, `users` and `sharers` raise a CleanupError when the service cannot be read, `intend`
    and `report` JournalWriteError.
    """

    delete: Callable[[str, bool, Callable[[], bool]], Awaitable[Verdict | None]]
    look_up: Callable[[str], Awaitable[Image | Verdict]]
    users: Callable[[], Awaitable[tuple[InUse, float]]]
    sharers: Callable[[Image], Awaitable[Iterable[Image]]]
    intend: Callable[[Due], Awaitable[None]]
    report: Callable[[Due, Verdict], None]
    clock: Callable[[], float]


@dataclass(frozen=True)
class _Seen:
    """An image that may be deleted, by what is known since the monotonic second `since`."""

    due: Due
    since: float


class _Course:
    """One image on its way: what is due of it by now, the force that its intent in the journal names,
    how many DELETEs left, whether one may be under way, how it ended."""

    def __init__(self, due: Due) -> None:
        self.due = due
        self.intent: bool | None = None
        self.attempts = 0
        self.under_way = False
        self.verdict: Verdict | None = None


async def execute(
    due: Sequence[Due],
    hands: Hands,
    stop: Stop,
    *,
    concurrency: int = 16,
    max_staleness: float = 300.0,
    grace: float = 30.0,
    breaker: int = 20,
) -> dict[str, Verdict]:
    """Delete what is due, in order, and return a verdict for every image, also when stopped.

    `max_staleness` is in seconds: no DELETE leaves on an older observation, it is renewed before.
    With 0 every image is looked at first, one at a time and for `grace` seconds at most. After
    `breaker` bad results in a row the run stops (0 switches that off).
    """
    pool = _Pool(due, hands, stop, concurrency, max_staleness, grace, breaker)
    try:
        async with anyio.create_task_group() as guard:
            guard.start_soon(end_draining, stop, guard.cancel_scope)
            async with anyio.create_task_group() as workers:
                for _ in range(min(concurrency, len(due))):
                    workers.start_soon(pool.work)
            guard.cancel_scope.cancel()
    finally:
        pool.settle_the_rest()
    return pool.verdicts


class _Pool:
    """The state the workers of one run share."""

    def __init__(
        self,
        due: Sequence[Due],
        hands: Hands,
        stop: Stop,
        concurrency: int,
        max_staleness: float,
        grace: float,
        breaker: int,
    ) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._due = due
        self._queue = iter(due)
        self._hands = hands
        self._stop = stop
        self._max_staleness = max_staleness
        self._longest = max_staleness or grace
        # Where looks must be very fresh, a DELETE may not queue behind the looks of other workers.
        self._lane = anyio.Semaphore(1 if max_staleness < grace else max(1, concurrency))
        self._ended = {one.image.id: anyio.Event() for one in due}
        self._recent: deque[bool] = deque(maxlen=breaker or None)
        self._breaker = breaker or math.inf

    async def work(self) -> None:
        while not self._stop and (one := next(self._queue, None)):
            await self._see_through(one)

    def settle_the_rest(self) -> None:
        for one in self._due:
            if one.image.id not in self.verdicts:
                self._settle(one, self._not_attempted())

    async def _see_through(self, one: Due) -> None:
        """One image from taking it up to its verdict; whatever happens, it gets exactly one."""
        course = _Course(one)
        try:
            if one.after:
                course.due = await self._after_its_siblings(one)
            for _ in range(_LOOKS):
                if self._stop or course.verdict:
                    break
                async with self._lane:
                    await self._look_and_delete(course)
            else:
                course.verdict = course.verdict or Verdict(outcome=Outcome.FAILED, error_msg=_TOO_SLOW)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))
        finally:
            unsettled = self._cut_short() if course.under_way else self._not_attempted()
            verdict = course.verdict or unsettled
            self._settle(course.due, msgspec.structs.replace(verdict, attempts=course.attempts))

    async def _look_and_delete(self, course: _Course) -> None:
        seen = await self._objection(course.due)
        if isinstance(seen, Verdict):
            course.verdict = seen
        elif not self._stop:
            course.due = seen.due
            if course.intent is not course.due.force:
                await self._hands.intend(course.due)
                course.intent = course.due.force
            course.verdict = await self._hands.delete(
                course.due.image.id, course.due.force, lambda: self._leaves(course, seen.since)
            )
            if course.verdict is None:
                course.under_way = False
                course.due = msgspec.structs.replace(course.due, seen_at=None)

    def _leaves(self, course: _Course, since: float) -> bool:
        """Whether a DELETE may leave on what is known since then; counted here, for each look has its own."""
        fresh = self._hands.clock() - since < self._longest
        course.attempts += fresh
        course.under_way |= fresh
        return fresh

    async def _after_its_siblings(self, one: Due) -> Due:
        """Wait until all records of the same content have ended; take the content only if all are gone."""
        for image_id in one.after:
            await self._ended[image_id].wait()
        all_gone = all(self.verdicts[image_id].outcome in _GONE for image_id in one.after)
        return one if all_gone else msgspec.structs.replace(one, force=False)

    async def _objection(self, one: Due) -> _Seen | Verdict:
        """Renew what is known about the image where it is too old; a verdict when it must be left alone."""
        stale = one.seen_at is None or self._hands.clock() - one.seen_at >= self._max_staleness
        try:
            in_use, since = await self._hands.users()
            if stale:
                return await self._second_look(one, in_use, since)
        except CleanupError as error:
            return self._unseen(error)
        return objection(one.image, one.image, in_use) or _Seen(one, min(since, one.seen_at or since))

    async def _second_look(self, one: Due, in_use: InUse, since: float) -> _Seen | Verdict:
        """Look the image up alone; what is known then is as old as the oldest of it, the notebooks of `since`."""
        if one.force and await self._shared(one):
            one = msgspec.structs.replace(one, force=False)
        found = await self._hands.look_up(one.image.id)
        if isinstance(found, Verdict):
            return found
        return objection(one.image, found, in_use) or _Seen(one, since)

    def _unseen(self, error: CleanupError) -> Verdict:
        """What becomes of an image that could not be looked at again: it is not deleted."""
        if self._stop:
            return self._not_attempted()
        why = f"not deleted, since it could not be looked up: {error}"
        if isinstance(error, CredentialsLost):
            return Verdict(outcome=Outcome.DENIED, http_status=401, error_msg=why)
        return Verdict(outcome=Outcome.FAILED, error_msg=why)

    async def _shared(self, one: Due) -> bool:
        """Whether a record that is not ours to delete before this one has come to share the content."""
        gone = {id_ for id_, verdict in self.verdicts.items() if verdict.outcome in _GONE}
        others = await self._hands.sharers(one.image)
        staying = NeededContents(other for other in others if other.id not in gone | {one.image.id})
        return one.image.content is None or one.image.content in staying

    def _settle(self, one: Due, verdict: Verdict) -> None:
        verdict = msgspec.structs.replace(verdict, force=one.force and verdict.outcome is not Outcome.DRIFTED)
        self.verdicts[one.image.id] = verdict
        self._ended[one.image.id].set()
        try:
            self._hands.report(one, verdict)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))
        self._watch(verdict)

    def _watch(self, verdict: Verdict) -> None:
        """The breaker, and the end of all trying when fresh credentials did not help."""
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

    def _not_attempted(self) -> Verdict:
        return Verdict(outcome=Outcome.NOT_ATTEMPTED, error_msg=self._stop.why or None)

    def _cut_short(self) -> Verdict:
        why = f"stopped while its DELETE was under way ({self._stop.why or 'a bug'}); `resume` settles it"
        return Verdict(outcome=Outcome.UNKNOWN, error_msg=why)
