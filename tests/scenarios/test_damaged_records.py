"""One record that cannot be read keeps its image and its content, and nothing else; through the CLI."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cleanup.simulator import PROJECT_ID, USER_ID, Service, World
from tests.support.builders import image_record as image
from tests.support.builders import real_now
from tests.support.cloud import Cli, Serve

POLICY = """\
version: 1
rules:
  - {name: old, older_than: 30d, force: true}
limits: {max_percent: 100}
"""
ODD = {
    "half-a-character": {"origin": b'"\\ud800"'},
    "nan": {"description": b"NaN"},
    "infinity": {"size": b"-Infinity"},
    "deep": {"extra": b"[" * 100_000 + b"]" * 100_000},
    "huge-size": {"size": b"1" + b"0" * 400},
    "endless-size": {"size": b"9" * 5000},
    "beyond-floats": {"size": b"1e400"},
}


def service(*images: dict[str, Any]) -> Service:
    """A project whose records hold bytes as they are."""
    records = tuple(
        {name: msgspec.Raw(value) if isinstance(value, bytes) else value for name, value in one.items()}
        for one in images
    )
    world = World(images=records, notebooks=(), contents={}, project_id=PROJECT_ID, user_id=USER_ID)
    return Service(world, real_now)


def strict(path: str) -> list[dict[str, Any]]:
    """The lines, for a reader that knows no NaN."""
    lines = Path(path).read_text().splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_damaged_record(cli: Cli, serve_cloud: Serve, tmp_path: Path, odd: dict[str, bytes]) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    damaged, sharer, other = image(1, **odd), image(2, swr_path=image(1)["swr_path"]), image(3)
    cloud = serve_cloud(service(damaged, sharer, other))
    assert cli("inventory", "-o", "inv.jsonl", *cloud.options).exit_code == 0
    for source in (["--inventory", "inv.jsonl"], cloud.options):
        called = cli("plan", "-p", "p.yaml", "-o", "plan.jsonl", *source)
        assert called.exit_code == 0, called.output
        lines = {line["image"]["id"]: line for line in strict("plan.jsonl") if line["kind"] == "decision"}
        assert lines[damaged["id"]]["reason"] == "unknown"
        assert next(iter(odd)) in lines[damaged["id"]]["detail"]
        assert lines[sharer["id"]]["force_withheld"] == "shared-content"
        assert lines[other["id"]]["force"] is True
    assert strict("inv.jsonl")
    explained = cli("explain", damaged["id"], "-p", "p.yaml", *cloud.options)
    assert "its record is damaged" in explained.stdout
    assert cli("apply", "plan.jsonl", "--journal", "j.jsonl", *cloud.options).exit_code == 0
    assert cloud.deleted == {sharer["id"]: False, other["id"]: True}
    assert cli("report", "j.jsonl").exit_code == 0
