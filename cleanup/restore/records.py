"""The lines of a restore journal, as types told apart by their `event`, and the arithmetic over its results."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from cleanup.image import Image
from cleanup.journal.records import Level, Line
from cleanup.stop import Cause


class RestoreState(StrEnum):
    """What can be, or has been, done about one image of a journal."""

    RESTORABLE = "restorable"
    NOT_RESTORABLE = "not-restorable"
    RESTORED = "restored"
    ALREADY_RESTORED = "already-restored"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_ATTEMPTED = "not-attempted"


class RestoreStarted(Line, frozen=True, kw_only=True, tag="restore.started"):
    """`journal` is the name of the journal whose images are registered again."""

    journal: str
    planned: int
    endpoint: str
    project_id: str
    workspaces: tuple[str, ...]
    concurrency: int
    tool_version: str


class RestoreIntent(Line, frozen=True, kw_only=True, tag="restore.intent"):
    """On disk before the POST leaves; `registration` is its body."""

    image_id: str
    registration: dict[str, object]


class RestoreResult(Line, frozen=True, kw_only=True, tag="restore.result"):
    """What came of registering one image again. `image_id` is the old id.

    `not_restored` are the fields that did not come back, `old_id_used_by` those who named the old id
    when that was looked at.
    """

    image_id: str
    outcome: RestoreState
    new_image_id: str | None = None
    namespace: str | None = None
    name: str | None = None
    tag: str | None = None
    swr_path: str | None = None
    http_status: int | None = None
    error_code: str | None = None
    error_msg: str | None = None
    request_id: str | None = None
    not_restored: tuple[str, ...] = ()
    old_id_used_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, image: Image, outcome: RestoreState, **evidence: Any) -> "RestoreResult":
        return cls(
            level=Level.ERROR if outcome in (RestoreState.FAILED, RestoreState.UNKNOWN) else Level.INFO,
            image_id=image.id,
            outcome=outcome,
            namespace=image.namespace,
            name=image.name,
            tag=image.tag,
            swr_path=image.swr_path,
            **evidence,
        )


class RestoreFinished(Line, frozen=True, kw_only=True, tag="restore.finished"):
    """How a restore ended: a count for each end, adding up to `planned`."""

    restored: int
    already_restored: int = msgspec.field(name="already-restored")
    failed: int
    unknown: int
    not_attempted: int = msgspec.field(name="not-attempted")
    planned: int
    requests: int
    throttled: int
    duration_s: float
    exit_code: int
    stopped: str | None = None


_ENDS = (
    RestoreState.RESTORED,
    RestoreState.ALREADY_RESTORED,
    RestoreState.FAILED,
    RestoreState.UNKNOWN,
    RestoreState.NOT_ATTEMPTED,
)


def tally(results: Iterable[RestoreResult]) -> dict[RestoreState, int]:
    """How often each end occurred; all five are there, so that the counts add up."""
    counted = Counter(result.outcome for result in results)
    return {state: counted[state] for state in _ENDS}


def exit_code(results: Sequence[RestoreResult], cause: Cause | None) -> int:
    """0 all restored, 3 some are not, 5 when the service let us register nothing, 7 when some are left.

    `cause` is why the run was stopped.
    """
    counts = tally(results)
    tried = counts[RestoreState.RESTORED] + counts[RestoreState.FAILED] + counts[RestoreState.UNKNOWN]
    denied = sum(result.http_status in (401, 403) for result in results)
    if cause is Cause.DENIED or (denied and denied == tried):
        return 5
    if cause is Cause.JOURNAL or counts[RestoreState.NOT_ATTEMPTED]:
        return 7
    return 3 if counts[RestoreState.FAILED] or counts[RestoreState.UNKNOWN] else 0
