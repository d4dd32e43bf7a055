"""How much is told on stderr: --quiet and --verbose, of every command and before it."""

import json
from pathlib import Path

import pytest

from tests.support.cloud import Called, Cli, Serve

POLICY = "version: 1\nrules:\n  - name: old\n    match: {tag: 'dev-*'}\n    older_than: 30d\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def told(called: Called) -> list[dict[str, object]]:
    return [json.loads(line) for line in called.stderr.splitlines()]


def test_verbose_tells_what_was_given_each_request_and_each_phase(
    cli: Cli, serve_cloud: Serve, policy: Path
) -> None:
    cloud = serve_cloud()
    lines = told(cli("run", "-p", policy, "--apply", *cloud.options, "-v"))
    assert f"-p = {policy}" in [line["event"] for line in lines]
    assert [line["origin"] for line in lines if line["event"] == f"--endpoint = {cloud.url}"] == [
        "the command line"
    ]
    requests = [line for line in lines if "ms" in line]
    assert all(line["level"] == "debug" and line["status"] == 200 and line["request_id"] for line in requests)
    deletes = [line for line in requests if str(line["event"]).startswith("DELETE ")]
    assert len(deletes) == len(cloud.deleted) > 0
    events = " ".join(str(line["event"]) for line in lines)
    for phase in (
        "target default",
        "images read of workspaces 0",
        "notebooks read",
        "decided",
        "looked again",
    ):
        assert phase in events


def test_normally_nothing_of_that_is_told(cli: Cli, serve_cloud: Serve, policy: Path) -> None:
    lines = told(cli("run", "-p", policy, *serve_cloud().options))
    assert {line["level"] for line in lines} <= {"info", "warning"}


@pytest.mark.parametrize("quiet", ["-q", "--quiet"])
def test_quiet_tells_warnings_and_errors_only(cli: Cli, serve_cloud: Serve, policy: Path, quiet: str) -> None:
    options = serve_cloud().options
    called = cli("run", "-p", policy, *options, quiet)
    assert called.exit_code == 0
    assert "dry run" not in called.stderr
    assert "old" in called.stdout
    refused = cli(quiet, "plan", "-p", "missing.yaml", *options)
    assert [line["level"] for line in told(refused)] == ["error"]


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("-v validate X", True),
        ("validate X -v", True),
        ("-v validate X -q", False),
        ("-q validate X -v", True),
    ],
)
def test_the_last_word_counts(cli: Cli, policy: Path, words: str, more: bool) -> None:
    called = cli(*words.replace("X", str(policy)).split())
    assert called.exit_code == 0
    assert ('"debug"' in called.stderr) is more


def test_a_login_within_a_url_is_not_told(cli: Cli, policy: Path) -> None:
    called = cli("plan", "-v", "-p", policy, "--endpoint", "https://me:canary@host.example")
    assert called.exit_code == 2
    assert "canary" not in called.output
