"""Metrics as Prometheus and a Pushgateway take them, after each command."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from cleanup.simulator import PROJECT_ID
from tests.support.builders import needs
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
rules:
  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}
limits: {max_percent: 100}
"""
Values = dict[tuple[str, ...], float]


def values(text: str) -> Values:
    """Every value by name, target, and its label besides."""
    return {
        (
            sample.name.removeprefix("image_cleanup_"),
            sample.labels["target"],
            *(value for label, value in sample.labels.items() if label in ("reason", "rule", "outcome")),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("image_cleanup_")
    }


def in_file(path: Path) -> Values:
    return values(path.read_text())


@pytest.fixture
def cloud(serve_cloud: Serve, tmp_path: Path) -> Cloud:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return serve_cloud(images=12)


def test_a_night_of_plan_apply_and_a_failure(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    metrics = ["--metrics-file", file]
    assert cli("plan", "-p", "policy.yaml", "-o", "p.jsonl", *cloud.options, *metrics).exit_code == 0
    planned = in_file(file)
    (name,) = {key[1] for key in planned}
    assert planned["dry_run", name] == 1
    assert ("last_delete_timestamp_seconds", name) not in planned
    assert cli("apply", "p.jsonl", *cloud.options, "--journal", "j.jsonl", *metrics).exit_code == 0
    applied = in_file(file)
    assert applied["images", name, "deleted"] == planned["planned_deletes", name] == len(cloud.deleted) > 0
    assert cli("resume", "j.jsonl", *cloud.options, *metrics).exit_code == 0
    down = [*cloud.options[2:], "--endpoint", "http://127.0.0.1:9", "--max-attempts", "1"]
    assert cli("run", "--apply", "-p", "policy.yaml", *down, *metrics).exit_code == 6
    failed = in_file(file)
    assert failed["last_run_exit_code", name] == 6
    for kept in ("last_success_timestamp_seconds", "last_delete_timestamp_seconds"):
        assert 0 < failed[kept, name] < failed["last_run_timestamp_seconds", name]
    assert ("planned_deletes", name) not in failed


def test_targets_of_a_file_stand_in_one_file(
    cli: Cli, cloud: Cloud, serve_cloud: Serve, tmp_path: Path
) -> None:
    targets = {"a": cloud.url, "b": serve_cloud(images=9, seed=2).url, "down": "http://127.0.0.1:9"}
    lines = [
        f"  - {{name: {name}, endpoint: '{url}', project_id: {PROJECT_ID}}}\n"
        for name, url in targets.items()
    ]
    (tmp_path / "targets.yaml").write_text(
        "version: 1\nmax_attempts: 1\nmetrics_file: m.prom\npushgateway: 'http://127.0.0.1:9'\n"
        "defaults: {auth: none, rate: 500}\ntargets:\n" + "".join(lines)
    )
    called = cli("run", "-p", "policy.yaml", "--targets", "targets.yaml")
    assert called.exit_code == 6, called.output
    assert "metrics were not pushed: 127.0.0.1:9 has no answer" in called.stderr
    told = in_file(tmp_path / "m.prom")
    assert [told["last_run_exit_code", name] for name in targets] == [0, 0, 6]
    assert {key[1] for key in told if key[0] == "planned_deletes"} == {"a", "b"}


@needs("promtool")
def test_promtool_has_nothing_to_say(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    assert cli("run", "-p", "policy.yaml", *cloud.options, "--metrics-file", "m.prom").exit_code == 0
    checked = subprocess.run(
        [shutil.which("promtool") or "", "check", "metrics"],
        input=(tmp_path / "m.prom").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """A real Pushgateway on a port that was free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="]  # Debian's would keep a file
    command = [shutil.which("prometheus-pushgateway") or "", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr
    try:
        while "listening" not in process.stderr.readline().lower():
            assert process.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def _scraped(url: str) -> str:
    answer = requests.get(f"{url}/metrics", timeout=10)
    answer.raise_for_status()
    return answer.text


@needs("prometheus-pushgateway")
def test_a_pushgateway_takes_and_keeps_them(cli: Cli, cloud: Cloud, gateway: str) -> None:
    options = ["run", "--apply", "-p", "policy.yaml", "--pushgateway", gateway, "--max-attempts", "1"]
    called = cli(*options, *cloud.options)
    assert (called.exit_code, "were not pushed" in called.stderr) == (0, False)
    first = values(_scraped(gateway))
    (name,) = {key[1] for key in first}
    assert first["images", name, "deleted"] == len(cloud.deleted) > 0
    assert cli(*options, *cloud.options[2:], "--endpoint", "http://127.0.0.1:9").exit_code == 6
    second = values(_scraped(gateway))
    assert second["last_run_exit_code", name] == 6
    kept = ("last_success_timestamp_seconds", name)
    assert second[kept] == first[kept]
