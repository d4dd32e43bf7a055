"""Notifications as they arrive at a receiver: their shapes, their signature, and what never leaves with them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from cleanup.simulator import PROJECT_ID, Access, AuthMode, SimulatedLogin
from cleanup.simulator.signature import signature_error
from tests.support.cloud import Cli, Serve
from tests.support.receiver import Receiver, receiving

POLICY = """\
version: 1
rules:
  - {name: none, match: {name: nobody}, older_than: 30d}
  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}
limits: {max_percent: 100}
"""
LOGIN = SimulatedLogin()
TOPIC = f"urn:smn:cn-north-4:{PROJECT_ID}:cleanup"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(autouse=True)
def policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)


def test_a_run_is_told_as_json(cli: Cli, serve_cloud: Serve, receiver: Receiver) -> None:
    cloud = serve_cloud(images=12)
    called = cli("run", "--apply", "-p", "policy.yaml", *cloud.options, "--notify", f"{receiver.url}/hook")
    assert called.exit_code == 0, called.output
    (call,), (told,) = receiver.calls, receiver.bodies()
    assert (call.path, call.headers["content-type"]) == ("/hook", "application/json; charset=utf-8")
    assert (told["kind"], told["command"], told["exit_code"], told["dry_run"]) == (
        "notification",
        "run",
        0,
        False,
    )
    (target,) = told["targets"]
    assert target["outcomes"]["deleted"] == target["planned"] == len(cloud.deleted) > 0
    assert target["unmatched_rules"] == ["none"]
    assert target["warnings"] > 0


def test_apply_and_resume_are_told_and_who_does_not_answer_changes_nothing(
    cli: Cli, serve_cloud: Serve, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GONE", "http://127.0.0.1:9/canary")
    cli.runtime = replace(cli.runtime, sleep=lambda _: anyio.lowlevel.checkpoint())
    cloud = serve_cloud(images=5)
    to = ["--notify", "env:GONE", "--notify", receiver.url]
    assert cli("plan", "-p", "policy.yaml", "-o", "p.jsonl", *cloud.options).exit_code == 0
    applied = cli("apply", "p.jsonl", "--journal", "j.jsonl", *cloud.options, *to)
    receiver.statuses = [500] * 9
    resumed = cli("resume", "j.jsonl", "--format", "json", *cloud.options, *to)
    assert [called.exit_code for called in (applied, resumed)] == [0, 0]
    assert [told["command"] for told in receiver.bodies()] == ["apply", *["resume"] * 3]
    assert receiver.bodies()[0]["targets"][0]["outcomes"]["deleted"] == len(cloud.deleted)
    assert "was not sent: 127.0.0.1:9 has no answer" in applied.stderr
    assert "answered 500" in resumed.stderr
    assert "canary" not in applied.output + resumed.output


def test_a_run_that_fails_is_told(cli: Cli, serve_cloud: Serve, receiver: Receiver) -> None:
    cloud = serve_cloud(images=5)
    (Path("policy.yaml")).write_text(POLICY.replace("max_percent: 100", "max_deletes: 0"))
    called = cli("run", "--apply", "-p", "policy.yaml", *cloud.options, "--notify", receiver.url)
    (told,) = receiver.bodies()
    assert called.exit_code == told["exit_code"] == told["targets"][0]["exit_code"] == 4
    assert "FAILED (exit 4)" in told["text"]
    assert not cloud.deleted


def test_a_slack_hook_is_a_secret(
    cli: Cli, serve_cloud: Serve, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [503, 403]
    monkeypatch.setenv("HOOK", f"slack:{receiver.url}/services/T0/canary?key=canary")
    called = cli("run", "-p", "policy.yaml", *serve_cloud(images=5).options, "--notify", "env:HOOK", "-v")
    assert called.exit_code == 0, called.output
    assert {(call.path, call.raw_query) for call in receiver.calls} == {("/services/T0/canary", "key=canary")}
    assert receiver.bodies()[0].keys() == {"text"}
    assert "image-cleanup run (dry run): done" in receiver.bodies()[0]["text"]
    assert "answered 403" in called.stderr
    assert "canary" not in called.output


def test_a_topic_gets_a_signed_request(
    cli: Cli, serve_cloud: Serve, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMN_ENDPOINT", receiver.url)
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", LOGIN.ak)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", LOGIN.sk)
    cloud = serve_cloud(images=5, access=Access(AuthMode.AKSK))
    options = ["--endpoint", cloud.url, "--project-id", PROJECT_ID, "--auth", "aksk"]
    called = cli("run", "-p", "policy.yaml", *options, "--notify", f"smn:{TOPIC}")
    assert called.exit_code == 0, called.output
    assert "was not sent" not in called.stderr
    (call,), (told,) = receiver.calls, receiver.bodies()
    assert call.path == f"/v2/{PROJECT_ID}/notifications/topics/{TOPIC}/publish"
    assert told["subject"] == "image-cleanup run (dry run): done"
    assert told.keys() == {"subject", "message"}
    assert signature_error(call, LOGIN.ak, LOGIN.sk, datetime.now(UTC)) is None
    assert LOGIN.sk not in f"{call}{called.output}"
