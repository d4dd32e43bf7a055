"""Whether refusals (429) come because of the rate, or by chance, whatever it is.

A sequential test (Wald, 1945) with a trial. Refusals at a rate below one that was refused before are counted:
under a limit of L a share of 1 - L / rate of the requests is refused, so that a rate lower by far more than
that share is refused no more. Where refusals go on there, they come by chance, and a share of them is
tolerated, as in BBRv3 (draft-ietf-ccwg-bbr, its loss threshold). Where they stop, it is a limit.

With a `Retry-After` each refusal costs everybody a pause. Then none is waited for to be counted: refusals at
half the rate and at half of that are chance.
"""

from enum import Enum, auto

_BELOW = 0.97  # of a rate that was refused: what is refused above it is nothing new
_MORE = 3  # refusals beside the first, for a share
_MANY = 6  # the same, where the share stays between chance and limit
_MORE_IN_TRIAL = 2
TOO_MANY = 0.4  # of the requests: a larger share is a limit that was not found yet
_DEEP = 3  # times the share, and a tenth, are left out in the trial: a share of four refusals is a rough one
_SHALLOW = 0.1
_LEAST_TRIED = 0.15  # of the rate
_GIVEN_UP = 0.08  # of what got through: what a trial has proven leaves the service some room
_EXPECTED = 8  # refusals that did not come in a trial, and so many more for each one that did: it is a limit
_SELDOM = 100  # requests without a refusal, and
_SELDOM_SECONDS = 3.0  # seconds: what is refused so seldom needs no count
_MOST_TOLERATED = 0.45
_MARGIN = 0.15  # tolerated beside twice the share that was seen: samples are small
_LATEST = 1 / 50  # weight of one answer in the share of refusals of late
_SAMPLE = 200  # answers: what was before counts less
_EXPECTED_BY_CHANCE = 20  # refusals that did not come, after it was found that they come by chance
# Where all pause for each refusal.
_MARGIN_FOR_PAUSE = 0.05
_LOWER = 0.6  # of the rate: refusals above it say nothing new
_HALF = 0.5
_SAFE = 0.95  # of the limit: below it no refusal is expected
_STRIKES = 2  # refusals at ever lower rates that are one too many
_EXPECTED_WITH_PAUSES = 5  # refusals that did not come: they depend on the rate


class Consequence(Enum):
    """What follows from a refusal, beside a number of requests a second."""

    STAY = auto()  # it came by chance, or more must be seen
    FALL = auto()  # it came because of the rate: to so much at most
    TRY = auto()  # at so much, whether refusals go on
    UNDO = auto()  # they come by chance: back to so much


