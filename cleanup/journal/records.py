"""The lines of a journal, as types, told apart by their `event` (deploy/README.md, The journal)."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from cleanup.config.settings import TargetRef
from cleanup.decision.limits import RunLimits
from cleanup.image import Image
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.modelarts.wire.values import Unreadable
from cleanup.outcome import BAD, GONE, TO_RESUME, Outcome, Verdict


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="event"):
    """What every line has; the journal fills in all but the level when the line is written.

    There are very many, none in a circle, so the garbage collector need not look at them.
    """

    timestamp: datetime | None = None
    level: Level = Level.INFO
    run_id: str = ""
    target: str = ""


class RunStarted(Line, frozen=True, kw_only=True, tag="run.started"):
    """`plan` is the plan file, relative to the journal's folder where it lies in it."""

    plan_id: str
    plan: str
    plan_sha256: str
    policy_sha256: str
    planned: int
    limits: RunLimits
    rate: float
    concurrency: int
    endpoint: str
    project_id: str
    workspaces: tuple[str, ...]
    tool_version: str
    resumes: str | None = None

    @property
    def place(self) -> TargetRef:
        """Which project at which endpoint the run is about."""
        return TargetRef(
            name=self.target,
            endpoint=self.endpoint,
            project_id=self.project_id,
            workspaces=self.workspaces,
        )


class GroupSeen(Line, frozen=True, kw_only=True, tag="group.seen"):
    """What a namespace/name of which images are deleted says of itself, for restore."""

    workspace_id: str
    namespace: str
    name: str
    read_me: str


class DeleteIntent(Line, frozen=True, kw_only=True, tag="delete.intent"):
    """On disk before the DELETE leaves; `image` is the whole record, for restore."""

    image_id: str
    rule: str | None
    force: bool
    image: msgspec.Raw


def image_of(intent: DeleteIntent) -> Image:
    """The image of an intent; its id alone where its record cannot be read any more."""
    try:
        return msgspec.structs.replace(decode_image(intent.image), id=intent.image_id)
    except Unreadable:
        return Image(id=intent.image_id)


class DeleteResult(Line, frozen=True, kw_only=True, tag="delete.result"):
    """The final status of one planned image in one run."""

    image_id: str
    namespace: str | None
    name: str | None
    tag: str | None
    swr_path: str | None
    rule: str | None
    force: bool
    outcome: Outcome
    http_status: int | None
    image_status: str | None
    error_code: str | None
    error_msg: str | None
    request_id: str | None
    attempts: int
    duration_ms: int
    response: object

    @property
    def found_there(self) -> bool:
        """Whether it rests on a look at the image, or an answer about it, by which it was still there."""
        seen = self.image_status is not None or self.attempts > 0
        return seen and self.outcome not in GONE and self.outcome is not Outcome.UNKNOWN

    @property
    def settles(self) -> bool:
        """Whether it says how the DELETE of its image ended, so that nothing is in doubt."""
        return self.outcome not in TO_RESUME or self.found_there

    @property
    def never_sent(self) -> bool:
        """Whether its run sent no DELETE of its image, though it may have intended one: that is not in doubt."""
        return self.outcome is Outcome.NOT_ATTEMPTED and not self.attempts

    @classmethod
    def of(cls, image: Image, rule: str | None, verdict: Verdict) -> "DeleteResult":
        drifted = Level.WARNING if verdict.outcome is Outcome.DRIFTED else Level.INFO
        return cls(
            level=Level.ERROR if verdict.outcome in BAD else drifted,
            image_id=image.id,
            namespace=image.namespace,
            name=image.name,
            tag=image.tag,
            swr_path=image.swr_path,
            rule=rule,
            force=verdict.force,
            outcome=verdict.outcome,
            http_status=verdict.http_status,
            image_status=verdict.image_status,
            error_code=verdict.error_code,
            error_msg=verdict.error_msg,
            request_id=verdict.request_id,
            attempts=verdict.attempts,
            duration_ms=verdict.duration_ms,
            response=verdict.response,
        )


class RunFinished(Line, frozen=True, kw_only=True, tag="run.finished"):
    """How a run ended: a count for each outcome, adding up to `planned`. `rate_end` is in requests a second."""

    deleted: int
    already_gone: int = msgspec.field(name="already-gone")
    drifted: int
    in_use: int = msgspec.field(name="in-use")
    denied: int
    failed: int
    unknown: int
    not_attempted: int = msgspec.field(name="not-attempted")
    planned: int
    bytes_freed: int
    requests: int
    throttled: int
    rate_end: float
    duration_s: float
    exit_code: int
    stopped: str | None = None

    @classmethod
    def of(cls, counts: Mapping[Outcome, int], **more: Any) -> "RunFinished":
        """The line with these counts; the level says whether all is well."""
        by_name: dict[str, Any] = {outcome.replace("-", "_"): counts[outcome] for outcome in Outcome}
        level = Level.INFO if more["exit_code"] == 0 else Level.ERROR
        return cls(level=level, **by_name, **more)

    @property
    def counts(self) -> dict[Outcome, int]:
        """How often each outcome occurred."""
        return {outcome: getattr(self, outcome.replace("-", "_")) for outcome in Outcome}


class JournalRepaired(Line, frozen=True, kw_only=True, tag="journal.repaired"):
    """A line that an earlier process could not finish was cut off; this is what it held."""

    level: Level = Level.WARNING
    torn_line: str
