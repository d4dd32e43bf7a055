"""The worker pool: due images in, one verdict each out. Knows no file, no terminal and no HTTP."""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio
import msgspec

from cleanup.errors import CleanupError, CredentialsLost, JournalWriteError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.outcome import BAD, Outcome, Verdict
from cleanup.recheck import Due, objection
from cleanup.stopping import Cause, Stop

_GONE = frozenset({Outcome.DELETED, Outcome.ALREADY_GONE})


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Everything the executor may do to the world.

    `delete(image_id, force)` sends the DELETE and settles its answer; `look_up(image_id)` returns
    the image as it is now, or the verdict when there is none or nobody can tell; `users()` is who
    uses what, fresh enough; `sharers(image)` are the records of the same repository, looked up
    now; `intend` returns once the intent is durable; `report` writes the one result. `clock` is
    in monotonic seconds. `look_up`, `users` and `sharers` raise InventoryError when the service
    cannot be read, `intend` and `report` JournalWriteError.
    """

    delete: Callable[[str, bool], Awaitable[Verdict]]
    look_up: Callable[[str], Awaitable[Image | Verdict]]
    users: Callable[[], Awaitable[InUse]]
    sharers: Callable[[Image], Awaitable[Iterable[Image]]]
    intend: Callable[[Due], Awaitable[None]]
    report: Callable[[Due, Verdict], None]
    clock: Callable[[], float]


async def execute(
    due: Sequence[Due],
    hands: Hands,
    stop: Stop,
    *,
    concurrency: int = 16,
    max_staleness: float = 300.0,
    breaker: int = 20,
) -> dict[str, Verdict]:
    """Delete what is due, in order, and return a verdict for every image, also when stopped.

    `max_staleness` is in seconds: an older observation is renewed right before its DELETE.
    After `breaker` bad results in a row the run stops (0 switches that off).
    """
    pool = _Pool(due, hands, stop, max_staleness, breaker)
    try:
        async with anyio.create_task_group() as guard:
            guard.start_soon(_end_draining, stop, guard.cancel_scope)
            async with anyio.create_task_group() as workers:
                for _ in range(min(concurrency, len(due))):
                    workers.start_soon(pool.work)
            guard.cancel_scope.cancel()
    finally:
        pool.settle_the_rest()
    return pool.verdicts


async def _end_draining(stop: Stop, scope: anyio.CancelScope) -> None:
    await stop.requested.wait()
    with anyio.move_on_after(stop.drain_seconds):
        await stop.aborted.wait()
    scope.cancel()


class _Pool:
    """The state the workers of one run share."""

    def __init__(
        self, due: Sequence[Due], hands: Hands, stop: Stop, max_staleness: float, breaker: int
    ) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._due = due
        self._queue = iter(due)
        self._hands = hands
        self._stop = stop
        self._max_staleness = max_staleness
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
        verdict: Verdict | None = None
        intended = False
        try:
            if one.after:
                one = await self._after_its_siblings(one)
            settled = await self._objection(one)
            if isinstance(settled, Verdict):
                verdict = settled
            elif not self._stop:
                one = settled
                await self._hands.intend(one)
                intended = True
                verdict = await self._hands.delete(one.image.id, one.force)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))
        finally:
            self._settle(one, verdict or (self._cut_short() if intended else self._not_attempted()))

    async def _after_its_siblings(self, one: Due) -> Due:
        """Wait until all records of the same content have ended; take the content only if all are gone."""
        for image_id in one.after:
            await self._ended[image_id].wait()
        all_gone = all(self.verdicts[image_id].outcome in _GONE for image_id in one.after)
        return one if all_gone else msgspec.structs.replace(one, force=False)

    async def _objection(self, one: Due) -> Due | Verdict:
        """Renew what is known about the image where it is too old; a verdict when it must be left alone."""
        live = one.image
        stale = one.seen_at is None or self._hands.clock() - one.seen_at >= self._max_staleness
        try:
            if stale:
                found = await self._hands.look_up(one.image.id)
                if isinstance(found, Verdict):
                    return found
                live = found
            if trouble := objection(one.image, live, await self._hands.users()):
                return trouble
            if stale and one.force and await self._shared(one):
                return msgspec.structs.replace(one, force=False)
        except CleanupError as error:
            return self._unseen(error)
        return one

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
        return any(
            other.content == one.image.content and other.id != one.image.id and other.id not in gone
            for other in await self._hands.sharers(one.image)
        )

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
        why = f"stopped while its DELETE was under way ({self._stop.why}); `resume` settles it"
        return Verdict(outcome=Outcome.UNKNOWN, attempts=1, error_msg=why)
