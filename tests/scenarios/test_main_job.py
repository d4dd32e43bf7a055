"""The main job through the CLI and over a socket: policy in, images deleted, every final status on record."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cleanup.simulator import Faults, parse_rate
from cleanup.simulator.routes import Operation
from tests.support.builders import events, lines_of
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
protect:
  - namespace: prod-*
  - tag: [latest, stable]
rules:
  - name: failed-builds
    match: {status: [ERROR, CREATE_FAILED]}
    older_than: 7d
  - name: stale
    match: {visibility: PRIVATE}
    older_than: 60d
    keep_last: 2
    force: true
limits: {max_percent: 90}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture
def cloud(serve_cloud: Serve) -> Cloud:
    return serve_cloud(images=300)


def plan_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    header, *decisions, summary = lines_of(path)
    return header, decisions, summary


def test_plan_then_apply_deletes_exactly_the_plan(
    cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path
) -> None:
    before = cloud.image_ids
    planned = cli("plan", "-p", policy, "-o", "plan.jsonl", *cloud.options)
    assert planned.exit_code == 0, planned.output
    assert cloud.deleted == {}
    _, decisions, summary = plan_lines(tmp_path / "plan.jsonl")
    deletes = {line["image"]["id"]: line["force"] for line in decisions if line["action"] == "delete"}
    assert len(deletes) > 20
    assert any(deletes.values())
    assert not all(deletes.values())

    applied = cli("apply", "plan.jsonl", "--journal", "journal.jsonl", *cloud.options)
    assert applied.exit_code == 0, applied.output
    assert cloud.deleted == deletes
    assert cloud.image_ids == before - deletes.keys()

    journal = tmp_path / "journal.jsonl"
    results = events(journal, "delete.result")
    assert Counter(line["image_id"] for line in results) == Counter(deletes.keys())
    assert {line["image_id"]: line["force"] for line in results} == deletes
    assert {line["outcome"] for line in results} == {"deleted"}
    assert {line["http_status"] for line in results} == {200}
    assert {line["image_status"] for line in results} == {"DELETED"}
    assert all(line["request_id"] for line in results)
    (finished,) = events(journal, "run.finished")
    assert finished["planned"] == finished["deleted"] == summary["delete"] == len(deletes)
    assert finished["exit_code"] == 0
    assert finished["bytes_freed"] == summary["bytes_freed"]
    (started,) = events(journal, "run.started")
    assert started["plan_id"] == plan_lines(tmp_path / "plan.jsonl")[0]["plan_id"]


def test_an_intent_stands_before_every_result(cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path) -> None:
    cli("run", "-p", policy, "--apply", "--journal", "journal.jsonl", *cloud.options)
    intended: set[str] = set()
    for line in lines_of(tmp_path / "journal.jsonl"):
        if line["event"] == "delete.intent":
            intended.add(line["image_id"])
            assert line["image"]["id"] == line["image_id"]
        if line["event"] == "delete.result" and line["attempts"]:
            assert line["image_id"] in intended
    assert intended == set(cloud.deleted)


def test_the_plan_file_is_as_the_contract_says(cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path) -> None:
    cli("plan", "-p", policy, "-o", "plan.jsonl", *cloud.options)
    content = (tmp_path / "plan.jsonl").read_bytes()
    header, decisions, summary = plan_lines(tmp_path / "plan.jsonl")
    assert header["kind"] == "plan"
    assert header["schema"] == 1
    assert header["target"]["endpoint"] == cloud.url
    assert header["inventory"]["complete"] is True
    assert header["inventory"]["images"] == len(decisions)
    before = content[: content.rstrip(b"\n").rfind(b"\n") + 1]
    assert summary["sha256"] == hashlib.sha256(before).hexdigest()
    deletes = [line for line in decisions if line["action"] == "delete"]
    keeps = [line for line in decisions if line["action"] == "keep"]
    assert (summary["delete"], summary["keep"]) == (len(deletes), len(keeps))
    assert sum(summary["by_reason"].values()) == len(decisions)
    assert sum(summary["by_rule"].values()) == len(deletes)
    assert all(set(line["image"]) == {"id", "namespace", "name", "tag", "update_at"} for line in keeps)
    for line in deletes:
        assert line["image"] == cloud.service.images.get(line["image"]["id"])
        assert line["reason"] == "expired"
    times = [line["image"]["update_at"] for line in deletes]
    assert times == sorted(times)


def test_run_without_apply_is_a_dry_run(cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path) -> None:
    called = cli("run", "-p", policy, *cloud.options)
    assert called.exit_code == 0
    assert cloud.deleted == {}
    assert {one.method for one in cloud.service.requests if one.operation is not Operation.JOBS} == {"GET"}
    assert not list(tmp_path.glob("*.jsonl"))
    assert "this was a dry run: nothing was deleted; --apply deletes" in called.stderr


@pytest.mark.parametrize(
    ("limits", "faults", "why"),
    [
        ("max_deletes: 0", [], "over a limit, so this plan cannot be applied"),
        (
            "max_deletes: 500",
            ["workflows:403=1"],
            "the inventory is not complete, so this plan cannot be applied",
        ),
    ],
    ids=["limit", "users"],
)
def test_a_dry_run_promises_no_delete_that_apply_would_refuse(
    cli: Cli, serve_cloud: Serve, policy: Path, limits: str, faults: list[str], why: str
) -> None:
    policy.write_text(POLICY.replace("max_percent: 90", f"max_percent: 90, {limits}"), encoding="utf-8")
    cloud = serve_cloud(images=200, faults=Faults([parse_rate(one) for one in faults]))
    called = cli("run", "-p", policy, *cloud.options)
    assert called.exit_code == 0, called.output
    assert why in called.stderr
    assert "nothing was deleted" in called.stderr
    assert "--apply deletes" not in called.stderr


def test_run_apply_writes_its_plan_beside_the_journal(
    cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    called = cli("run", "-p", policy, "--apply", "--journal", folder / "journal.jsonl", *cloud.options)
    assert called.exit_code == 0, called.output
    (started,) = events(folder / "journal.jsonl", "run.started")
    assert (folder / started["plan"]).is_file()
    assert cloud.deleted


def test_only_dedicated_images_are_ever_listed(cli: Cli, cloud: Cloud, policy: Path) -> None:
    cli("plan", "-p", policy, *cloud.options)
    lists = [r for r in cloud.service.requests if r.method == "GET" and r.path.endswith("/images")]
    assert lists
    assert all(request.query.get("type") == "DEDICATED" for request in lists)


def test_detailed_exitcode(cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path) -> None:
    assert cli("plan", "-p", policy, "--detailed-exitcode", *cloud.options).exit_code == 10
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("version: 1\nrules: [{name: n, match: {namespace: none-such}, older_than: 1d}]\n")
    assert cli("plan", "-p", nothing, "--detailed-exitcode", *cloud.options).exit_code == 0


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
def test_every_format_of_plan_and_report_says_the_same(
    cli: Cli, cloud: Cloud, policy: Path, format: str
) -> None:
    planned = cli("plan", "-p", policy, "-o", "plan.jsonl", "--format", format, *cloud.options)
    assert planned.exit_code == 0
    assert cli("report", "plan.jsonl", "--format", format).stdout == planned.stdout
    if format == "json":
        assert json.loads(planned.stdout)
    cli("apply", "plan.jsonl", "--journal", "journal.jsonl", *cloud.options)
    shown = cli("report", "journal.jsonl", "--format", format)
    assert shown.exit_code == 0
    assert "deleted" in shown.stdout


class TestWhatBadInputGets:
    def test_a_policy_with_three_mistakes(self, cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
        bad = tmp_path / "bad.yaml"
        bad.write_text(
            "version: 1\nrules:\n  - name: a\n    older_then: 90d\n    match: {tag: 1.10}\n    force: 'true'\n"
        )
        for command in (["plan", "-p", bad], ["run", "--apply", "-p", bad]):
            called = cli(*command, *cloud.options)
            assert called.exit_code == 2
            for place in ("bad.yaml:4:5", "bad.yaml:5:", "bad.yaml:6:12"):
                assert place in called.stderr
            assert "older_than" in called.stderr
        assert not cloud.service.requests
        assert cli("validate", bad).exit_code == 2

    def test_no_endpoint_no_project(self, cli: Cli, policy: Path) -> None:
        called = cli("plan", "-p", policy, "--project-id", "a" * 32)
        assert called.exit_code == 2
        assert "--endpoint" in called.stderr
        assert "MODELARTS_ENDPOINT" in called.stderr
        called = cli("plan", "-p", policy, "--endpoint", "http://127.0.0.1:1", "--auth", "none")
        assert called.exit_code == 2
        assert "--project-id" in called.stderr
        assert "HUAWEICLOUD_SDK_PROJECT_ID" in called.stderr

    @pytest.mark.parametrize("place", ["no/such/folder/plan.jsonl", ".", "policy.yaml/plan.jsonl"])
    def test_a_place_that_cannot_be_written(self, cli: Cli, cloud: Cloud, policy: Path, place: str) -> None:
        called = cli("plan", "-p", policy, "-o", place, *cloud.options)
        assert called.exit_code == 2
        assert "-o" in called.stderr
        called = cli("run", "--apply", "-p", policy, "--journal", place, *cloud.options)
        assert called.exit_code == 2
        assert "--journal" in called.stderr
        assert not cloud.service.requests

    def test_an_endpoint_that_nobody_answers(self, cli: Cli, policy: Path) -> None:
        url = "http://127.0.0.1:1"
        called = cli(
            "plan",
            "-p",
            policy,
            "--endpoint",
            url,
            "--project-id",
            "a" * 32,
            "--auth",
            "none",
            "--max-attempts",
            1,
        )
        assert called.exit_code == 6
        assert url in called.stderr

    def test_a_wrong_project_and_no_credentials(self, cli: Cli, cloud: Cloud, policy: Path) -> None:
        options = ["--endpoint", cloud.url, "--project-id", "f" * 32]
        assert cli("plan", "-p", policy, *options, "--auth", "none").exit_code == 5
        called = cli("plan", "-p", policy, *options, "--auth", "token")
        assert called.exit_code == 5
        assert "MODELARTS_TOKEN" in called.stderr

    @pytest.mark.parametrize(
        "options",
        [["--endpoint", "http://example.com"], ["--endpoint", "https://x.example", "--auth", "none"]],
    )
    def test_plain_http_and_no_login_are_for_loopback_only(
        self, cli: Cli, policy: Path, options: list[str]
    ) -> None:
        called = cli("plan", "-p", policy, "--project-id", "a" * 32, *options)
        assert called.exit_code == 2
        assert "loopback" in called.stderr

    def test_a_damaged_foreign_or_expired_plan(
        self, cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path
    ) -> None:
        plan = tmp_path / "plan.jsonl"
        cli("plan", "-p", policy, "-o", plan, "--expires", "1s", *cloud.options)
        whole = plan.read_text()
        requests = len(cloud.service.requests)
        for broken in (
            whole.replace('"keep"', '"delete"', 1),
            whole[:-20],
            "\n".join(whole.split("\n")[:-2]),
            "",
            "x\n",
        ):
            plan.write_text(broken)
            assert cli("apply", plan, *cloud.options).exit_code == 8
        plan.write_text(whole)
        foreign = ["--endpoint", cloud.url, "--project-id", "f" * 32, "--auth", "none"]
        assert cli("apply", plan, *foreign).exit_code == 8
        assert len(cloud.service.requests) == requests
        assert cloud.deleted == {}

    def test_a_plan_that_takes_one_content_twice(
        self, cli: Cli, cloud: Cloud, policy: Path, tmp_path: Path
    ) -> None:
        plan = tmp_path / "plan.jsonl"
        cli("plan", "-p", policy, "-o", plan, *cloud.options)
        header, *decisions, summary = lines_of(plan)
        forced = next(line for line in decisions if line["force"])
        twin = forced | {"image": forced["image"] | {"id": "another"}}
        body = "".join(json.dumps(line) + "\n" for line in [header, *decisions, twin]).encode()
        seal = summary | {"delete": summary["delete"] + 1, "sha256": hashlib.sha256(body).hexdigest()}
        plan.write_bytes(body + json.dumps(seal).encode() + b"\n")
        called = cli("apply", plan, *cloud.options)
        assert called.exit_code == 8
        assert "not its to take" in called.stderr

    def test_a_proxy_that_is_no_url_is_not_told(
        self, cli: Cli, policy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://user:s3cr3t/x@proxy:3128")
        monkeypatch.setenv("MODELARTS_TOKEN", "t0ken-t0ken")
        options = ["--endpoint", "https://modelarts.invalid", "--project-id", "a" * 32, "--auth", "token"]
        called = cli("plan", "-p", policy, *options, "--max-attempts", 1)
        assert called.exit_code == 2
        assert "HTTPS_PROXY" in called.stderr
        assert "s3cr3t" not in called.output

    def test_a_forecast_cannot_be_applied(self, cli: Cli, cloud: Cloud, policy: Path) -> None:
        assert (
            cli("plan", "-p", policy, "-o", "p.jsonl", "--as-of", "2027-06-01", *cloud.options).exit_code == 0
        )
        assert cli("apply", "p.jsonl", *cloud.options).exit_code == 8
        assert cloud.deleted == {}

    def test_a_plan_over_its_limits_is_written_and_not_applied(
        self, cli: Cli, cloud: Cloud, tmp_path: Path
    ) -> None:
        strict = tmp_path / "strict.yaml"
        strict.write_text(POLICY.replace("max_percent: 90", "max_deletes: 5"))
        planned = cli("plan", "-p", strict, "-o", "plan.jsonl", *cloud.options)
        assert planned.exit_code == 0
        for called in (
            cli("apply", "plan.jsonl", *cloud.options),
            cli("run", "--apply", "-p", strict, "--journal", "j.jsonl", *cloud.options),
        ):
            assert called.exit_code == 4
            assert "max_deletes 5" in called.stderr
            assert "raise max_deletes" in called.stderr
        assert cloud.deleted == {}
        assert list(tmp_path.glob("image-cleanup-*.plan.jsonl"))
