"""The rate at which requests may leave, found from the service's answers.

A refusal (429) lowers the rate to a little less than got through, not by a fixed share: the delivery-rate
estimate of TCP Westwood+ (Grieco and Mascolo, 2004, "Performance evaluation and comparison of Westwood+, New
Reno, and Vegas TCP congestion control"). Other answers raise it again along a curve like that of CUBIC (RFC
9438): fast while far below the limit that was met, hardly at all near it, faster again once that is passed
unrefused. Where refusals come by chance (chance.py), the slowing is undone, as RFC 4015 (Eifel) does after a
spurious one.
"""

from collections import deque

from cleanup.modelarts.http.chance import TOO_MANY, ChanceTest, Consequence

_LEAST_RATE = 0.2
_QUIET = 0.25  # a fall without Retry-After: time for the service's bucket to get some tokens
_DECREASE = 0.92  # CUBIC takes 0.7; the goodput is measured here, so that less has to be given up
_DECREASE_FOR_PAUSE = 0.95  # beside that: where a refusal costs everybody a pause, the next is put off
_DEEPEST_FALL = 1 / 10  # of the rate, in one step: little may have got through because little was asked
_HALF = 0.5
_WINDOW = 1.0  # seconds over which the goodput is measured
_SHORT_WINDOW = 0.2
_FEW = 10  # requests: fewer tell no share
_FEW_IN_FLIGHT = 4
_JITTER = 0.5  # of a latency: what left so much earlier than a request is answered as it is
_TRUSTED_GOODPUT = 0.85  # of the rate: below it something else than the service held requests back
# The curve: gain per second as shares of the refused rate. The least gain probes for a limit that has
# gone, about one refusal in 15 s where it has not; the bend makes 10 % off the plateau gain 3 % a second.
_LEAST_GAIN = 0.002
_BEND = 3.0
_LARGEST_GAIN = 0.2
_LARGEST_GAIN_BEYOND = (
    1 / 20
)  # of the rate that was set: beyond the old limit, so that a high rate comes back


