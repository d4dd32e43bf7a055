"""How fast requests may leave: one strict limiter for a target, that a 429 slows down for everybody.

A token bucket paces requests at a rate. A 429 lowers the rate to nine tenths of what got through; other
answers raise it again along a curve like that of CUBIC congestion control (RFC 9438): fast while far
below the rate last refused, hardly at all near it, faster again once that rate is passed unrefused.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio

_BURST = 1 / 20  # half of what may be exceeded in one second; the other half is left to network jitter
_LEAST_RATE = 0.2
_LONGEST_PAUSE = 300.0
_QUIET = 0.25  # a refusal without Retry-After: time for the service's bucket to get some tokens
_DECREASE = 0.9  # CUBIC takes 0.7; the goodput is measured here, so that less has to be given up
_DEEPEST_FALL = 1 / 20  # of the rate, in one step: little may have got through because little was asked
_HARDLY = 1e-4  # of a slot: waiting for so little might not even move the clock
_WINDOW = 1.0  # seconds over which the goodput is measured
_SHORT_WINDOW = 0.2
_TRUSTED_GOODPUT = 0.85  # of the rate: below it something else than the service held requests back
_REMEMBERED = 0.7  # of the limit known before remains believable when a refusal follows right on a pause
# The curve: gain per second as shares of the refused rate. The least gain probes for a limit that has
# gone, about one refusal in 15 s where it has not; the bend makes 10 % off the plateau gain 3 % a second.
_LEAST_GAIN = 0.002
_BEND = 3.0
_LARGEST_GAIN = 0.1
_LARGEST_GAIN_BEYOND = (
    1 / 20
)  # of the rate that was set: beyond the old limit, so that a high rate comes back


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
        self.pause(pause)

    def pause(self, seconds: float) -> None:
        """Nothing leaves for so long, and nothing is earned; the rate stays."""
        now = self._clock()
        self._fill(now)
        self._tokens = min(self._tokens, 1.0)
        self._resumes_at = max(self._resumes_at, now + seconds)
        self._filled_at = max(self._filled_at, self._resumes_at)
        self._grown_at = max(self._grown_at, self._resumes_at)

    def _slow_down(self, now: float) -> None:
        """Fall to nine tenths of what really got through, or of the present rate where that is less."""
        active = now - self._resumes_at
        goodput = self._count_answered(now) / min(_WINDOW, max(_SHORT_WINDOW, active))
        if active >= _WINDOW:
            self._refused_at_rate = min(self._rate, max(goodput, _TRUSTED_GOODPUT * self._rate))
        elif active >= _WINDOW / 2:
            self._refused_at_rate = self._rate
        else:  # a refusal right after a pause says little about the rate
            self._refused_at_rate = max(self._rate, _REMEMBERED * self._refused_at_rate)
        least = max(_LEAST_RATE, self._rate * _DEEPEST_FALL)
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
        """Requests a second gained per second, by the distance to the rate last refused."""
        refused = self._refused_at_rate
        distance = self._rate / refused - 1
        fastest = _LARGEST_GAIN * refused
        if distance >= 0:
            fastest = max(fastest, self._set_rate * _LARGEST_GAIN_BEYOND)
        return min(fastest, refused * (_LEAST_GAIN + _BEND * distance * distance))
