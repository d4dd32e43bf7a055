"""Which calls go wrong and how: by rate with seeded chance, by script, and by a token bucket."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from random import Random

import msgspec

from cleanup.errors import UsageError
from cleanup.simulator.messages import Call
from cleanup.simulator.routes import LISTS, Operation

_SETTLING = 5.0
_TOKEN = frozenset({Operation.TOKEN})
_DELETE = frozenset({Operation.DELETE})
_IMAGES = frozenset({Operation.LIST})
_EVERY = frozenset(Operation) - {Operation.TOKEN, Operation.OTHER}


class Fault(StrEnum):
    """Everything that can go wrong, by the names that options and scripts use; `calls` are those it can happen to."""

    meaning: str
    calls: frozenset[Operation]

    def __new__(
        cls, name: str, meaning: str = "", calls: frozenset[Operation] = frozenset(Operation)
    ) -> "Fault":
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        member.calls = calls
        return member

    THROTTLED = "429", "too many requests, with Retry-After in seconds"
    THROTTLED_UNTIL = "429-date", "the same with Retry-After as a date"
    THROTTLED_BARE = "429-bare", "the same without Retry-After"
    THROTTLED_BY_CHANCE = "429-by-chance", "the same, with Retry-After or without, as it falls"
    INTERNAL = "500", "internal error, nothing done"
    BAD_GATEWAY = "502", "bad gateway, an HTML page"
    UNAVAILABLE = "503", "unavailable, without a body"
    BAD_REQUEST = "400", "invalid parameter"
    UNAUTHORIZED = "401", "credentials refused"
    FORBIDDEN = "403", "permission refused"
    TIMED_OUT = "408", "done, and answered with request timeout"
    TOO_EARLY = "425", "too early, nothing done"
    GONE = "404", "somebody else deleted the image just before"
    FOREIGN_NOT_FOUND = "foreign-404", "a proxy's 404, HTML or empty, nothing done"
    IN_USE = "in-use", "refused because the image is being used", _DELETE
    REDIRECT = "redirect", "a redirect to another host"
    DROP_BEFORE = "drop-before", "connection dropped, nothing done"
    DROP_AFTER = "drop-after", "done, then the connection dropped"
    HANG = "hang", "no answer ever, nothing done"
    HANG_AFTER = "hang-after", "done, but no answer ever"
    SLOW = "slow", "done, the answer drips slowly"
    STATUS_ERROR = "status-error", "200 whose image has status ERROR, not deleted", _DELETE
    ACCEPTED = "202", "accepted without a body, DELETING, gone later", _DELETE
    DELETING = "deleting", "200 whose image has status DELETING, gone later", _DELETE
    NO_CONTENT = "204", "done, 204 without a body"
    EMPTY = "empty", "done, 200 with an empty body"
    TRUNCATED = "truncated", "done, the JSON is cut off"
    NOT_UTF8 = "not-utf8", "done, the body is not UTF-8"
    WRONG_TOTAL = "wrong-total", "a page whose total and pages are wrong", LISTS
    NULL_LIST = "null-list", "a page with null for its list; its total is right", LISTS
    SHIFT_ADD = "shift-add", "an image appears between two pages", _IMAGES
    SHIFT_DELETE = "shift-delete", "an image disappears between two pages", _IMAGES
    LONG_TOKEN = "long-token", "a token of 64 KB", _TOKEN


SCRIPT_KEYS: Mapping[str, str] = {
    "fault": "a name, or a list shown one after another; ok is none",
    "calls": "which calls, as in CALLS; every when left out",
    "image": "only calls about the image of this id",
    "nth": "only the nth of these calls, counted from 1",
    "after": "all but the first so many of these calls",
    "times": "at most so often",
    "seconds": "until 202 and deleting are done; 5 when left out",
}
_CALLS: Mapping[str, frozenset[Operation]] = {
    "every": _EVERY,
    "get": _EVERY - {Operation.DELETE, Operation.REGISTER, Operation.JOBS},
    "post": frozenset({Operation.REGISTER, Operation.JOBS}),
    **{operation.value: frozenset({operation}) for operation in _EVERY | {Operation.TOKEN}},
}
_NO_FAULT = "ok"


@dataclass(frozen=True, kw_only=True)
class FaultRate:
    """A fault that a share of some calls shows: `rate` from 0 to 1."""

    fault: Fault
    calls: frozenset[Operation]
    rate: float


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a script: which calls, and what they show.

    Of the calls that `calls` and `image` select, `nth` (from 1) takes one, `after` all that follow
    the first so many; `times` ends it. A list of faults is shown one after another, `ok` is none.
    A deletion that takes time is done after `seconds`.
    """

    fault: str | int | list[str | int]
    calls: str = "every"
    image: str | None = None
    nth: int | None = None
    after: int = 0
    times: int | None = None
    seconds: float = _SETTLING


@dataclass(frozen=True, kw_only=True)
class DueFault:
    """What one call shall show; `seconds` is how long a deletion takes that is accepted first."""

    fault: Fault
    seconds: float = _SETTLING


