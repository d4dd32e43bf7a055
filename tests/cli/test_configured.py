"""A configuration and folders in real commands: who needs the file, where files go, what apply is told again."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cleanup.simulator import PROJECT_ID
from tests.support.builders import lines_of
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
rules:
  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}
limits: {max_percent: 100}
"""


@pytest.fixture
def cloud(serve_cloud: Serve, tmp_path: Path) -> Cloud:
    """A project, its policy, its pins, and the configuration that names them, in the current folder."""
    cloud = serve_cloud(images=12)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/policy.yaml").write_text(POLICY)
    (tmp_path / "pins.txt").write_text("team/none:1\n")
    (tmp_path / "image-cleanup.yaml").write_text(
        "version: 1\njournal: logs/\ntargets:\n"
        f"  - {{name: vision, endpoint: '{cloud.url}', project_id: {PROJECT_ID}, auth: none, rate: 500, "
        "policies: [policies], pins: [pins.txt]}\n"
    )
    return cloud


def test_a_night_without_an_option(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    planned = cli("plan", "-o", "plans/")
    assert planned.exit_code == 0, planned.output
    assert "configuration: image-cleanup.yaml in the current folder" in planned.stderr
    (plan,) = (tmp_path / "plans").iterdir()
    applied = cli("apply", plan)
    assert applied.exit_code == 0, applied.output
    assert "pins" not in applied.stderr
    (journal,) = (tmp_path / "logs").iterdir()
    assert journal.suffix == ".jsonl"
    assert cloud.deleted


def test_what_stands_on_every_command_line_may_stand_in_it(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "image-cleanup.yaml"
    keys = "log_format: plain\nexpires: 3h\nstrict: true\nmetrics_file: m.prom\nnotify: [env:HOOK]\n"
    file.write_text(file.read_text().replace("journal: logs/\n", f"journal: logs/\n{keys}"))
    (tmp_path / "pins.txt").write_text("")
    (tmp_path / "policies/policy.yaml").write_text(POLICY + "protect: [{namespace: none-such}]\n")
    doctor = cli("doctor", "--format", "json")
    told = {one["name"]: one for one in json.loads(doctor.stdout)["targets"][0]["settings"]}
    assert {name: told[name]["value"] for name in ("expires", "strict", "log_format", "notify")} == {
        "expires": "3h", "strict": "true", "log_format": "plain", "notify": "env:HOOK"
    }  # fmt: skip
    assert told["expires"]["origin"] == "image-cleanup.yaml:4:10"
    planned = cli("plan", "-o", "p.jsonl")
    assert planned.exit_code == 2
    assert "error: 1 warning and --strict: nothing was deleted" in planned.stderr  # and no JSON
    (tmp_path / "policies/policy.yaml").write_text(POLICY)
    assert cli("plan", "-o", "p.jsonl").exit_code == 0
    header = lines_of(tmp_path / "p.jsonl")[0]
    made, ends = (datetime.fromisoformat(header[key]) for key in ("created_at", "expires_at"))
    assert ends - made == timedelta(hours=3)
    assert (tmp_path / "m.prom").exists()
    applied = cli("apply", "p.jsonl", "--log-format", "json")
    assert applied.exit_code == 2
    said = json.loads(applied.stderr.splitlines()[-1])["event"]
    assert said == "image-cleanup.yaml:7:9: --notify env:HOOK: the environment variable HOOK is not set"
    assert not cloud.deleted


def test_a_forgotten_pin_is_told(cli: Cli, cloud: Cloud) -> None:
    assert cli("plan", "-o", "p.jsonl").exit_code == 0
    applied = cli("apply", "p.jsonl", "--config", "none", *cloud.options)
    assert applied.exit_code == 0, applied.output
    assert "the plan was made with 1 pin, this goes on with none" in applied.stderr


def test_a_forgotten_workspace_is_named(cli: Cli, cloud: Cloud) -> None:
    planned = cli("plan", "-o", "p.jsonl", "--workspace", "0", "--workspace", "0")
    assert planned.exit_code == 0, planned.output
    applied = cli("apply", "p.jsonl", "--workspace", "w1")
    assert applied.exit_code == 8
    assert "give --workspace 0 again" in applied.stderr
    assert not cloud.deleted


@pytest.mark.parametrize(
    ("place", "told"),
    [("policies/policy.yaml/", "something else"), ("no/such/", "there is no folder no to make it in")],
    ids=["file", "parent"],
)
def test_a_folder_that_cannot_be_made(cli: Cli, cloud: Cloud, place: str, told: str) -> None:
    called = cli("run", "--apply", "--journal", place)
    assert called.exit_code == 2
    assert told in called.stderr
    assert not cloud.service.requests


def test_a_broken_file_stops_only_who_needs_it(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "image-cleanup.yaml").write_text("version: 1\nrat: 3\n")
    assert cli("validate", "policies").exit_code == 0
    assert cli("schema", "targets").exit_code == 0
    for words in (["plan"], ["run", "--apply"], ["doctor"], ["inventory"], ["explain", "x"], ["apply", "p"]):
        called = cli(*words)
        assert called.exit_code == 2
        assert "image-cleanup.yaml:2:1: unknown key 'rat'" in called.stderr, words
    assert not cloud.service.requests
    assert cli("plan", "-p", "policies", "--config", "none", *cloud.options).exit_code == 0
