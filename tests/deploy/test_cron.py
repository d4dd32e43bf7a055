"""deploy/crontab, run line by line as cron does it: what is mailed, and that a stuck run is no silent success."""

import fcntl
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from cleanup.durations import parse_duration
from tests.support import command_lines
from tests.support.builders import ROOT, needs
from tests.support.manifests import TELLING

pytestmark = [needs("flock"), needs("timeout")]

CRONTAB = (ROOT / "deploy" / "crontab").read_text(encoding="utf-8")
ENTRY = re.compile(r"^(?:\S+ ){5}image-cleanup (.+)$", re.MULTILINE)
NIGHTLY, WEEKLY = ENTRY.findall(CRONTAB)


def cron(line: str, folder: Path, command: str) -> str:
    """What is mailed when cron runs a line, with a shell script in the place of our command."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "image-cleanup").write_text(f"#!/bin/sh\n{command}\n")
    (programs / "image-cleanup").chmod(0o755)
    (folder / "environment").write_text("HUAWEICLOUD_REGION=cn-north-4\n")
    line = line.replace("/var/lib/image-cleanup", str(folder))
    line = line.replace("/etc/image-cleanup/environment", str(folder / "environment"))
    path = f"{programs}:/usr/local/bin:/usr/bin:/bin"
    run = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": path},
        cwd="/",
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return run.stdout


def test_it_is_a_dry_run_and_a_tidying_and_both_are_command_lines() -> None:
    found = command_lines.in_shell(NIGHTLY.partition(">")[0]) + command_lines.in_shell(
        WEEKLY.partition(">")[0]
    )
    assert [words[:2] for words in found] == [["run", "-p"], ["journals", "tidy"]]
    for words in found:
        command_lines.check(words)
        assert "--apply" not in words


def test_the_run_ends_itself_before_it_is_stopped() -> None:
    [(kill_after, stop)] = re.findall(r"timeout -k (\S+) (\S+)", NIGHTLY)
    [deadline] = re.findall(r"--deadline (\S+)", NIGHTLY)
    [drain] = re.findall(r"--drain-timeout (\S+)", NIGHTLY)
    assert parse_duration(deadline) + timedelta(minutes=1) < parse_duration(stop)
    assert parse_duration(drain) + TELLING < parse_duration(kill_after)


def test_a_good_night_mails_nothing_and_leaves_its_plan_private(tmp_path: Path) -> None:
    assert cron(NIGHTLY, tmp_path, 'echo "plan of $HUAWEICLOUD_REGION"') == ""
    plan = tmp_path / "last-plan.txt"
    assert plan.read_text() == "plan of cn-north-4\n"
    assert plan.stat().st_mode & 0o777 == 0o600


def test_a_bad_night_mails_its_error_and_its_exit_code(tmp_path: Path) -> None:
    mailed = cron(NIGHTLY, tmp_path, "echo plan; echo denied >&2; exit 5")
    assert mailed == "denied\nimage-cleanup: exit 5\n"


def test_a_run_that_is_still_at_it_is_mailed_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "last-plan.txt").write_text("of the run before\n")
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cron(NIGHTLY, tmp_path, "echo never; exit 1") == "image-cleanup: exit 75\n"
    assert (tmp_path / "last-plan.txt").read_text() == "of the run before\n"


@pytest.mark.parametrize(("code", "mailed"), [(0, ""), (2, "image-cleanup journals tidy: exit 2\n")])
def test_tidying_mails_only_when_it_failed(code: int, mailed: str, tmp_path: Path) -> None:
    assert cron(WEEKLY, tmp_path, f"echo removed; exit {code}") == mailed
