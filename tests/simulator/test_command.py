"""`simulate` as a process: what it prints, how it ends, what it refuses."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import Cli

COMMAND = [sys.executable, "-m", "cleanup", "simulate"]
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--images", "50", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield run
    for process in started:
        process.kill()
        process.communicate()


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own loopback URL
        return json.load(response)


@pytest.fixture
def refused(cli: Cli) -> Callable[..., str]:
    """What `simulate` says of options that it refuses."""

    def call(*options: object) -> str:
        called = cli("simulate", *options)
        assert (called.exit_code, called.stdout) == (2, ""), called.stderr
        assert "Traceback" not in called.stderr
        return called.stderr

    return call


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_exits_0(start: Start, ending: signal.Signals) -> None:
    process, url = start()
    assert url.startswith("http://127.0.0.1:")
    assert read(f"{url}/_simulator/")["images"] == 50 + 50 // 8 + 24
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert rest == ""
    assert errors.splitlines() == [
        f"export MODELARTS_ENDPOINT={url}",
        "export HUAWEICLOUD_SDK_PROJECT_ID=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "export MODELARTS_AUTH=none",
    ]


@pytest.mark.parametrize(
    ("auth", "names"),
    [
        ("token", ["MODELARTS_TOKEN"]),
        ("password", ["OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_USER_DOMAIN_NAME", "OS_PROJECT_NAME"]),
        ("aksk", ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"]),
        ("temporary", ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"]),
    ],
)
def test_the_environment_that_logs_in_is_printed(start: Start, auth: str, names: list[str]) -> None:
    process, _ = start("--auth", auth)
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert [line.split("=")[0].removeprefix("export ") for line in errors.splitlines()][3:] == names


def test_faults_and_scripts_are_taken(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- {fault: 503, calls: list, nth: 2}\n")
    _, url = start("--script", str(script), "--fault", "show:403=1", "--project-id", "p")
    assert read(f"{url}/v1/p/images")["total"] == 24
    with pytest.raises(urllib.error.HTTPError, match="503"):
        read(f"{url}/v1/p/images")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        read(f"{url}/v1/p/images/i")


def test_what_a_region_lacks_and_a_caller_may_not(start: Start) -> None:
    options = ["--forbid", "jobs", "--forbid", "models", "--without", "workflows", "--closed-workspace"]
    _, url = start(*options, "--project-id", "p")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        read(f"{url}/v1/p/models")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        read(f"{url}/v2/p/workflows")
    assert [one["name"] for one in read(f"{url}/v1/p/workspaces?order=asc")["workspaces"]][-1] == "locked"


def test_a_port_that_is_taken_is_named(refused: Callable[..., str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be used" in refused("--port", port)


def test_mistakes_are_explained(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "perhaps you meant 'drop-after'" in refused("--fault", "drop-aftr=0.1")
    assert "perhaps you meant 'workflow'" in refused("--without", "workflw")
    assert "--token-lifetime 'soon'" in refused("--token-lifetime", "soon")
    assert "--script " in refused("--script", tmp_path / "missing.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("- {fault: [500\n")
    assert "is not YAML" in refused("--script", bad)
    bad.write_text("- {fault: 500, tims: 2}\n")
    assert "unknown field `tims`" in refused("--script", bad)
