"""What a mistake on the command line is answered with: a fix that this command takes, in no library's words."""

import socket
from pathlib import Path

import pytest

from tests.support.cloud import Cli

POLICY = "version: 1\nrules:\n  - name: old\n    match: {tag: 'dev-*'}\n    older_than: 30d\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("- a: [1\n", encoding="utf-8")
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


MISTAKES = [
    ("plam", "No such command 'plam'. Did you mean 'plan'?"),
    ("delete", "No such command 'delete': perhaps 'apply' is meant"),
    ("frobnicate", "No such command 'frobnicate'; see image-cleanup --help"),
    ("plan --polices x", "No such option '--polices': perhaps --policy is meant; see image-cleanup plan"),
    ("plan --deadline 5m", "'--deadline': `apply`, `run` and `resume` take it, `plan` does not; see"),
    ("report x --throttle 5", "'--throttle': `simulate` takes it, `report` does not; see"),
    ("plan --frobnicate", "No such option '--frobnicate'; see image-cleanup plan --help"),
    ("apply", "Missing argument 'PLAN'; see image-cleanup apply --help"),
    ("plan --rate much", "'--rate': 'much' is not a number; see"),
    ("plan --max-attempts 1.5", "'--max-attempts': '1.5' is not a whole number; see"),
    ("plan -p policy.yaml --concurrency 1001", "--concurrency must be at most 1000, not 1001"),
    ("plan -p policy.yaml --expires 0h", "--expires must be above zero, not 0"),
    ("journals", "Missing argument 'list|tidy'; see image-cleanup journals --help"),
    ("apply x --breaker -1", "'--breaker': -1 is less than 0; see"),
    ("simulate --port 70000", "'--port': 70000 is not from 0 to 65535; see"),
    ("report x -o folder", "cannot write the report folder: it is a folder; choose another place with -o"),
    ("plan", "no policy is given: name a policy file or a folder of them with -p"),
    ("plan -p policy.yaml --pins folder", "cannot read the pins folder: it is a folder"),
    ("plan -p policy.yaml --pins latin", "cannot read the pins latin: this is not UTF-8 text"),
    ("plan -p policy.yaml --targets folder", "cannot read the targets file folder: it is a folder"),
    (
        "plan -p policy.yaml --ca-bundle latin",
        "--ca-bundle latin cannot be used: it holds no certificates in PEM",
    ),
    ("simulate --script bad.yaml", "--script bad.yaml:2: this is not YAML: expected ',' or ']'"),
    ("simulate --script latin", "--script latin: this is not UTF-8 text"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_answered_with_a_fix(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.setenv("MODELARTS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELARTS_AUTH", "none")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    called = cli("--log-format", "plain", *line.split())
    assert said in called.stderr
    assert called.exit_code == 2
    assert "Error" not in called.stderr
    assert "Errno" not in called.stderr


def test_a_port_in_use_is_told_without_library_words(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        called = cli("--log-format", "plain", "simulate", "--port", port)
    assert called.exit_code == 2
    assert f"port {port} of 127.0.0.1 cannot be used (Address already in use): take another" in called.stderr
    assert "Errno" not in called.stderr
