"""Small things to build tests from: a frozen moment, images from few words, files read back."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cleanup.decision.limits import RunLimits
from cleanup.image import Image
from cleanup.image_columns.row import WORDS, ImageRow
from cleanup.image_columns.table import ImageColumns
from cleanup.journal import RunFinished, RunStarted
from cleanup.outcome import Outcome
from cleanup.policy.load import from_document

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "tests" / "goldens"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# The deletion page's own example, word for word (API.md, The image), as it is before it is deleted.
DOCUMENTED_IMAGE: dict[str, Any] = {
    "arch": "x86_64",
    "create_at": 1671093486722,
    "description": "",
    "dev_services": ["NOTEBOOK", "SSH"],
    "id": "c9ab2b2f-edda-4556-bdbb-494e868d043c",
    "name": "mock-service-python",
    "namespace": "mock-service1",
    "origin": "CUSTOMIZE",
    "resource_categories": ["CPU"],
    "service_type": "UNKNOWN",
    "size": 387840321,
    "status": "ACTIVE",
    "swr_path": "swr.xxx.com/mock-service1/mock-service-python:0.0.17",
    "tag": "0.0.17",
    "type": "DEDICATED",
    "update_at": 1671093486722,
    "visibility": "PRIVATE",
    "workspace_id": "0",
}


def columns_of(images: Iterable[Image]) -> ImageColumns:
    """The images as a listing keeps them; their records are their numbers, in no spool."""

    def microseconds(moment: datetime | None) -> int:
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) if moment else 0

    return ImageColumns(
        ImageRow(
            id=image.id,
            namespace=image.namespace,
            name=image.name,
            tag=image.tag,
            swr_path=image.swr_path,
            words=tuple(getattr(image, name) for name in WORDS),
            description=image.description,
            size=-1 if image.size is None else image.size,
            resource_tags=image.resource_tags,
            created=microseconds(image.created_at),
            updated=microseconds(image.updated_at),
            record=number,
            unreadable=image.unreadable,
        )
        for number, image in enumerate(images)
    )


def make_image(id: str = "img-1", *, age: float | None = 100, **fields: Any) -> Image:
    """An ordinary ACTIVE PRIVATE image `age` days old; any field can be given or taken away (None)."""
    moment = None if age is None else NOW - timedelta(days=age)
    values: dict[str, Any] = {
        "namespace": "ml-vision",
        "name": "trainer",
        "tag": f"dev-{id}",
        "type": "DEDICATED",
        "visibility": "PRIVATE",
        "status": "ACTIVE",
        "size": 1 << 30,
        "created_at": moment,
        "updated_at": moment,
    } | fields
    values.setdefault("swr_path", f"swr.example.com/{values['namespace']}/{values['name']}:{values['tag']}")
    sent = {"created_at": "create_at", "updated_at": "update_at", "resource_tags": "tags"}
    raw = {"id": id} | {
        sent.get(key, key): _as_sent(value) for key, value in values.items() if value is not None
    }
    return Image(id=id, record=msgspec.Raw(msgspec.json.encode(raw)), **values)


def _as_sent(value: Any) -> Any:
    """A field's value as the API sends it."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    return [{"key": key, "value": text} for key, text in value.items()] if isinstance(value, dict) else value


def real_now() -> datetime:
    return datetime.now(UTC)


def image_record(number: int, **fields: Any) -> dict[str, Any]:
    """A record as the API sends it: the old image ml/trainer:v<number>, but for `fields`."""
    then = int((real_now() - timedelta(days=100)).timestamp() * 1000)
    return {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "namespace": "ml",
        "name": "trainer",
        "tag": f"v{number}",
        "swr_path": f"swr.example.com/ml/trainer:v{number}",
        "type": "DEDICATED",
        "visibility": "PRIVATE",
        "status": "ACTIVE",
        "size": 1000,
        "create_at": then,
        "update_at": then,
        "workspace_id": "0",
    } | fields


def needs(program: str) -> pytest.MarkDecorator:
    """A test that runs a system program: left out where that is missing, but never in CI."""
    missing = shutil.which(program) is None and not {"CI", "IMAGE_CLEANUP_CI"} & os.environ.keys()
    return pytest.mark.skipif(missing, reason=f"needs {program}, which is not installed here")


def bundled(name: str) -> dict[str, str]:
    """Small files that lie in one of the goldens, by their names; each begins after a line `=== NAME`."""
    parts = re.split(r"^=== (.+)\n", (GOLDENS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# A policy under which everything goes, with its content.
EVERYTHING = from_document(
    {"version": 1, "rules": [{"name": "r", "delete_all": True, "force": True}]},
    ["everything.yaml"],
    "ab" * 32,
)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """A JSON Lines file as dicts."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def reseal(plan: Path, lines: list[dict[str, Any]]) -> None:
    """Write a plan with a digest that is right: what somebody does who edits one on purpose."""
    deletes = [line for line in lines if line.get("action") == "delete"]
    keeps = [line for line in lines if line.get("action") == "keep"]
    lines[-1] |= {"delete": len(deletes), "keep": len(keeps)}
    body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines[:-1])
    lines[-1]["sha256"] = hashlib.sha256(body.encode()).hexdigest()
    plan.write_text(body + json.dumps(lines[-1]) + "\n")


def events(path: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a journal with this event."""
    return [line for line in lines_of(path) if line["event"] == name]


def run_started(run_id: str = "run-1", **fields: Any) -> RunStarted:
    """The first line of a run, with whatever fields matter."""
    usual: dict[str, Any] = {
        "target": "default",
        "plan_id": "plan-1",
        "plan": "plan.jsonl",
        "plan_sha256": "ab" * 32,
        "policy_sha256": "cd" * 32,
        "planned": 2,
        "limits": RunLimits(max_deletes=1000, max_percent=50),
        "rate": 10.0,
        "concurrency": 16,
        "endpoint": "https://modelarts.example.com",
        "project_id": "p1",
        "workspaces": ("0",),
        "tool_version": "0.1.0",
    }
    return RunStarted(run_id=run_id, **usual | fields)


def run_finished(counts: Mapping[Outcome, int], **fields: Any) -> RunFinished:
    """The last line of a run, with whatever fields matter."""
    usual: dict[str, Any] = {
        "planned": sum(counts.values()),
        "bytes_freed": 5,
        "requests": 7,
        "throttled": 0,
        "rate_end": 10.0,
        "duration_s": 0.5,
        "exit_code": 0,
    }
    return RunFinished.of({outcome: counts.get(outcome, 0) for outcome in Outcome}, **usual | fields)
