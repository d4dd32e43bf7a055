"""The closed set of what can have happened to a planned image, and the arithmetic over it."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """The final status of one planned image (contract.md, The journal)."""

    DELETED = "deleted"
    ALREADY_GONE = "already-gone"
    DRIFTED = "drifted"
    IN_USE = "in-use"
    DENIED = "denied"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_ATTEMPTED = "not-attempted"


BAD = frozenset({Outcome.FAILED, Outcome.UNKNOWN, Outcome.DENIED})
TO_RESUME = frozenset({Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN})


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one image, with the evidence: the answer it rests on and what it took.

    `duration_ms` is from the first request sent for this image to the last answer, waiting for
    the limiter left out of nothing; `response` is the body as JSON where it was JSON, else text.
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


def exit_code(counts: dict[Outcome, int]) -> int:
    """The exit code a run's counts lead to (contract.md, Exit codes).

    7 while something is left to resume, 5 when every delete that was tried was denied,
    3 when some ended badly, else 0.
    """
    if counts[Outcome.NOT_ATTEMPTED]:
        return 7
    tried = counts[Outcome.DELETED] + counts[Outcome.FAILED] + counts[Outcome.UNKNOWN] + counts[Outcome.IN_USE]
    if counts[Outcome.DENIED] and not tried:
        return 5
    return 3 if any(counts[outcome] for outcome in BAD) else 0
