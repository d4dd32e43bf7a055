"""The closed set of what can have happened to a planned image, and the arithmetic over it."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from cleanup.stop import Cause


class Outcome(StrEnum):
    """The final status of one planned image (deploy/README.md, The journal)."""

    DELETED = "deleted"
    ALREADY_GONE = "already-gone"
    DRIFTED = "drifted"
    IN_USE = "in-use"
    DENIED = "denied"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_ATTEMPTED = "not-attempted"


GONE = frozenset({Outcome.DELETED, Outcome.ALREADY_GONE})
BAD = frozenset({Outcome.FAILED, Outcome.UNKNOWN, Outcome.DENIED})
TRIED = BAD | GONE | {Outcome.IN_USE}
TO_RESUME = frozenset({Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN})


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one image, with the evidence: the answer it rests on and what it took.

    `attempts` counts DELETEs sent; `duration_ms` is the whole time this image took, waiting for
    the limiter included; `response` is the body as JSON where it was JSON, else text.
    """

    outcome: Outcome
    force: bool = False
    http_status: int | None = None
    image_status: str | None = None
    error_code: str | None = None
    error_msg: str | None = None
    request_id: str | None = None
    attempts: int = 0
    duration_ms: int = 0
    response: object = None


def tally(outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
    """How often each outcome occurred; all eight are there, so that the counts add up."""
    counted = Counter(outcomes)
    return {outcome: counted[outcome] for outcome in Outcome}


def exit_code(counts: dict[Outcome, int], cause: Cause | None = None) -> int:
    """The exit code a run's counts lead to (README.md, Exit codes); `cause` is why it was stopped.

    5 when every delete that was tried was denied, or none could be for the credentials, 7 when
    a signal, the deadline, the plan's expiry or the disk left something to resume, 3 when some ended badly, else 0.
    """
    tried = sum(counts[outcome] for outcome in TRIED)
    if counts[Outcome.DENIED] == tried and (tried or cause is Cause.DENIED):
        return 5
    left = sum(counts[outcome] for outcome in TO_RESUME)
    if cause is Cause.JOURNAL or (left and cause in (Cause.SIGNAL, Cause.DEADLINE, Cause.EXPIRED)):
        return 7
    return 3 if any(counts[outcome] for outcome in BAD) or cause is Cause.BREAKER else 0
