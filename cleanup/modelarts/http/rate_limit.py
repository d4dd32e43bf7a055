"""How fast requests may leave: one strict limiter for a target, that a 429 slows down for everybody.

Additive increase, multiplicative decrease, around the rate at which the service last refused.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio

_BURST = 1 / 20  # half of what may be exceeded in one second; the other half is left to network jitter
_LEAST_RATE = 0.2
_LONGEST_PAUSE = 300.0
_QUIET = 0.25  # a refusal without Retry-After: time for the service's bucket to get some tokens
_DECREASE = 0.9
_HARDLY = 1e-4  # of a slot: waiting for so little might not even move the clock
_WINDOW = 1.0  # seconds over which the goodput is measured
_SHORT_WINDOW = 0.2


class RateLimiter:
    """The one limiter all requests of a target share: first come, first served.

    `rate` is in requests a second; in any one second at most rate + max(1, rate / 10) leave.
    `clock` gives monotonic seconds, `sleep` waits seconds; both are injected.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._set_rate = self._rate = self._refused_at_rate = rate
        self._clock = clock
        self._sleep = sleep
        self._queue = anyio.Lock()
        self._tokens = 1.0
        now = clock()
        self._filled_at = self._grown_at = now
        self._resumes_at = now - _WINDOW  # the idle time before the first request counts as unpaused
        self._slowed_at = -float("inf")
        self._answered: deque[float] = deque()
        self._released = self._throttled = 0

    @property
    def rate_now(self) -> float:
        """Requests a second, as of now."""
        return self._rate

    @property
    def released(self) -> int:
        """Requests let out so far."""
        return self._released

    @property
    def refused_count(self) -> int:
        """Refusals (429) so far."""
        return self._throttled

    async def acquire(self) -> float:
        """Wait for the next slot; returns the moment of release, to be handed to `throttled`.

        A cancelled waiter leaves the queue and costs nobody a slot.
        """
        async with self._queue:
            while (wait := self._wait()) > 0:
                await self._sleep(wait)
            self._tokens -= 1
            self._released += 1
            return self._clock()

    def _wait(self) -> float:
        """Seconds until the next request may leave, judged now: a stalled loop earns no burst."""
        now = self._clock()
        self._fill(now)
        missing = 1 - self._tokens
        return max(self._resumes_at - now, missing / self._rate if missing > _HARDLY else 0.0)

    def _fill(self, now: float) -> None:
        earned = max(0.0, now - self._filled_at) * self._rate
        self._tokens = min(max(1.0, self._rate * _BURST), self._tokens + earned)
        self._filled_at = max(now, self._filled_at)

    def throttled(self, released: float, retry_after: float | None) -> None:
        """A 429 came for the request released then: everybody pauses for `retry_after` seconds.

        The rate falls once per congestion: answers to requests that left before it last fell were
        on their way already. While paused nothing is earned, so that no burst follows.
        """
        now = self._clock()
        self._throttled += 1
        pause = min(retry_after or 0.0, _LONGEST_PAUSE)
        if released > self._slowed_at:
            self._slow_down(now)
            pause = max(pause, _QUIET)
        self._fill(now)
        self._tokens = min(self._tokens, 1.0)
        self._resumes_at = max(self._resumes_at, now + pause)
        self._filled_at = max(self._filled_at, self._resumes_at)
        self._grown_at = max(self._grown_at, self._resumes_at)

    def _slow_down(self, now: float) -> None:
        """Fall to nine tenths of what really got through, or of the present rate where that is less."""
        active = now - self._resumes_at
        goodput = self._count_answered(now) / min(_WINDOW, max(_SHORT_WINDOW, active))
        if active >= _WINDOW:
            self._refused_at_rate = min(self._rate, max(goodput, 0.85 * self._rate))
        elif active >= _WINDOW / 2:
            self._refused_at_rate = self._rate
        else:  # a refusal right after a pause says little about the rate
            self._refused_at_rate = max(self._rate, 0.7 * self._refused_at_rate)
        least = max(_LEAST_RATE, self._rate / 20)  # little may have got through because little was asked
        self._rate = min(self._set_rate, max(least, _DECREASE * min(self._rate, goodput)))
        self._slowed_at = now

    def _count_answered(self, now: float) -> int:
        since = max(now - _WINDOW, self._resumes_at)
        while self._answered and self._answered[0] <= since:
            self._answered.popleft()
        return len(self._answered)

    def succeeded(self) -> None:
        """Any other answer came: recover a little, by the time that went by without a refusal."""
        now = self._clock()
        self._answered.append(now)
        self._count_answered(now)
        seconds = min(max(0.0, now - self._grown_at), max(1.0, 2 / self._rate))
        self._grown_at = max(now, self._grown_at)
        self._fill(now)
        self._rate = min(self._set_rate, self._rate + self._growth() * seconds)

    def _growth(self) -> float:
        """Requests a second gained per second: least near the rate last refused, more away from it.

        The plateau makes refusals rare while the service's limit stands (one in 15 s or so); beyond
        it the rate climbs faster, for then the limit has gone.
        """
        refused = self._refused_at_rate
        distance = self._rate / refused - 1
        fastest = 0.1 * refused if distance < 0 else max(0.1 * refused, self._set_rate / 20)
        return min(fastest, refused * (0.002 + 3 * distance * distance))


def backoff(attempt: int, random: Callable[[], float]) -> float:
    """Seconds to wait after the given attempt (from 1): full jitter over 0.5 s, 1 s, 2 s ... 20 s.

    `random` gives numbers in [0, 1).
    """
    return random() * min(20.0, 0.5 * 2.0 ** min(attempt - 1, 10))
