"""Facts as metrics in the text format of Prometheus. A batch job's values are gauges: they say how it ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from cleanup.telemetry.facts import TargetFacts

_OF_TARGET = ("project", "target")
LAST_SUCCESS: Final = "image_cleanup_last_success_timestamp_seconds"
LAST_DELETE: Final = "image_cleanup_last_delete_timestamp_seconds"
# Name: what it is, and its label besides those of the target.
METRICS: Final[dict[str, tuple[str, str | None]]] = {
    "image_cleanup_last_run_timestamp_seconds": ("When the last command ended.", None),
    "image_cleanup_last_run_duration_seconds": ("How long the last command took.", None),
    "image_cleanup_last_run_exit_code": ("The exit code of the last command for this target.", None),
    "image_cleanup_dry_run": ("1 where the last command could delete nothing.", None),
    LAST_SUCCESS: ("When a command last ended with exit 0 (or 10).", None),
    LAST_DELETE: ("When a run last deleted an image.", None),
    "image_cleanup_phase_duration_seconds": ("How long each phase of the last command took.", "phase"),
    "image_cleanup_decided_images": ("Images of the last plan by reason.", "reason"),
    "image_cleanup_rule_images": ("Images that each rule decides on; 0: it matches nothing.", "rule"),
    "image_cleanup_planned_deletes": ("Images that the last plan deletes.", None),
    "image_cleanup_planned_bytes": ("Size of what the last plan deletes.", None),
    "image_cleanup_max_deletes": ("How many deletes the policy allows a run.", None),
    "image_cleanup_images": ("Planned images of the last run by outcome.", "outcome"),
    "image_cleanup_freed_bytes": ("Size of the content that the last run deleted.", None),
    "image_cleanup_requests": ("Requests of the last command by the code of the answer.", "code"),
    "image_cleanup_throttled_requests": ("Requests of the last command answered with 429.", None),
    "image_cleanup_warnings": ("Warnings of the last command.", None),
}
_MARK = b"# HELP image_cleanup_"


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier file says and this command may have nothing new of; seconds of the epoch."""

    success: float | None = None
    delete: float | None = None


def exposition(all_facts: Iterable[TargetFacts], past: Mapping[tuple[str, str], Past]) -> bytes:
    """The text: every target's values; what `past` knows of its project and name where they have no newer one."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    gauges = {
        name: Gauge(name, text, (*_OF_TARGET, *((label,) if label else ())), registry=registry)
        for name, (text, label) in METRICS.items()
    }
    for facts in all_facts:
        place = (facts.project_id, facts.target)
        for name, label, value in _values(facts, past.get(place, Past())):
            gauges[name].labels(*place, *((label,) if label is not None else ())).set(value)
    text: bytes = generate_latest(registry)
    return b"".join(_with_values(text.splitlines(keepends=True)))


def _with_values(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Without the heads of families that have no value: a gateway would take them for families that are empty."""
    named = {line.split(b"{")[0] for line in lines if not line.startswith(b"#")}
    return (line for line in lines if not line.startswith(b"#") or line.split(b" ")[2] in named)


def _values(facts: TargetFacts, past: Past) -> Iterator[tuple[str, str | None, float]]:
    ended = facts.ended_at.timestamp()
    last = {
        LAST_SUCCESS: ended if facts.is_success else past.success,
        LAST_DELETE: ended if facts.deleted else past.delete,
    }
    single = _of_run(facts) | {name: value for name, value in last.items() if value is not None}
    yield from ((name, None, value) for name, value in single.items())
    for name, values in _by_label(facts).items():
        yield from ((name, label, value) for label, value in values.items())


def _of_run(facts: TargetFacts) -> dict[str, float]:
    values: dict[str, float] = {
        "image_cleanup_last_run_timestamp_seconds": facts.ended_at.timestamp(),
        "image_cleanup_last_run_duration_seconds": (facts.ended_at - facts.started_at).total_seconds(),
        "image_cleanup_last_run_exit_code": facts.exit_code,
        "image_cleanup_dry_run": int(facts.dry_run),
        "image_cleanup_freed_bytes": facts.bytes_freed,
        "image_cleanup_throttled_requests": facts.codes.get("429", 0),
        "image_cleanup_warnings": facts.warnings,
    }
    if facts.plan:
        values |= {
            "image_cleanup_planned_deletes": facts.plan.delete,
            "image_cleanup_planned_bytes": facts.plan.bytes,
        }
        if facts.plan.max_deletes is not None:
            values["image_cleanup_max_deletes"] = facts.plan.max_deletes
    return values


def _by_label(facts: TargetFacts) -> dict[str, Mapping[str, float]]:
    return {
        "image_cleanup_phase_duration_seconds": facts.phases,
        "image_cleanup_decided_images": facts.plan.by_reason if facts.plan else {},
        "image_cleanup_rule_images": facts.plan.rules if facts.plan else {},
        "image_cleanup_images": {outcome.value: number for outcome, number in facts.outcomes.items()},
        "image_cleanup_requests": facts.codes,
    }


def is_ours(text: bytes) -> bool:
    """Whether a file holds metrics of ours, or nothing."""
    return not text or text.startswith(_MARK)


def read_past(text: bytes) -> dict[tuple[str, str], Past]:
    """What an earlier file says of every target in it, by project and name. Raises ValueError for no such file."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[tuple[str, str], dict[str, float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            place = (sample.labels.get("project", ""), sample.labels.get("target", ""))
            values = found.setdefault(place, {})
            if key := {LAST_SUCCESS: "success", LAST_DELETE: "delete"}.get(sample.name):
                values[key] = sample.value
    return {place: Past(**values) for place, values in found.items()}
