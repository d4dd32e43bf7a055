"""Ends before there is a run: an option, a variable, a file is wrong. Metrics and notifications tell them, too."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cleanup.simulator import PROJECT_ID, SimulatedLogin
from tests.support.builders import ROOT, needs
from tests.support.cloud import Cli
from tests.support.receiver import Receiver, receiving

OTHER = "f" * 32
KNOWN, UNKNOWN = (PROJECT_ID, "default"), ("unknown", "unknown")
HERE = ["--endpoint", "http://127.0.0.1:9", "--project-id", PROJECT_ID, "--auth", "none"]
OLD = f"""\
# HELP image_cleanup_last_success_timestamp_seconds When a command last ended with exit 0 (or 10).
# TYPE image_cleanup_last_success_timestamp_seconds gauge
image_cleanup_last_success_timestamp_seconds{{project="{OTHER}",target="vision"}} 1.0
"""
CASES = {
    "policy": (["run", "-p", "bad.yaml", *HERE], KNOWN, 2),
    "plan of a policy": (["plan", "-p", "bad.yaml", *HERE], KNOWN, 2),
    "plan file": (["apply", "gone.jsonl", *HERE], KNOWN, 2),
    "damaged plan": (["apply", "damaged.jsonl", *HERE], KNOWN, 8),
    "journal": (["resume", "gone.jsonl", *HERE], KNOWN, 2),
    "value": (["run", "-p", ".", *HERE, "--rate", "many"], KNOWN, 2),
    "option": (["run", "-p", ".", *HERE, "--raet", "2"], KNOWN, 2),
    "variable": (["run", "-p", "."], KNOWN, 2),
    "project": (["run", "-p", ".", *HERE[:2], "--project-id", "mine"], UNKNOWN, 2),
    "targets file": (["run", "-p", ".", "--targets", "gone.yaml"], UNKNOWN, 2),
    "configuration": (["run", "-p", ".", "--config", "bad.yaml"], UNKNOWN, 2),
    "notify": (["run", "-p", ".", *HERE, "--notify", "env:GONE"], KNOWN, 2),
    "service": (["run", "-p", "good.yaml", *HERE, "--max-attempts", "1"], KNOWN, 6),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nrules: [{name: old}]\n")
    (tmp_path / "good.yaml").write_text("version: 1\nrules: [{name: old, match: {tag: v}, older_than: 9d}]\n")
    (tmp_path / "damaged.jsonl").write_text("{}\n")


def exit_codes(text: str) -> dict[tuple[str, str], float]:
    """Of every project and target."""
    return {
        (sample.labels["project"], sample.labels["target"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "image_cleanup_last_run_exit_code"
    }


@pytest.mark.parametrize("case", CASES)
def test_an_end_before_a_run_is_measured(
    case: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, place, exit_code = CASES[case]
    if case == "variable":
        monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT_ID)
        monkeypatch.setenv("HUAWEICLOUD_REGION", "")
    assert cli(*words, "--metrics-file", "m.prom").exit_code == exit_code
    assert exit_codes((tmp_path / "m.prom").read_text()) == {place: exit_code}


def test_who_is_not_known_is_who_it_was_before(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.prom").write_text(OLD)
    assert cli("run", "-p", ".", "--targets", "gone.yaml", "--metrics-file", "m.prom").exit_code == 2
    told = (tmp_path / "m.prom").read_text()
    assert exit_codes(told) == {(OTHER, "vision"): 2}
    assert OLD.splitlines()[-1] in told


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_is_measured_and_help_is_not(
    sent: signal.Signals, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("run", "--help", "--metrics-file", "m.prom").exit_code == 0
    assert not (tmp_path / "m.prom").exists()
    monkeypatch.setattr("cleanup.cli.work.run.load", lambda _: signal.raise_signal(sent))
    called = cli("run", "-p", "good.yaml", *HERE, "--metrics-file", "m.prom")
    assert called.exit_code == 7
    assert exit_codes((tmp_path / "m.prom").read_text()) == {KNOWN: 7}


@needs("promtool")
@pytest.mark.parametrize("case", ["policy", "targets file"])
def test_an_alert_fires_on_it(case: str, cli: Cli, tmp_path: Path) -> None:
    cli(*CASES[case][0], "--metrics-file", "m.prom")
    lines = [line for line in (tmp_path / "m.prom").read_text().splitlines() if not line.startswith("#")]
    series = [dict(zip(("series", "values"), line.rsplit(" ", 1), strict=True)) for line in lines]
    for one in series:
        one["values"] = f"{float(one['values']):.0f}x10"
    fires = {
        "expr": "count by (alertname) (ALERTS{alertstate='firing'})",
        "eval_time": "5m",
        "exp_samples": [{"labels": '{alertname="ImageCleanupFailed"}', "value": 1}],
    }
    test = {
        "rule_files": [str(ROOT / "deploy/prometheus/alerts.yaml")],
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [fires]}],
    }
    (tmp_path / "alerts.test.yaml").write_text(yaml.safe_dump(test))
    run = subprocess.run(
        [shutil.which("promtool") or "", "test", "rules", "alerts.test.yaml"],
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def test_whoever_can_be_notified_is_told_and_no_secret_is(
    cli: Cli, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = SimulatedLogin()
    variables = {
        "HOOK": f"slack:{receiver.url}/canary",
        "SMN_ENDPOINT": receiver.url,
        "HUAWEICLOUD_SDK_AK": login.ak,
        "HUAWEICLOUD_SDK_SK": login.sk,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    topic = f"smn:urn:smn:cn-north-4:{PROJECT_ID}:cleanup"
    to = ["--notify", receiver.url, "--notify", "env:HOOK", "--notify", topic]
    called = cli("run", "-p", ".", "--targets", "gone.yaml", *to, "-v")
    assert called.exit_code == 2
    told = {call.path.partition("/notifications")[0]: json.loads(call.body) for call in receiver.calls}
    assert told.keys() == {"/", "/canary", f"/v2/{PROJECT_ID}"}
    assert told["/"]["exit_code"] == told["/"]["targets"][0]["exit_code"] == 2
    assert "cannot read the targets file gone.yaml" in told["/canary"]["text"]
    assert told[f"/v2/{PROJECT_ID}"]["subject"] == "image-cleanup run (dry run): FAILED (exit 2)"
    assert "canary" not in called.output
    assert login.sk not in f"{called.output}{receiver.calls}"