class ChanceTest:
    """One test after the other. What was on its way as the rate changed counts only where that does not matter."""

    def __init__(self, rate: float) -> None:
        self._undone = rate  # what to go back to, if it was chance
        self._refused_at = 0.0  # the lowest rate that was refused, or that a trial has proven; 0: none yet
        self._counting = False  # since a refusal at this rate
        self._trial = False
        self._answered = self._refused = self._quiet = 0  # at this rate, since that refusal; since the last
        self._share = 0.0  # of refusals, at the rate before the trial
        self._proven = 0.0  # the rate to go on with, if it is a limit
        self._of_late = self._tolerated = 0.0  # shares of refusals
        self._pausing = False
        self._strikes = 0
        self._passed = 0  # since a refusal, at whatever rate
        self._refusals = self._answers = 0.0  # until the last refusal, at whatever rate

    @property
    def by_chance(self) -> bool:
        """Whether refusals were found to come by chance."""
        return self._tolerated > 0

    @property
    def needs_one_rate(self) -> bool:
        """Whether refusals are being counted: the rate must not grow meanwhile."""
        return self._counting or self._trial

    def passed(self, rate: float, *, new: bool) -> float:
        """Another answer came, `new`: to a request that left at this rate. Returns the rate it has proven, or 0."""
        self._of_late -= self._of_late * _LATEST
        self._passed += 1
        if new:
            self._answered += 1
            self._quiet += 1
            if self._trial:
                return self._end_of_trial()
            if self._quiet >= max(_SELDOM, _SELDOM_SECONDS * rate):
                self._counting = False
        if self._tolerated or self._pausing:
            expected = _EXPECTED_BY_CHANCE if self._tolerated else _EXPECTED_WITH_PAUSES
            if self._passed * self._refusals > expected * self._answers:
                self._because_of_the_rate(0.0)
        return 0.0

    def _end_of_trial(self) -> float:
        came = 1 + self._refused if self._counting else 0
        if self._quiet * self._share <= _EXPECTED * (1 + came):
            return 0.0
        self._because_of_the_rate(self._proven)
        return self._proven

    def refused(self, rate: float, limit: float, *, new: bool, paused: bool) -> tuple[Consequence, float]:
        """A refusal came; `limit` is the rate that was refused last, `paused`: it asks everybody to pause."""
        self._count()
        if not new:
            return Consequence.STAY, rate
        self._undone = max(self._undone, rate)
        self._pausing = paused
        if self._tolerated:
            return self._one_more(rate)
        if not self._refused_at:
            self._refused_at = rate
            return Consequence.FALL, rate
        return self._while_pausing(rate, limit) if paused else self._at_lower_rate(rate)

    def _count(self) -> None:
        self._of_late += (1 - self._of_late) * _LATEST
        self._refusals += 1
        self._answers += 1 + self._passed
        self._passed = 0
        if self._answers > _SAMPLE:
            self._refusals = max(1.0, self._refusals * _SAMPLE / self._answers)
            self._answers = _SAMPLE

    def _one_more(self, rate: float) -> tuple[Consequence, float]:
        """Where refusals come by chance: unless they are many more now."""
        if self._of_late <= self._tolerated:
            return Consequence.STAY, rate
        self._undone = rate * min(1 - self._of_late, _HALF if self._pausing else 1.0)
        self._because_of_the_rate(0.0)
        return Consequence.FALL, self._undone

    def _at_lower_rate(self, rate: float) -> tuple[Consequence, float]:
        if rate > _BELOW * self._refused_at and not self._trial:
            self._counting = False
            return Consequence.FALL, rate
        self._quiet = 0
        if not self._counting:
            self._counting = True
            self._answered = self._refused = 0
            return Consequence.STAY, rate
        self._answered += 1
        self._refused += 1
        share = self._refused / self._answered
        if not self._is_clear(share):
            return Consequence.STAY, rate
        self._counting = False
        if share > TOO_MANY:
            self._trial = False
            self._refused_at = rate
            return Consequence.FALL, rate * (1 - share)
        return self._is_chance(share) if self._trial else self._try(rate, share)

    def _is_clear(self, share: float) -> bool:
        """Whether enough came for the share to be known as well as it must be."""
        if share <= TOO_MANY:
            return self._refused >= (_MORE_IN_TRIAL if self._trial else _MORE)
        return self._refused >= _MANY or (not self._trial and share > TOO_MANY + 1 / self._refused)

    def _try(self, rate: float, share: float) -> tuple[Consequence, float]:
        self._trial = True
        self._share = share
        self._refused_at = rate
        self._proven = (1 - _GIVEN_UP) * (1 - share) * rate
        return Consequence.TRY, rate * max(_LEAST_TRIED, 1 - _DEEP * share - _SHALLOW)

    def _is_chance(self, share: float) -> tuple[Consequence, float]:
        self._trial = False
        self._tolerate((share + self._share) / 2, _MARGIN)
        self._answers, self._refusals = _SAMPLE, self._of_late * _SAMPLE
        return Consequence.UNDO, self._undone

    def _while_pausing(self, rate: float, limit: float) -> tuple[Consequence, float]:
        """Two refusals at ever lower rates are enough, to be wrong is dear here."""
        self._trial = self._counting = False
        if rate <= _LOWER * self._refused_at:
            self._strikes += 1
            self._refused_at = rate
        if self._strikes < _STRIKES or self._refusals > TOO_MANY * self._answers:
            return Consequence.FALL, rate * (_HALF if rate < _SAFE * limit else 1.0)
        self._tolerate(self._refusals / self._answers, _MARGIN_FOR_PAUSE)
        return Consequence.UNDO, self._undone

    def _tolerate(self, share: float, margin: float) -> None:
        self._of_late = share
        self._tolerated = min(_MOST_TOLERATED, 2 * share + margin)

    def _because_of_the_rate(self, proven: float) -> None:
        self._refused_at = proven
        self._counting = self._trial = self._pausing = False
        self._tolerated = self._refusals = self._answers = 0.0
        self._strikes = 0
