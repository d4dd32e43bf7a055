"""Processes without the usual surroundings, and how what is wrong is told: no traceback, the contract's exit codes."""

import errno
import io
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

from cleanup.cli import COMMANDS, showing
from cleanup.cli.output import LogFormat, asked_for
from cleanup.config.job import Job
from cleanup.errors import InventoryError, UsageError
from tests.support.builders import events
from tests.support.cloud import Cli, Serve

POLICY = "version: 1\nrules:\n  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}\n"
PROGRAM = f"{sys.executable} -m cleanup"
ANYWHERE = ["--region", "cn-north-4", "--project-id", "a" * 32]
USAGE_ERRORS = [
    [],
    ["nonsense"],
    ["--nonsense"],
    ["plan", "--nonsense"],
    ["plan", "--polic", "x"],
    ["plan", "--rate"],
    ["plan", "--rate", "many"],
    ["plan", "--format", "xml"],
    ["plan", "--auth", "magic"],
    ["plan", "-p", "none.yaml", *ANYWHERE],
    ["apply"],
    ["validate"],
    ["simulate", "--images", "-1"],
    ["report", "none"],
    ["test", "none"],
    ["doctor", "--region", "nowhere"],
]


@pytest.mark.parametrize("words", USAGE_ERRORS, ids=" ".join)
def test_usage_errors_obey_the_log_format_wherever_it_stands(cli: Cli, words: list[str]) -> None:
    for asked in (["--log-format", "json", *words], [*words[:1], "--log-format=json", *words[1:]]):
        called = cli(*asked)
        assert (called.exit_code, called.stdout) == (2, "")
        for line in called.stderr.splitlines():
            assert json.loads(line)["exit_code"] == 2
    called = cli("--log-format", "plain", *words)
    assert called.exit_code == 2
    assert called.stderr.startswith("error: ")


def test_every_command_takes_a_log_format_and_refuses_another(cli: Cli) -> None:
    for command in ("", *COMMANDS):
        called = cli(*command.split(), "--log-format", "loud")
        assert called.exit_code == 2
        assert "'--log-format': 'loud'" in json.loads(called.stderr)["event"]


@pytest.mark.parametrize(
    ("words", "format"),
    [
        ("plan", "auto"),
        ("--log-format plain plan --log-format=json", "json"),
        ("plan --log-format json --log-format loud", "json"),
        ("plan -- --log-format json", "auto"),
        ("plan --log-format", "auto"),
    ],
)
def test_the_last_log_format_counts(words: str, format: str) -> None:
    assert (asked_for(words.split()) or LogFormat.AUTO) is LogFormat(format)


