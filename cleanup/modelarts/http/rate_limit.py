"""When requests may leave: one strict limiter for a target, that a 429 slows down for everybody.

A token bucket paces requests; its rate is found from the answers (rate_control.py). A `Retry-After` holds for
everybody in any case.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from cleanup.modelarts.http.rate_control import RateControl

if TYPE_CHECKING:
    from asyncio import Event

_BURST = 1 / 20  # half of what may be exceeded in one second; the other half is left to network jitter
_LATE = 1.5  # requests: at low rates more than that half, or waits that end late would cost throughput
LONGEST_PAUSE = 300.0  # seconds: a longer Retry-After is cut to this
_SLOWED = 0.8  # of the rate that was set
_HARDLY = 1e-4  # of a slot: waiting for so little might not even move the clock


class RateLimiter:
    """The one limiter all requests of a target share: first come, first served.

    `rate` is in requests a second; in any one second at most rate + max(1, rate / 10) leave.
    `clock` gives monotonic seconds, `sleep` waits seconds; both are injected.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._set_rate = rate
        self._clock = clock
        self._sleep = sleep
        self._line: deque[Event] = deque()
        self._tokens = 1.0
        now = clock()
        self._filled_at = self._resumes_at = now
        self._control = RateControl(rate, now)
        self._released = self._throttled = 0

    @property
    def rate_now(self) -> float:
        """Requests a second, as of now."""
        return self._control.rate

    @property
    def paused_for(self) -> float:
        """Seconds until anything may leave."""
        return max(0.0, self._resumes_at - self._clock())

    @property
    def is_slowed(self) -> bool:
        """Whether refusals keep the rate well below the one that was set."""
        return self._control.rate < _SLOWED * self._set_rate

    @property
    def refused_by_chance(self) -> bool:
        """Whether refusals were found to come whatever the rate is."""
        return self._control.by_chance

    @property
    def released(self) -> int:
        """Requests let out so far."""
        return self._released

    @property
    def refused_count(self) -> int:
        """Refusals (429) so far."""
        return self._throttled

    async def acquire(self) -> float:
        """Wait for the next slot; returns the moment of release, to be told with its answer.

        A cancelled waiter leaves the queue and costs nobody a slot. Where nobody waits and a slot is
        free, this takes no turn of the event loop.
        """
        released = self.acquire_now()
        if released is None:
            await self._wait_in_line()
            released = self._release()
        return released

    def acquire_now(self) -> float | None:
        """The same where that takes no waiting; else None, and nothing has happened."""
        return None if self._line or self._wait() > 0 else self._release()

    def _release(self) -> float:
        self._tokens -= 1
        self._released += 1
        now = self._clock()
        self._control.left(now)
        return now

    async def _wait_in_line(self) -> None:
        """Only the first in line sleeps; as it leaves, it wakes the next."""
        from asyncio import Event  # here, for it takes a tenth of a second to import

        turn = Event()
        line = self._line
        line.append(turn)
        try:
            if line[0] is not turn:
                await turn.wait()
            while (wait := self._wait()) > 0:
                await self._sleep(wait)
        finally:
            line.remove(turn)
            if line:
                line[0].set()

    def _wait(self) -> float:
        """Seconds until the next request may leave, judged now: a stalled loop earns no burst."""
        now = self._clock()
        self._fill(now)
        if self._resumes_at > now:
            return self._resumes_at - now
        missing = 1 - self._tokens
        return missing / self._control.rate if missing > _HARDLY else 0.0

    def _fill(self, now: float) -> None:
        if now <= self._filled_at:
            return
        rate = self._control.rate
        burst = rate * _BURST
        most = max(1.0, burst, min(_LATE, 2 * burst))
        self._tokens = min(most, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now

    def pause(self, seconds: float) -> None:
        """Nobody leaves for so many seconds, at most 300. Nothing is earned meanwhile: no burst follows."""
        now = self._clock()
        self._fill(now)
        self._tokens = min(self._tokens, 1.0)
        self._resumes_at = max(self._resumes_at, now + min(seconds, LONGEST_PAUSE))
        self._filled_at = max(self._filled_at, self._resumes_at)
        self._control.pauses(self._resumes_at)

    def throttled(self, released: float, retry_after: float | None) -> None:
        """A 429 came for the request released then: everybody pauses for `retry_after` seconds."""
        self._throttled += 1
        now = self._clock()
        self._fill(now)
        if pause := self._control.refused(released, now, retry_after or 0.0, waiting=bool(self._line)):
            self.pause(pause)

    def succeeded(self, released: float) -> None:
        """Any other answer came for the request released then."""
        now = self._clock()
        if self._throttled:
            self._fill(now)
        self._control.passed(released, now)
