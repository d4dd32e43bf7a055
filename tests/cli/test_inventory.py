"""An inventory file: read once, sealed, and then decided on without any service."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from cleanup.cli.work.simulate import _stored_world
from cleanup.plan.inventory_file import read_inventory_file
from cleanup.simulator import Service
from tests.support.builders import lines_of, real_now
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
protect:
  - tag: [latest, stable]
rules:
  - name: old
    match: {namespace: "*"}
    older_than: 60d
    keep_last: 2
    force: true
limits: {max_percent: 100}
"""


@pytest.fixture
def cloud(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> Cloud:
    """A cloud whose inventory lies in inventory.jsonl."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    cloud = serve_cloud(images=300)
    called = cli("inventory", "-o", "inventory.jsonl", *cloud.options)
    assert called.exit_code == 0, called.output
    assert "written to inventory.jsonl" in called.stderr
    return cloud


def decisions(plan: str) -> dict[str, tuple[str, str, bool]]:
    return {
        line["image"]["id"]: (line["action"], line["reason"], line.get("force", False))
        for line in lines_of(Path(plan))
        if line["kind"] == "decision"
    }


def test_a_plan_made_from_it_is_the_plan_made_from_the_service(cli: Cli, cloud: Cloud) -> None:
    assert cli("plan", "-p", "policy.yaml", "-o", "live.jsonl", *cloud.options).exit_code == 0
    before = len(cloud.service.requests)
    called = cli("plan", "-p", "policy.yaml", "-o", "offline.jsonl", "--inventory", "inventory.jsonl")
    assert called.exit_code == 0, called.output
    assert len(cloud.service.requests) == before
    assert decisions("offline.jsonl") == decisions("live.jsonl")
    assert {reason for _, reason, _ in decisions("offline.jsonl").values()} >= {
        "expired",
        "in-use",
        "keep-last",
    }
    applied = cli("apply", "offline.jsonl", *cloud.options)
    assert applied.exit_code == 0, applied.output
    assert cloud.deleted.keys() == {
        id_ for id_, (action, _, _) in decisions("live.jsonl").items() if action == "delete"
    }


def test_pins_protect_there_as_well(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    offline = ("plan", "-p", "policy.yaml", "--inventory", "inventory.jsonl", "-o")
    assert cli(*offline, "without.jsonl").exit_code == 0
    pinned = next(id_ for id_, (action, *_) in decisions("without.jsonl").items() if action == "delete")
    (tmp_path / "pins.txt").write_text(f"{pinned}\n")
    called = cli(*offline, "with.jsonl", "--pins", "pins.txt")
    assert called.exit_code == 0, called.output
    assert decisions("with.jsonl")[pinned][:2] == ("keep", "in-use")
    assert lines_of(Path("with.jsonl"))[0]["inventory"]["pins"] == 1
    told = cli("explain", pinned, "-p", "policy.yaml", "--inventory", "inventory.jsonl", "--pins", "pins.txt")
    assert "pins.txt" in told.stdout


def test_policies_are_explained_compared_and_checked_on_it(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(POLICY.replace("60d", "90d").replace("stable", "no-such-tag-*"))
    offline = ("--inventory", "inventory.jsonl")
    image = next(iter(cloud.service.images))
    explained = cli("explain", image["id"], "-p", "policy.yaml", *offline)
    assert explained.exit_code == 0, explained.output
    assert image["id"] in explained.stdout
    compared = cli("diff", "-p", "policy.yaml", "-p", "new.yaml", *offline)
    assert compared.exit_code == 0, compared.output
    assert "too-young" in compared.stdout
    checked = cli("validate", "new.yaml", *offline)
    assert checked.exit_code == 0
    assert "none of the" in checked.stderr or "protects" in checked.stderr or not checked.stderr


def resealed(whole: str) -> str:
    """A changed inventory with a digest that is right."""
    body, _, last = whole.rstrip("\n").rpartition("\n")
    digest = hashlib.sha256(f"{body}\n".encode()).hexdigest()
    return f"{body}\n{json.dumps(json.loads(last) | {'sha256': digest})}\n"


def test_it_is_sealed(cli: Cli, cloud: Cloud) -> None:
    path = Path("inventory.jsonl")
    whole = path.read_text()
    for damaged in (
        whole.replace('"status":"ACTIVE"', '"status":"ERROR"', 1),
        whole[: len(whole) // 2],
        resealed(whole.replace('"schema":1', '"schema":2', 1)),
        resealed(whole.replace('"schema":1,', "", 1)),
        resealed(re.sub('"tool_version":"[0-9]+', '"tool_version":"99', whole, count=1)),
        "",
        "hello\n",
    ):
        path.write_text(damaged)
        called = cli("plan", "-p", "policy.yaml", "--inventory", path)
        assert called.exit_code == 8, called.output
        assert "inventory" in called.stderr
    assert cli("plan", "-p", "policy.yaml", "--inventory", "no-such-file").exit_code == 2


def test_what_could_not_be_seen_stands_in_it(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    cloud = serve_cloud(images=200)
    cloud.service.sees_all = False
    called = cli("inventory", "-o", "inventory.jsonl", *cloud.options)
    assert "the inventory is not complete" in called.stderr
    assert json.loads(Path("inventory.jsonl").read_text().splitlines()[0])["doubts"]
    assert (
        cli("plan", "-p", "policy.yaml", "-o", "plan.jsonl", "--inventory", "inventory.jsonl").exit_code == 0
    )
    assert lines_of(Path("plan.jsonl"))[0]["inventory"]["complete"] is False
    assert cli("apply", "plan.jsonl", *cloud.options).exit_code == 6


def test_the_simulator_serves_it(cli: Cli, cloud: Cloud, serve_cloud: Serve) -> None:
    assert cli("plan", "-p", "policy.yaml", "-o", "live.jsonl", *cloud.options).exit_code == 0
    stored = read_inventory_file(Path("inventory.jsonl"))
    again = serve_cloud(Service(_stored_world(Path("inventory.jsonl")), real_now))
    assert len(again.image_ids) == len(stored.inventory.images) + len(stored.inventory.others)
    assert cli("plan", "-p", "policy.yaml", "-o", "served.jsonl", *again.options).exit_code == 0
    assert lines_of(Path("served.jsonl"))[0]["inventory"]["complete"] is True
    deletes = {id_ for id_, (action, _, _) in decisions("live.jsonl").items() if action == "delete"}
    assert deletes == {id_ for id_, (action, _, _) in decisions("served.jsonl").items() if action == "delete"}