def test_on_a_terminal_messages_are_folded_and_nowhere_else(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = f"--{'x' * 30}"
    whole = cli("--log-format", "plain", "plan", long).stderr
    assert whole.count("\n") == 1
    monkeypatch.setattr("cleanup.cli.output.Talk.write", lambda _, text: told.append(text))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    told: list[str] = []
    assert cli("plan", long).exit_code == 2
    assert max(map(len, "".join(told).splitlines())) <= 60
    assert "".join(told).split() == whole.split()


def test_what_validate_finds_is_a_result_folded_on_a_terminal_and_logged_where_json_was_asked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(POLICY.replace("30d", "3y").replace("old", "1.10"))
    plain = cli("validate", "bad.yaml")
    assert (plain.exit_code, plain.stderr) == (2, "")
    assert all(re.match(r"bad.yaml:3:\d+: ", line) for line in plain.stdout.splitlines())
    asked = cli("validate", "bad.yaml", "--log-format", "json")
    assert (asked.exit_code, asked.stdout) == (2, plain.stdout)
    told = [json.loads(line) for line in asked.stderr.splitlines()]
    assert [line["event"] for line in told] == plain.stdout.splitlines()
    assert {line["exit_code"] for line in told} == {2}
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    folded = cli("validate", "bad.yaml").stdout
    assert max(map(len, folded.splitlines())) <= 50
    assert folded.split() == plain.stdout.split()


def test_without_a_command_one_line_says_where_the_help_is(cli: Cli) -> None:
    called = cli("--log-format", "plain")
    assert (called.exit_code, called.stdout) == (2, "")
    assert called.stderr == "error: Missing command; see image-cleanup --help  exit_code=2\n"
    called = cli()
    assert json.loads(called.stderr)["event"] == "Missing command; see image-cleanup --help"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(Terminal):
    def write(self, _: str = "") -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def flush(self) -> None:
        self.write()


@pytest.mark.parametrize(
    ("kind", "stream"), [("xterm", Gone()), ("dumb", Gone()), ("xterm", Terminal()), ("dumb", Terminal())]
)
def test_a_terminal_that_went_away_ends_no_run_and_a_dumb_one_gets_lines(
    cli: Cli,
    serve_cloud: Serve,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    stream: Terminal,
) -> None:
    cloud = serve_cloud(images=12)
    (tmp_path / "policy.yaml").write_text(POLICY + "limits: {max_percent: 100}\n")
    monkeypatch.delenv("CI", raising=False)  # where it is set no bar is drawn
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", stream)
    assert cli("run", "-p", "policy.yaml", "--apply", "--journal", "j.jsonl", *cloud.options).exit_code == 0
    assert cloud.deleted
    (finished,) = events(tmp_path / "j.jsonl", "run.finished")
    assert finished["deleted"] == len(cloud.deleted)
    told = stream.getvalue()
    assert ("\x1b[" in told) is (kind == "xterm" and not isinstance(stream, Gone))
    assert ("planned" in told) is not isinstance(stream, Gone)


@pytest.mark.parametrize("stdout_is_full", [False, True])
def test_a_bug_in_one_of_many_targets_is_told_and_the_others_go_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stdout_is_full: bool
) -> None:
    target = "{{name: {0}, endpoint: 'http://127.0.0.1:1', project_id: {1}, auth: none, policies: [p.yaml]}}"
    targets = "".join(f"  - {target.format(name, 'a' * 32)}\n" for name in ("broken", "good"))
    (tmp_path / "targets.yaml").write_text(f"version: 1\ntargets:\n{targets}")
    (tmp_path / "p.yaml").write_text(POLICY)

    async def work(job: Job, *_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError if job.target.name == "broken" else InventoryError("not read")

    def full(_: object) -> NoReturn:
        raise UsageError("cannot write to stdout: No space left on device")

    monkeypatch.setattr(import_module("cleanup.cli.work.plan"), "make_plan", work)
    if stdout_is_full:
        monkeypatch.setattr(showing, "emit", full)
    called = cli("plan", "--targets", "targets.yaml", "--log-format", "json")
    assert called.exit_code == 1
    told = [json.loads(line) for line in called.stderr.splitlines()]
    (bug,) = (line for line in told if line.get("target") == "broken")
    assert "ZeroDivisionError" in bug["event"]
    assert bug["traceback"].startswith("Traceback")
    assert [line["exit_code"] for line in told if line.get("target") == "good"] == [6]
    assert any("cannot write to stdout" in line["event"] for line in told) is stdout_is_full
    assert bool(re.search("^broken +1 +this is a bug", called.stdout, re.M)) is not stdout_is_full


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_a_bug_says_what_to_report(cli: Cli, monkeypatch: pytest.MonkeyPatch, log_format: str) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("\x1b[31m")

    monkeypatch.setattr(import_module("cleanup.cli.validate"), "load", broken)
    called = cli("validate", "x", "--log-format", log_format)
    assert called.exit_code == 1
    first, *rest = called.stderr.splitlines()
    told = json.loads(first) if log_format == "json" else {"event": first, "traceback": "\n".join(rest)}
    assert re.search(
        r"bug in image-cleanup \S+: ZeroDivisionError at cleanup/cli/validate.py:\d+;", told["event"]
    )
    assert told["traceback"].startswith("Traceback")
    assert (rest == []) is (log_format == "json")
    assert "\x1b" not in called.stderr


def test_control_characters_of_file_names_reach_no_terminal(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a\x1b[31m\n.yaml").write_text(POLICY)
    good = cli("validate", folder)
    (folder / "b\x9b.yaml").write_text("version: 2")
    for called in (good, cli("validate", folder), cli("test", folder, "--log-format", "plain")):
        assert set(re.findall(r"[\x00-\x1f\x7f-\x9f]", called.output)) == {"\n"}
    assert "\\x1b[31m\\x0a.yaml: valid" in good.stdout
    logged = cli("validate", folder, "--log-format", "json").stderr
    assert set(re.findall(r"[\x00-\x1f\x7f-\x9f]", logged)) == {"\n"}
    assert "b\x9b.yaml" in logged.encode().decode("unicode_escape")


def test_json_is_json_in_every_encoding(tmp_path: Path) -> None:
    surroundings = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "cleanup", "validate", "größe\U0001f433", "--log-format", "json"],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert json.loads(done.stderr)["event"].startswith("größe\U0001f433:1:1: ")


def test_arguments_and_variables_that_are_not_utf_8(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    foreign = os.fsdecode(b"x\xff")
    assert "PATH is not UTF-8" in cli("validate", foreign).stderr
    assert "--endpoint is not UTF-8" in cli("doctor", "--endpoint", foreign).stderr
    assert cli(foreign).exit_code == 2
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / f"{foreign}.yaml").write_text(POLICY)
    for command in (["validate", "policies"], ["plan", "-p", "policies", *ANYWHERE]):
        called = cli(*command)
        assert called.exit_code == 2
        assert "xff.yaml:1:1: the file's name is not UTF-8" in called.output.replace("udcff", "xff")
    monkeypatch.setenv("MODELARTS_ENDPOINT", foreign)
    called = cli("doctor")
    assert called.exit_code == 2
    assert "MODELARTS_ENDPOINT is not UTF-8" in called.stderr


@pytest.mark.parametrize(
    ("line", "exit_code"),
    [
        ("{it} schema <&- >/dev/null", 0),
        ("{it} schema >&-", 2),
        ("{it} --version >&-", 2),
        ("{it} --help >/dev/full", 2),
        ("{it} plan --help >/dev/full", 2),
        ("{it} validate {policy} <&- >&- 2>&-", 2),
        ("{it} validate {policy} 2>/dev/full >/dev/null", 0),
        ("{it} plan --nonsense 2>&-", 2),
        ("env -u PYTHONUNBUFFERED {it} plan --nonsense 2>/dev/full", 2),
        ("set -o pipefail; {it} schema | true", 0),
        ("set -o pipefail; {it} --help | true", 0),
        ("mkdir gone; cd gone; rmdir ../gone; {it} validate {policy}", 2),
        ("env -u HOME LC_ALL=C TERM=dumb {it} validate {policy}", 0),
        ("PYTHONWARNINGS=error {it} demo --images 20 >/dev/null 2>&1", 0),
        ("PYTHONWARNINGS=error {it} validate {policy}", 0),
    ],
)
def test_a_process_without_the_usual_surroundings(tmp_path: Path, line: str, exit_code: int) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    done = subprocess.run(
        ["/bin/bash", "-c", line.format(it=PROGRAM, policy=policy)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    assert not re.search("Traceback|Exception ignored|Warning", done.stdout + done.stderr)
