"""`init`: two files or none, never over what is there, and its questions on a pseudo-terminal."""

import os
import pty
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from anyio import sleep_forever
from anyio.lowlevel import checkpoint

from tests.support.cloud import Called, Cli, Serve

END = "\x04"  # Ctrl-D


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("policy*")}


def answered(cli: Cli, monkeypatch: pytest.MonkeyPatch, typed: str, *words: object) -> Called:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r", encoding="utf-8") as terminal:
        os.write(ours, typed.encode())
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr("cleanup.cli.confirmation.is_watched", terminal.isatty)
        called = cli("init", *words)
    os.close(ours)
    return called


def test_from_a_service_it_is_valid_and_its_test_passes(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    cloud = serve_cloud(images=60)
    (tmp_path / "there").mkdir()
    called = cli("init", "-o", "there", *cloud.options)
    assert called.exit_code == 0, called.output
    assert cli("validate", "there/policy.yaml", "--strict").exit_code == 0
    assert cli("test", "there/policy.test.yaml").exit_code == 0
    assert "# The project's images: 60 images" in (tmp_path / "there/policy.yaml").read_text()
    assert not cloud.deleted


def test_without_a_place_it_is_generic_and_says_so(cli: Cli, tmp_path: Path) -> None:
    called = cli("init")
    assert called.exit_code == 0, called.output
    assert "the starter is a generic one" in called.stderr
    assert cli("validate", "policy.yaml", "--strict").exit_code == 0
    assert cli("test", "policy.test.yaml").exit_code == 0


@pytest.mark.parametrize("there", ["policy.yaml", "policy.test.yaml"])
def test_nothing_is_overwritten(cli: Cli, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    called = cli("init", "--no-inventory")
    assert called.exit_code == 2
    assert "is not overwritten" in called.stderr
    assert written(tmp_path) == {there}
    assert (tmp_path / there).read_text() == "mine"


def test_the_answers_are_in_the_policy(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called = answered(cli, monkeypatch, "A b!\nml-*, core\n3\n120\n\n", "--interactive", "--no-inventory")
    assert called.exit_code == 0, called.output
    assert "lower-case letters" in called.stderr
    assert "a number from 7 to 3650" in called.stderr
    policy = (tmp_path / "policy.yaml").read_text()
    assert 'namespace: ["ml-*", "core"]' in policy
    assert "older_than: 120d\n    keep_last: 5" in policy
    assert cli("validate", "policy.yaml", "--strict").exit_code == 0
    assert cli("test", "policy.test.yaml").exit_code == 0


@pytest.mark.parametrize("typed", [END, "core\n" + END], ids=["at once", "after one answer"])
def test_an_early_end_writes_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: str
) -> None:
    called = answered(cli, monkeypatch, typed, "--interactive", "--no-inventory")
    assert called.exit_code == 2
    assert "nothing was written" in called.stderr
    assert not written(tmp_path)


def test_ctrl_c_at_a_question_writes_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def waiting(_: object) -> None:
        await checkpoint()  # until the signals are listened to
        os.kill(os.getpid(), signal.SIGINT)
        await sleep_forever()

    monkeypatch.setattr("cleanup.cli.confirmation.anyio.wait_readable", waiting)
    called = answered(cli, monkeypatch, "", "--interactive", "--no-inventory")
    assert called.exit_code == 7
    assert "interrupted: nothing was written" in called.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(OSError(28, "No space left on device"), 2), (KeyboardInterrupt(), 7)],
    ids=["disk", "Ctrl-C"],
)
def test_where_the_second_file_fails_none_is_there(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: BaseException,
    exit_code: int,
    has_links: bool,
) -> None:
    def fail(works: Callable[..., object]) -> Callable[..., object]:
        def place(path: Path, other: Path) -> object:
            if {path.name, other.name} & {"policy.test.yaml"}:
                raise error
            return works(path, other)

        return place

    def no_links(path: Path, other: Path) -> None:
        raise OSError(1, "Operation not permitted")

    link = fail(Path.hardlink_to) if has_links else no_links
    monkeypatch.setattr(Path, "hardlink_to", link)
    monkeypatch.setattr(Path, "rename", fail(Path.rename))
    called = cli("init", "--no-inventory")
    assert called.exit_code == exit_code
    told = "cannot write policy.yaml and policy.test.yaml: No space left" if exit_code == 2 else "interrupted"
    assert told in called.stderr
    assert list(tmp_path.iterdir()) == []


def test_questions_want_a_terminal(cli: Cli, tmp_path: Path) -> None:
    called = cli("init", "--interactive", "--no-inventory")
    assert called.exit_code == 2
    assert "asks on a terminal" in called.stderr
    assert not written(tmp_path)