class RateControl:
    """Requests a second that may leave, at most those that were set; all moments are in monotonic seconds."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._set_rate = self._limit = rate
        self._test = ChanceTest(rate)
        self._grown_at = now
        self._was_refused = False
        self._changed_at = -float("inf")
        self._resumes_at = now - _WINDOW  # the idle time before the first request counts as unpaused
        self._left: deque[float] = (
            deque()
        )  # of the last second: when requests left, when others than 429 came
        self._passed: deque[float] = deque()
        self._fell_from = 0.0  # 0: what was on its way as the rate fell was taken into account
        self._late_passed = self._late_refused = 0  # of those

    @property
    def by_chance(self) -> bool:
        """Whether refusals were found to come whatever the rate is."""
        return self._test.by_chance

    def left(self, now: float) -> None:
        """A request leaves."""
        self._left.append(now)
        while self._left[0] < now - _WINDOW:
            self._left.popleft()
        if self._fell_from:
            self._complete_fall()

    def pauses(self, until: float) -> None:
        """Nothing leaves before that moment."""
        self._resumes_at = until
        self._grown_at = max(self._grown_at, until)

    def passed(self, released: float, now: float) -> None:
        """Any other answer came: recover a little, by the time that went by without a refusal."""
        self._passed.append(now)
        self._forget(now)
        new = released > self._changed_at
        self._late_passed += not new
        proven = self._test.passed(self.rate, new=new)
        if not new or not self._was_refused:
            return
        seconds = min(max(0.0, now - self._grown_at), max(1.0, 2 / self.rate))
        self._grown_at = max(now, self._grown_at)
        self.rate = max(self.rate, proven)
        if not self._test.needs_one_rate:
            self.rate = min(self._set_rate, self.rate + self._growth() * seconds)

    def refused(self, released: float, now: float, pause: float, *, waiting: bool) -> float:
        """A 429 came that asks for so many seconds of pause; returns for how many nothing may leave.

        The rate falls once per congestion: answers to requests that left before it last changed were on
        their way already. `waiting`: requests wait for the rate to let them go.
        """
        self._was_refused = True
        new = released > self._changed_at
        self._late_refused += not new
        step, rate = self._test.refused(self.rate, self._limit, new=new, paused=pause > 0)
        if step is Consequence.UNDO:
            self.rate = self._limit = max(self.rate, rate)
        elif step is Consequence.TRY:
            self._limit, self.rate, self._changed_at = self.rate, rate, now
        elif step is Consequence.FALL:
            self._forget(now)
            sending = self.rate if pause or waiting else self._sending(released, now)
            self._fall(self._goodput(released, now, sending, pause), rate, sending, now)
            if pause:
                self._fell_from = 0.0
                self._limit *= _DECREASE_FOR_PAUSE
                self.rate = max(_LEAST_RATE, self.rate * _DECREASE_FOR_PAUSE)
            return max(pause, _QUIET)
        return pause

    def _fall(self, goodput: float, most: float, sending: float, now: float) -> None:
        """Fall to a little less than got through. What refuses all tells nothing of the rate it takes."""
        delivered = len(self._passed)
        if not goodput or not most:
            goodput = most = max(_HALF * self.rate, delivered)
            self._fell_from = 0.0
        else:
            self._fell_from = self.rate
        if now - self._resumes_at >= _WINDOW:
            most = max(most, goodput)
            self._limit = min(self.rate, max(goodput, _TRUSTED_GOODPUT * sending))
        else:
            self._limit = max(sending, delivered)
        least = max(_LEAST_RATE, self.rate * _DEEPEST_FALL)
        self.rate = min(self._set_rate, max(least, _DECREASE * min(self.rate, most, goodput)))
        self._changed_at = now
        self._late_passed = self._late_refused = 0

    def _goodput(self, released: float, now: float, sending: float, pause: float) -> float:
        """Requests a second that got through, of those that left since the last pause, one second at most."""
        since = max(now - _WINDOW, self._resumes_at)
        passed = sum(moment > since for moment in self._passed)
        if pause:
            active = now - self._resumes_at
            goodput = passed / min(_WINDOW, max(_SHORT_WINDOW, active))
            if active < _SHORT_WINDOW:  # a window that is full refuses all until it ends: that is no goodput
                return max(goodput, _HALF * self.rate)
            return goodput
        answered = released - (now - released) * _JITTER
        left = sum(since < moment <= answered for moment in self._left)
        return sending * (min(1.0, passed / left) if left >= _FEW else float(passed > 0))

    def _sending(self, released: float, now: float) -> float:
        """Requests a second that really leave: within one latency each worker sends about one."""
        if now <= released:
            return self.rate
        return min(self.rate, sum(moment >= released for moment in self._left) / (now - released))

    def _complete_fall(self) -> None:
        """What was on its way as the rate fell tells how far it must fall."""
        answered = self._late_passed + self._late_refused
        if answered >= _FEW_IN_FLIGHT and self._late_refused > TOO_MANY * answered:
            share = max(_DEEPEST_FALL, self._late_passed / answered or _HALF)
            self.rate = max(_LEAST_RATE, min(self.rate, _DECREASE * share * self._fell_from))
        self._fell_from = 0.0

    def _forget(self, now: float) -> None:
        passed = self._passed
        while passed and passed[0] <= now - _WINDOW:
            passed.popleft()

    def _growth(self) -> float:
        """Requests a second gained per second, by the distance to the limit that was met last."""
        limit = self._limit
        distance = self.rate / limit - 1
        fastest = _LARGEST_GAIN * limit
        if distance >= 0:
            fastest = max(fastest, self._set_rate * _LARGEST_GAIN_BEYOND)
        return min(fastest, limit * (_LEAST_GAIN + _BEND * distance * distance))
