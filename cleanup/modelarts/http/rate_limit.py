"""How fast requests may leave: one strict limiter for a target, that a 429 slows down for everybody.

A token bucket paces requests. A refusal lowers the rate to a little less than got through, not by a fixed
share: the delivery-rate estimate of TCP Westwood+ (Grieco and Mascolo, 2004, "Performance evaluation and
comparison of Westwood+, New Reno, and Vegas TCP congestion control"). Other answers raise it again along a
curve like that of CUBIC (RFC 9438): fast while far below the limit that was met, hardly at all near it,
faster again once that is passed unrefused.

Refusals that go on at half the rate, and at half of that, do not depend on it. Then the slowing is undone,
as RFC 4015 (Eifel) does after a spurious one, and as in BBRv3 (draft-ietf-ccwg-bbr, its loss threshold) a
share of refusals is tolerated; only more of them lower the rate. A `Retry-After` holds for everybody in any
case.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import Event

_BURST = 1 / 20  # half of what may be exceeded in one second; the other half is left to network jitter
_LATE = 1.5  # requests: at low rates more than that half, or waits that end late would cost throughput
_LEAST_RATE = 0.2
LONGEST_PAUSE = 300.0  # seconds: a longer Retry-After is cut to this
_QUIET = 0.25  # a refusal without Retry-After: time for the service's bucket to get some tokens
_DECREASE = 0.92  # CUBIC takes 0.7; the goodput is measured here, so that less has to be given up
_DECREASE_FOR_PAUSE = 0.95  # beside that: where a refusal costs everybody a pause, the next is put off
_DEEPEST_FALL = 1 / 10  # of the rate, in one step: little may have got through because little was asked
_SLOWED = 0.8  # of the rate that was set
_HARDLY = 1e-4  # of a slot: waiting for so little might not even move the clock
_WINDOW = 1.0  # seconds over which the goodput is measured
_SHORT_WINDOW = 0.2
_TRUSTED_GOODPUT = 0.85  # of the rate: below it something else than the service held requests back
# The curve: gain per second as shares of the refused rate. The least gain probes for a limit that has
# gone, about one refusal in 15 s where it has not; the bend makes 10 % off the plateau gain 3 % a second.
_LEAST_GAIN = 0.002
_BEND = 3.0
_LARGEST_GAIN = 0.2
_LARGEST_GAIN_BEYOND = (
    1 / 20
)  # of the rate that was set: beyond the old limit, so that a high rate comes back
# Refusals by chance.
_SAFE = 0.95  # of the limit: below it no refusal is expected
_HALF = 0.5
_LOWER = 0.6  # of the rate: refusals above it say nothing new
_STRIKES = 2  # refusals at ever lower rates that are one too many
_MOST_BY_CHANCE = 0.4  # of the requests: a larger share is a limit that was not found yet
_MOST_TOLERATED = 0.45
_MARGIN = 0.2  # tolerated beside twice the share that was seen: samples are small
_MARGIN_FOR_PAUSE = 0.05
_LATEST = 1 / 100  # weight of one answer in the share of refusals of late
_SAMPLE = 200  # answers: what was before counts less
_EXPECTED = 5  # refusals that did not come: they depend on the rate
_EXPECTED_BY_CHANCE = 20  # the same, where it was found that they do not


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
        self._line: deque[Event] = deque()
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
    def paused_for(self) -> float:
        """Seconds until anything may leave."""
        return max(0.0, self._resumes_at - self._clock())

    @property
    def is_slowed(self) -> bool:
        """Whether refusals keep the rate well below the one that was set."""
        return self._rate < _SLOWED * self._set_rate

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
        return self._clock()

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
        self._chance.answered(refused=True)
        pause = retry_after or 0.0
        if released > self._slowed_at:
            by_chance, rate = self._chance.refused(self._rate, self._limit, paused=pause > 0)
            if not by_chance:
                self._slow_down(rate)
                if pause:
                    self._limit *= _DECREASE_FOR_PAUSE
                    self._rate = max(_LEAST_RATE, self._rate * _DECREASE_FOR_PAUSE)
                pause = max(pause, _QUIET)
            elif rate > self._rate:
                self._rate = self._limit = rate
        if pause:
            self.pause(pause)

    def _slow_down(self, most: float) -> None:
        """Fall to a little less than really got through, or of the present rate where that is less."""
        now = self._clock()
        active = now - self._resumes_at
        goodput = self._count_passed(now) / min(_WINDOW, max(_SHORT_WINDOW, active))
        if active < _SHORT_WINDOW:  # a window that is full refuses all until it ends: that is no goodput
            goodput = max(goodput, _HALF * self._rate)
        if active >= _WINDOW:
            self._limit = min(self._rate, max(goodput, _TRUSTED_GOODPUT * self._rate))
        else:
            self._limit = self._rate
        least = max(_LEAST_RATE, self._rate * _DEEPEST_FALL)
        self._rate = min(self._set_rate, max(least, min(most, _DECREASE * min(self._rate, goodput))))
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
        self._chance.answered(refused=False)
        if released <= self._slowed_at or not self._throttled:
            return
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

    A sequential test (Wald, 1945): a refusal opens a doubt whether slowing down helps. It helps where far
    more requests pass than would by chance; it does not where refusals go on at lower and lower rates.
    """

    def __init__(self, rate: float) -> None:
        self._undone = rate  # what to go back to, if it was chance
        self._lowest = 0.0  # the rate of the last strike; 0: there is no doubt
        self._strikes = 0
        self._answered = self._refused = 0.0  # until the last refusal, since the doubt before
        self._passed = 0  # since a refusal
        self._of_late = self._tolerated = 0.0  # shares of refusals

    def answered(self, *, refused: bool) -> None:
        """One more answer, to whatever request."""
        self._of_late += (refused - self._of_late) * _LATEST
        if not refused:
            self._passed += 1
            enough = _EXPECTED_BY_CHANCE if self._tolerated else _EXPECTED
            if self._lowest and self._passed * self._refused > enough * self._answered:
                self._end_doubt()
            return
        self._refused += 1
        self._answered += 1 + self._passed
        self._passed = 0
        if self._answered > _SAMPLE:
            self._refused = max(1.0, self._refused * _SAMPLE / self._answered)
            self._answered = _SAMPLE

    def refused(self, rate: float, limit: float, *, paused: bool) -> tuple[bool, float]:
        """Whether a refusal of a request that left after the last fall came by chance.

        With the rate to go on with: at least so much if it did, at most if it did not. Where all pause for
        each refusal, less is tolerated: to be wrong is dear there.
        """
        self._undone = max(self._undone, rate)
        if self._tolerated:
            if self._of_late <= self._tolerated:
                return True, rate
            self._undone = rate * min(1 - self._of_late, _HALF if paused else 1.0)
            self._end_doubt()
            return False, self._undone
        if not self._lowest:
            self._lowest = rate
            return False, rate
        if rate <= _LOWER * self._lowest:
            self._strikes += 1
            self._lowest = rate
        if self._strikes < _STRIKES or self._refused > _MOST_BY_CHANCE * self._answered:
            return False, rate * (_HALF if rate < _SAFE * limit else 1.0)
        self._of_late = self._refused / self._answered
        self._tolerated = min(_MOST_TOLERATED, 2 * self._of_late + (_MARGIN_FOR_PAUSE if paused else _MARGIN))
        return True, self._undone

    def _end_doubt(self) -> None:
        """Refusals come because of the rate."""
        self._tolerated = self._lowest = 0.0
        self._strikes = 0
        self._answered = self._refused = 0.0
