"""The lines of a journal, as types (contract.md, The journal)."""

from datetime import datetime

import msgspec

from cleanup.decision.limits import RunLimits
from cleanup.image import Image
from cleanup.outcome import Outcome, Verdict


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """`run.started`. `plan` is the plan file, relative to the journal's folder where it lies in it."""

    run_id: str
    target: str
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
    timestamp: datetime | None = None


class DeleteIntent(msgspec.Struct, frozen=True, kw_only=True):
    """`delete.intent`: on disk before the DELETE leaves; `image` is the whole record, for restore."""

    image_id: str
    rule: str | None
    force: bool
    image: msgspec.Raw
    run_id: str = ""
    timestamp: datetime | None = None


class DeleteResult(msgspec.Struct, frozen=True, kw_only=True):
    """`delete.result`: the final status of one planned image in one run."""

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
    run_id: str = ""
    timestamp: datetime | None = None

    @classmethod
    def of(cls, image: Image, rule: str | None, verdict: Verdict) -> "DeleteResult":
        return cls(
            image_id=image.id,
            namespace=image.namespace,
            name=image.name,
            tag=image.tag,
            swr_path=image.swr_path,
            rule=rule,
            **msgspec.structs.asdict(verdict),
        )


class RunFinished(msgspec.Struct, frozen=True, kw_only=True):
    """`run.finished`: the counts, by outcome, add up to `planned`. `rate_end` is in requests a second."""

    counts: dict[Outcome, int]
    planned: int
    bytes_freed: int
    requests: int
    throttled: int
    rate_end: float
    duration_s: float
    exit_code: int
    stopped: str | None = None
