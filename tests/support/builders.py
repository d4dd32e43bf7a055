"""Small things to build tests from: a frozen moment, images from few words, files read back."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cleanup.image import Image

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "tests" / "goldens"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


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
    raw = {"id": id, "namespace": values["namespace"], "name": values["name"], "tag": values["tag"]}
    if values["updated_at"]:
        raw["update_at"] = int(values["updated_at"].timestamp() * 1000)
    return Image(id=id, raw=msgspec.Raw(msgspec.json.encode(raw)), **values)


def real_now() -> datetime:
    return datetime.now(UTC)


def needs(program: str) -> pytest.MarkDecorator:
    """A test that runs a system program: left out where that is missing, but never in CI."""
    missing = shutil.which(program) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"needs {program}, which is not installed here")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """A JSON Lines file as dicts."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def events(path: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a journal with this event."""
    return [line for line in lines_of(path) if line["event"] == name]
