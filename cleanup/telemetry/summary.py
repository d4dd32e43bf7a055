"""The summary of a command for whom it notifies: JSON, or words (deploy/README.md, Notifications)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

import cleanup
from cleanup.outcome import Outcome
from cleanup.telemetry.channels import Shape
from cleanup.telemetry.facts import TargetFacts

SCHEMA = 1
_SUBJECT = 512  # bytes, the most that SMN takes
_MESSAGE = 256 << 10


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One target; `planned` is None where the command ended before there was a plan."""

    name: str
    project_id: str
    endpoint: str
    exit_code: int
    summary: str
    planned: int | None
    max_deletes: int | None
    kept: dict[str, int]
    outcomes: dict[Outcome, int]
    bytes_freed: int
    warnings: int
    unmatched_rules: tuple[str, ...]


class Notification(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="notification"):
    """The whole body that is posted; `exit_code` is that of the command, `text` says all in words."""

    schema: int = SCHEMA
    tool_version: str
    command: str
    dry_run: bool
    exit_code: int
    started_at: datetime
    ended_at: datetime
    text: str
    targets: tuple[TargetSummary, ...]


def body(shape: Shape, exit_code: int, all_facts: Sequence[TargetFacts]) -> bytes:
    """What is posted to a receiver of this shape."""
    match shape:
        case Shape.JSON:
            return msgspec.json.encode(notification(exit_code, all_facts))
        case Shape.SLACK:
            return msgspec.json.encode({"text": _escaped(text(exit_code, all_facts))})
        case Shape.SMN:
            subject = _cut(headline(exit_code, all_facts), _SUBJECT)
            return msgspec.json.encode(
                {"subject": subject, "message": _cut(text(exit_code, all_facts), _MESSAGE)}
            )


def notification(exit_code: int, all_facts: Sequence[TargetFacts]) -> Notification:
    """The summary as a document. There is a target at least."""
    first = all_facts[0]
    return Notification(
        tool_version=cleanup.__version__,
        command=first.command,
        dry_run=first.dry_run,
        exit_code=exit_code,
        started_at=first.started_at,
        ended_at=first.ended_at,
        text=text(exit_code, all_facts),
        targets=tuple(map(_target, all_facts)),
    )


def _target(facts: TargetFacts) -> TargetSummary:
    plan = facts.plan
    more: dict[str, Any] = {
        "planned": plan.delete if plan else None,
        "max_deletes": plan.max_deletes if plan else None,
        "kept": plan.by_reason if plan else {},
        "unmatched_rules": tuple(rule for rule, images in plan.rules.items() if not images) if plan else (),
    }
    return TargetSummary(
        name=facts.target,
        project_id=facts.project_id,
        endpoint=facts.endpoint,
        exit_code=facts.exit_code,
        summary=facts.line,
        outcomes=facts.outcomes,
        bytes_freed=facts.bytes_freed,
        warnings=facts.warnings,
        **more,
    )


def headline(exit_code: int, all_facts: Sequence[TargetFacts]) -> str:
    """`image-cleanup run (dry run): done, 2 of 2 targets`."""
    first = all_facts[0]
    good = sum(facts.is_success for facts in all_facts)
    ended = "done" if exit_code in (0, 10) else f"FAILED (exit {exit_code})"
    mode = " (dry run)" if first.dry_run else ""
    of = f", {good} of {len(all_facts)} targets are done" if len(all_facts) > 1 else ""
    return f"image-cleanup {first.command}{mode}: {ended}{of}"


def text(exit_code: int, all_facts: Sequence[TargetFacts]) -> str:
    """All of it in words, a line a target; what comes out of messages is on one line."""
    lines = [f"{facts.target}: exit {facts.exit_code}, {' '.join(facts.line.split())}" for facts in all_facts]
    return "\n".join([headline(exit_code, all_facts), *lines])


def _escaped(said: str) -> str:
    """Three characters mean something in such a message: names in it shall not call or link anybody."""
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(said: str, size: int) -> str:
    return said.encode()[:size].decode(errors="ignore")
