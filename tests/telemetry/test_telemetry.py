"""Metrics and notifications: whom they may be sent to, what is drawn and alerted on is what there is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cleanup.telemetry import make_channels
from cleanup.telemetry.metrics import METRICS
from tests.support.builders import needs
from tests.support.cloud import Cli, Serve

DEPLOY = Path(__file__).parents[2] / "deploy"
POLICY = "version: 1\nrules:\n  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}\n"


@pytest.mark.parametrize("file", ["prometheus/alerts.yaml", "grafana/dashboard.json"])
def test_only_metrics_that_there_are_are_used(file: str) -> None:
    used = set(re.findall(r"image_cleanup_\w+", (DEPLOY / file).read_text(encoding="utf-8")))
    assert used <= set(METRICS)


@needs("promtool")
def test_the_alerts_fire_when_they_should() -> None:
    promtool = shutil.which("promtool") or ""
    tests = DEPLOY / "prometheus" / "alerts.test.yaml"
    subprocess.run([promtool, "test", "rules", tests], check=True, capture_output=True)


@pytest.mark.parametrize(
    "text", ["slack:https://h.example/canary", "http://h.example/x", "env:", "env:HOOK", "env:UNSET", "smn:x"]
)
def test_whom_nobody_can_notify(text: str) -> None:
    channels = make_channels(None, None, [text, "https://h.example"], {"HOOK": "http://h.example/canary"})
    assert channels.problem
    assert "canary" not in str(channels.problem)
    assert len(channels.receivers) == 1  # who is still told of it


def test_what_cannot_be_told_changes_no_exit_code(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    other = tmp_path / "other"
    other.write_text("mine")
    options = ["-p", "policy.yaml", *serve_cloud(images=5).options, "--metrics-file"]
    assert cli("plan", *options, "m.prom").exit_code == 0
    assert 'image_cleanup_rule_images{project="' in (tmp_path / "m.prom").read_text()
    called = cli("plan", *options, "other")
    assert (called.exit_code, other.read_text()) == (0, "mine")
    assert "was not written" in called.stderr
