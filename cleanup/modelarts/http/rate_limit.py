"""How fast requests may leave: one strict limiter for a target, that a 429 slows down for everybody.

A token bucket paces requests. A refusal lowers the rate to a little less than got through, not by a fixed
share: the delivery-rate estimate of TCP Westwood+ (Grieco and Mascolo, 2004, "Performance evaluation and
comparison of Westwood+, New Reno, and Vegas TCP congestion control"). Other answers raise it again along a
curve like that of CUBIC (RFC 9438): fast while far below the limit that was met, hardly at all near it,
faster again once that is passed unrefused.

Refusals that go on at ever lower rates do not depend on the rate. Then the slowing is undone, as RFC 4015
(Eifel) does after a spurious one, and as in BBRv3 (draft-ietf-ccwg-bbr, its loss threshold) a share of
refusals is tolerated; only more of them lower the rate. A `Retry-After` holds for everybody in any case.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio

_BURST = 1 / 20  # half of what may be exceeded in one second; the other half is left to network jitter
_LATE = 1.5  # requests: at low rates more than that half, or waits that end late would cost throughput
_LEAST_RATE = 0.2
LONGEST_PAUSE = 300.0  # seconds: a longer Retry-After is cut to this
_QUIET = 0.25  # a refusal without Retry-After: time for the service's bucket to get some tokens
_DECREASE = 0.92  # CUBIC takes 0.7; the goodput is measured here, so that less has to be given up
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
# Refusals by chance.
_SAFE = 0.95  # of the limit: below it no refusal is expected
_STRIKES = 3  # refusals in a row, each at a lower rate, that are one too many
_MOST_BY_CHANCE = 0.3  # of the requests: a larger share is a limit that was not found yet
_MOST_TOLERATED = 0.45
_MARGIN = 0.05  # tolerated beside twice the share that was seen: samples are small
_LATEST = 1 / 50  # weight of one answer in the share of refusals of late
_EXPECTED = 10  # refusals that did not come: there is no chance any more


class RateLimiter:
    """The one limiter all requests of a target share: first come, first served.

    `rate` is in requests a second; in any one second at most rate + max(1, rate / 10) leave.
    `clock` gives monotonic seconds, `sleep` waits seconds; both are injected.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._set_rate = self._rate = self._limit = rate
        self._clock = clock
        self._sleep = sleep
        self._queue = anyio.Lock(fast_acquire=True)
        self._in_line = 0
        self._tokens = 1.0
        now = clock()
        self._filled_at = self._grown_at = now
        self._resumes_at = now - _WINDOW  # the idle time before the first request counts as unpaused
        self._slowed_at = -float("inf")
        self._passed: deque[float] = deque()
        self._chance = _ByChance(rate)
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
        return None if self._in_line or self._wait() > 0 else self._release()

    def _release(self) -> float:
        self._tokens -= 1
        self._released += 1
        return self._clock()

    async def _wait_in_line(self) -> None:
        self._in_line += 1
        try:
            async with self._queue:
                while (wait := self._wait()) > 0:
                    await self._sleep(wait)
        finally:
            self._in_line -= 1

    def _wait(self) -> float:
        """Seconds until the next request may leave, judged now: a stalled loop earns no burst."""
        now = self._clock()
        self._fill(now)
        if self._resumes_at > now:
            return self._resumes_at - now
        missing = 1 - self._tokens
        return missing / self._rate if missing > _HARDLY else 0.0

    def _fill(self, now: float) -> None:
        if now <= self._filled_at:
            return
        burst = self._rate * _BURST
        most = max(1.0, burst, min(_LATE, 2 * burst))
        self._tokens = min(most, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now

    def pause(self, seconds: float) -> None:
        """Nobody leaves for so many seconds, at most 300. Nothing is earned meanwhile: no burst follows."""
        now = self._clock()
        self._fill(now)
        self._tokens = min(self._tokens, 1.0)
        self._resumes_at = max(self._resumes_at, now + min(seconds, LONGEST_PAUSE))
        self._filled_at = max(self._filled_at, self._resumes_at)
        self._grown_at = max(self._grown_at, self._resumes_at)

    def throttled(self, released: float, retry_after: float | None) -> None:
        """A 429 came for the request released then: everybody pauses for `retry_after` seconds.

        The rate falls once per congestion: answers to requests that left before it last fell were
        on their way already. It does not fall for a refusal that came by chance.
        """
        self._throttled += 1
        pause = retry_after or 0.0
        if released > self._slowed_at:
            undone = self._chance.refused(self._rate, self._limit, paused=pause > 0)
            if undone is None:
                self._slow_down()
                pause = max(pause, _QUIET)
            elif undone > self._rate:
                self._rate = self._limit = undone
        if pause:
            self.pause(pause)

    def _slow_down(self) -> None:
        """Fall to a little less than really got through, or of the present rate where that is less."""
        now = self._clock()
        active = now - self._resumes_at
        goodput = self._count_passed(now) / min(_WINDOW, max(_SHORT_WINDOW, active))
        if active >= _WINDOW:
            self._limit = min(self._rate, max(goodput, _TRUSTED_GOODPUT * self._rate))
        elif active >= _WINDOW / 2:
            self._limit = self._rate
        else:  # a refusal right after a pause says little about the rate
            self._limit = max(self._rate, _REMEMBERED * self._limit)
        least = max(_LEAST_RATE, self._rate * _DEEPEST_FALL)
        self._rate = min(self._set_rate, max(least, _DECREASE * min(self._rate, goodput)))
        self._slowed_at = now

    def _count_passed(self, now: float) -> int:
        since = max(now - _WINDOW, self._resumes_at)
        passed = self._passed
        while passed and passed[0] <= since:
            passed.popleft()
        return len(passed)

    def succeeded(self, released: float) -> None:
        """Any other answer came: recover a little, by the time that went by without a refusal."""
        now = self._clock()
        self._passed.append(now)
        self._count_passed(now)
        if released <= self._slowed_at or not self._throttled:
            return
        self._chance.passed()
        seconds = min(max(0.0, now - self._grown_at), max(1.0, 2 / self._rate))
        self._grown_at = max(now, self._grown_at)
        self._fill(now)
        self._rate = min(self._set_rate, self._rate + self._growth() * seconds)

    def _growth(self) -> float:
        """Requests a second gained per second, by the distance to the limit that was met last."""
        limit = self._limit
        distance = self._rate / limit - 1
        fastest = _LARGEST_GAIN * limit
        if distance >= 0:
            fastest = max(fastest, self._set_rate * _LARGEST_GAIN_BEYOND)
        return min(fastest, limit * (_LEAST_GAIN + _BEND * distance * distance))


class _ByChance:
    """Tells refusals that come whatever the rate is from those that come because of it.

    Answers count here when their requests left after the rate last fell.
    """

    def __init__(self, rate: float) -> None:
        self._strikes, self._enough = 0, _STRIKES
        self._doubted = self._lowest = rate
        self._answered = self._refused = 0
        self._share = self._of_late = self._tolerated = 0.0
        self._since_refusal = 0

    def passed(self) -> None:
        self._answered += 1
        self._of_late -= self._of_late * _LATEST
        self._since_refusal += 1
        if self._tolerated and self._since_refusal * self._share > _EXPECTED:
            self._give_up()

    def refused(self, rate: float, limit: float, *, paused: bool) -> float | None:
        """The rate to go on with at least, for a refusal by chance; None for one that says: too fast.

        Where each refusal is `paused` for, too many of them end the tolerance: being wrong is dear there.
        """
        self._answered += 1
        self._refused += 1
        self._since_refusal = 0
        self._of_late += (1 - self._of_late) * _LATEST
        if self._tolerated:
            if self._of_late <= self._tolerated:
                return rate
            self._of_late = 0.0
            if paused:
                self._give_up()
                self._doubt(rate)
            return None
        if rate >= _SAFE * limit:
            self._doubt(rate)
        else:
            self._strikes += rate < self._lowest
            self._lowest = min(rate, self._lowest)
        if self._strikes < self._enough or self._refused > _MOST_BY_CHANCE * self._answered:
            self._of_late = 0.0
            return None
        self._share = self._of_late = self._refused / self._answered
        self._tolerated = min(_MOST_TOLERATED, 2 * self._share + _MARGIN)
        return self._doubted

    def _doubt(self, rate: float) -> None:
        """From this rate on it is watched whether slowing down helps."""
        self._strikes = 0
        self._doubted = self._lowest = rate
        self._answered = self._refused = 0

    def _give_up(self) -> None:
        """It was no chance, or is none any more: it takes more to believe in it again."""
        self._tolerated = 0.0
        self._strikes = 0
        self._enough *= 2