class Faults:
    """What goes wrong. Chance depends on the seed, the call and how often it came, not on the calls' order.

    `throttle` is a token bucket of so many requests a second. Script entries come before rates.
    """

    def __init__(
        self,
        rates: Sequence[FaultRate] = (),
        script: Sequence[Step] = (),
        *,
        throttle: float | None = None,
        seed: int = 0,
    ) -> None:
        self.throttle = throttle
        self.random = Random(f"details {seed}")
        self._seed = seed
        self._scripted = [_Scripted(step) for step in script]
        self._rates = tuple(rates)
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._bucket = _TokenBucket(throttle) if throttle else None
        for operation in Operation:
            total = sum(rate.rate for rate in rates if operation in rate.calls)
            if total > 1 + 1e-9:
                raise UsageError(f"the rates of the faults for {operation} add up to {total:g}, more than 1")

    def throttles(self, call: Call, now: datetime) -> bool:
        """Whether the bucket is empty for this call; takes a token when it is not."""
        return (
            self._bucket is not None and call.operation is not Operation.TOKEN and not self._bucket.take(now)
        )

    def choose(self, call: Call) -> DueFault | None:
        """What this call shall show, if anything."""
        scripted = [(step.next(call), step.seconds) for step in self._scripted]
        due = (DueFault(fault=fault, seconds=s) for fault, s in scripted if fault and applies(fault, call))
        return next(due, None) or self._roll(call)

    def _roll(self, call: Call) -> DueFault | None:
        if not self._rates:
            return None
        key = (call.method, call.path, call.raw_query)
        self._asked[key] += 1
        die = Random(f"{self._seed} {key} {self._asked[key]}").random()
        for rate in self._rates:
            if call.operation in rate.calls and applies(rate.fault, call):
                if die < rate.rate:
                    return DueFault(fault=rate.fault)
                die -= rate.rate
        return None


class _Scripted:
    """A step and how many calls it has seen."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self.seconds = step.seconds
        self._calls = calls_named(step.calls)
        listed = step.fault if isinstance(step.fault, list) else [step.fault]
        self._faults = [None if str(name) == _NO_FAULT else fault_named(str(name)) for name in listed]
        self._first = step.nth - 1 if step.nth else step.after
        once = step.nth is not None or isinstance(step.fault, list)
        self._times = step.times if step.times is not None else len(self._faults) if once else None
        self._seen = 0

    def next(self, call: Call) -> Fault | None:
        if call.operation not in self._calls or self._step.image not in (None, call.image_id):
            return None
        turn, self._seen = self._seen - self._first, self._seen + 1
        if turn < 0 or (self._times is not None and turn >= self._times):
            return None
        return self._faults[turn % len(self._faults)]


class _TokenBucket:
    """A token bucket that holds one second's worth, as a gateway's limit per second does."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = self._size = max(1.0, rate)
        self._filled: datetime | None = None

    def take(self, now: datetime) -> bool:
        if self._filled is not None:
            gained = (now - self._filled).total_seconds() * self._rate
            self._tokens = min(self._size, self._tokens + max(0.0, gained))
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def applies(fault: Fault, call: Call) -> bool:
    """Whether a fault can be shown on this call; pages can shift from the second on only."""
    if fault in (Fault.SHIFT_ADD, Fault.SHIFT_DELETE) and call.query.get("offset", "0") == "0":
        return False
    return call.operation in fault.calls


def parse_rate(text: str) -> FaultRate:
    """Read `NAME=RATE` or `CALLS:NAME=RATE`, e.g. `delete:500=0.1`. Raises UsageError."""
    what, equals, share = text.rpartition("=")
    calls, _, name = what.rpartition(":")
    try:
        rate = float(share)
    except ValueError:
        rate = -1.0
    if not equals or not 0 <= rate <= 1:
        raise UsageError(f"fault '{text}': write it as NAME=RATE or CALLS:NAME=RATE with a rate from 0 to 1")
    fault = fault_named(name)
    everywhere = _EVERY if fault.calls & _EVERY else fault.calls
    selected = (calls_named(calls) if calls else everywhere) & fault.calls
    if not selected:
        raise UsageError(f"fault '{text}': {fault} cannot happen to {calls}")
    return FaultRate(fault=fault, calls=selected, rate=rate)


def parse_script(value: object, source: str) -> tuple[Step, ...]:
    """Check a script as YAML or JSON has it, a list of entries; `source` names it. Raises UsageError."""
    try:
        steps = msgspec.convert(value if value is not None else [], tuple[Step, ...])
        for step in steps:
            _Scripted(step)
    except (msgspec.ValidationError, UsageError) as error:
        raise UsageError(f"{source}: {error}") from error
    return steps


def fault_named(name: str) -> Fault:
    """The fault of this name, whatever its case. Raises UsageError with the nearest name."""
    return Fault(_closest(name, list(Fault), "fault"))


def calls_named(name: str) -> frozenset[Operation]:
    """The calls of this name: an operation, `get`, `post`, `delete` or `every`. Raises UsageError."""
    return _CALLS[_closest(name, _CALLS, "kind of call")]


def _closest(name: str, known: Iterable[str], what: str) -> str:
    names = [str(each) for each in known]
    if name.casefold() in names:
        return name.casefold()
    near = get_close_matches(name.casefold(), names, n=1)
    raise UsageError(
        f"'{name}' is no {what}; "
        + (f"perhaps you meant '{near[0]}'" if near else f"known are {', '.join(names)}")
    )
