"""What commands write: over nothing that cannot be made again, through no link, private, whole or not at all."""

import errno
import fcntl
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanup import files
from cleanup.plan.build import make_plan
from tests.support import command_lines
from tests.support.builders import events
from tests.support.cloud import Called, Cli, Cloud, Serve

POLICY = """\
version: 1
rules:
  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}
limits: {max_percent: 100}
"""
CASES = """\
version: 1
policy: policy.yaml
now: "2026-11-23T12:00:00Z"
images:
  - {image: n/m:t, age: 100d, expect: {action: delete}}
"""


@pytest.fixture
def cloud(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> Cloud:
    """A cloud, with a policy, a plan, an inventory and a journal in the current folder."""
    cloud = serve_cloud(images=12)
    Path("policy.yaml").write_text(POLICY)
    for words in (
        ("inventory", "-o", "inventory.jsonl"),
        ("plan", "-p", "policy.yaml", "-o", "plan.jsonl"),
        ("apply", "plan.jsonl", "--journal", "journal.jsonl"),
    ):
        called = cli(*words, *cloud.options)
        assert called.exit_code == 0, called.output
    assert cloud.deleted
    return cloud


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def in_folder(folder: Path = Path()) -> dict[str, bytes | str | None]:
    """What lies in a folder, hidden files too: of files what they hold, of links where they lead."""
    return {
        path.name: str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.iterdir()
    }


def check_hints(command: str, called: Called) -> None:
    """Options that a message of a command names are options of that command."""
    hinted = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", called.stderr))
    assert hinted <= command_lines.options_of(command).keys(), called.stderr


def mode(name: str) -> int:
    return stat.S_IMODE(Path(name).lstat().st_mode)


def edited(path: Path) -> bytes:
    return path.read_bytes().replace(b"ml-", b"xx-", 1)


# ---- over what


@pytest.mark.parametrize("more", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("command", "there"),
    [
        (("plan", "-p", "policy.yaml"), ("policy.yaml", "journal.jsonl", "inventory.jsonl", "notes.txt")),
        (("inventory",), ("policy.yaml", "journal.jsonl", "plan.jsonl", "notes.txt")),
    ],
)
def test_only_a_file_of_the_same_kind_is_written_over(
    cli: Cli, cloud: Cloud, command: tuple[str, ...], there: tuple[str, ...], more: tuple[str, ...]
) -> None:
    Path("notes.txt").write_text("\n")
    before, requests = in_folder(), len(cloud.service.requests)
    for name in there:
        called = cli(*command, "-o", name, *more, *cloud.options)
        assert called.exit_code == 2, called.output
        assert f"cannot write the {command[0]} {name}" in called.stderr
        assert "choose another place with -o" in called.stderr
        check_hints(command[0], called)
    assert in_folder() == before
    assert len(cloud.service.requests) == requests


@pytest.mark.parametrize("command", [("plan", "-p", "policy.yaml"), ("inventory",)])
def test_its_like_is_replaced_while_it_is_intact_and_with_overwrite(
    cli: Cli, cloud: Cloud, command: tuple[str, ...]
) -> None:
    path = Path(f"{command[0]}.jsonl")
    words = (*command, "-o", path, *cloud.options)
    old = path.read_bytes()
    assert cli(*words).exit_code == 0
    assert path.read_bytes() != old
    requests = len(cloud.service.requests)
    for changed in (edited(path), path.read_bytes()[:-1], path.read_bytes()[:200]):
        path.write_bytes(changed)
        called = cli(*words)
        assert called.exit_code == 2, called.output
        assert "was changed or cut off: --overwrite replaces it" in called.stderr
        check_hints(command[0], called)
        assert path.read_bytes() == changed
    assert len(cloud.service.requests) == requests
    assert cli(*words, "--overwrite").exit_code == 0
    assert cli(*words).exit_code == 0  # it is intact again
    path.write_bytes(b"")  # nothing is lost with it
    assert cli(*words).exit_code == 0


@pytest.mark.parametrize("end", ["resumed", "expired", "given up"])
def test_a_plan_that_resume_needs_stays_while_it_can_be_resumed(cli: Cli, cloud: Cloud, end: str) -> None:
    told = Path("journal.jsonl").read_text().splitlines(True)
    Path("journal.jsonl").write_text("".join(line for line in told if '"delete.result"' not in line))
    words = ("plan", "-p", "policy.yaml", "-o", "plan.jsonl", *cloud.options)
    before, requests = in_folder(), len(cloud.service.requests)
    called = cli(*words)
    assert called.exit_code == 2, called.output
    assert "journal.jsonl is unfinished and needs the one that lies there" in called.stderr
    check_hints("plan", called)
    assert in_folder() == before
    assert len(cloud.service.requests) == requests
    match end:
        case "resumed":
            assert cli("resume", "journal.jsonl", *cloud.options).exit_code == 0
        case "expired":
            now = cli.runtime.now() + timedelta(hours=25)
            cli.runtime = replace(cli.runtime, now=lambda: now)
        case _:
            words = (*words, "--overwrite")
    assert cli(*words).exit_code == 0
    assert in_folder()["plan.jsonl"] != before["plan.jsonl"]


def test_what_came_there_meanwhile_stays(cli: Cli, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slowly(*arguments: Any, **named: Any) -> Any:
        Path("new.jsonl").write_text(POLICY)  # noqa: ASYNC240 - as another process would
        return await make_plan(*arguments, **named)

    monkeypatch.setattr("cleanup.cli.work.plan.make_plan", slowly)
    called = cli("plan", "-p", "policy.yaml", "-o", "new.jsonl", *cloud.options)
    assert called.exit_code == 2
    assert "what lies there is no plan" in called.stderr
    assert Path("new.jsonl").read_text() == POLICY
    assert not list(Path().glob(".image-cleanup-*"))


def test_of_many_targets_only_the_one_in_whose_place_something_lies_fails(cli: Cli, cloud: Cloud) -> None:
    entry = f"endpoint: '{cloud.url}', project_id: {cloud.service.project_id}, auth: none}}"
    Path("targets.yaml").write_text(f"version: 1\ntargets:\n- {{name: a, {entry}\n- {{name: b, {entry}\n")
    Path("a.plan.jsonl").write_text(POLICY)
    called = cli("plan", "-p", "policy.yaml", "--targets", "targets.yaml", "--rate", 500)
    assert called.exit_code == 2
    assert "cannot write the plan a.plan.jsonl: what lies there is no plan" in called.stderr
    assert Path("a.plan.jsonl").read_text() == POLICY
    assert cli("report", "b.plan.jsonl").exit_code == 0


def test_policy_test_results_are_written_over_older_results_only(cli: Cli) -> None:
    Path("policy.yaml").write_text(POLICY)
    Path("policy.test.yaml").write_text(CASES)
    words = ("test", "policy.test.yaml", "--junit")
    for name in ("policy.yaml", "policy.test.yaml"):
        called = cli(*words, name)
        assert called.exit_code == 2
        assert "choose another place with --junit" in called.stderr
    assert (Path("policy.yaml").read_text(), Path("policy.test.yaml").read_text()) == (POLICY, CASES)
    for _ in range(2):
        assert cli(*words, "results.xml").exit_code == 0
    assert "<testsuites" in Path("results.xml").read_text()


# ---- what is no regular file


def place(kind: str) -> Path:
    """Something in the current folder, or a device, that a file of ours must not go to."""
    path = Path("place")
    match kind:
        case "link":
            path.symlink_to("plan.jsonl")
        case "dangling link":
            path.symlink_to("nowhere.jsonl")
        case "FIFO":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
        case "folder":
            path.mkdir()
        case _:
            return Path(kind)
    return path


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("link", "a symbolic link: name the file that it leads to"),
        ("dangling link", "a symbolic link"),
        ("FIFO", "a FIFO"),
        ("socket", "a socket"),
        ("folder", "a folder"),
        ("/dev/null", "/dev is for devices"),
        ("/dev/stdout", "/dev is for devices"),
        ("/dev/fd/1", "it is a symbolic link"),
        ("/dev/no-such-file.jsonl", "/dev is for devices"),
        ("no/such/folder", "there is no such folder"),
        ("policy.yaml/below", "there is no such folder"),
        ("x" * 300, "File name too long"),
    ],
)
def test_files_are_not_written_to_it_nor_beside_a_device(
    cli: Cli, cloud: Cloud, kind: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(kind)
    before, devices, requests = in_folder(), sorted(Path("/dev").iterdir()), len(cloud.service.requests)
    for words in (
        ("plan", "-p", "policy.yaml", "-o", path),
        ("inventory", "-o", path),
        ("run", "-p", "policy.yaml", "--apply", "--journal", path),
        ("run", "-p", "policy.yaml", "--journal", path),
        ("apply", "plan.jsonl", "--journal", path),
    ):
        called = cli(*words, *cloud.options)
        assert called.exit_code == 2, called.output
        assert why in called.stderr
        assert f"choose another place with {words[-2]}" in called.stderr
        check_hints(str(words[0]), called)
    called = cli("test", ".", "--junit", path)
    assert called.exit_code == 2
    assert "choose another place with --junit" in called.stderr
    assert in_folder() == before
    assert sorted(Path("/dev").iterdir()) == devices
    assert len(cloud.service.requests) == requests


def test_a_report_does_not_take_the_place_of_its_journal(cli: Cli, cloud: Cloud) -> None:
    before, requests = in_folder(), len(cloud.service.requests)
    for words in (("apply", "plan.jsonl"), ("run", "-p", "policy.yaml", "--apply")):
        called = cli(*words, "--journal", "new.json", "-o", "./new.json", *cloud.options)
        assert called.exit_code == 2
        assert "--journal and -o name the same file, new.json" in called.stderr
    assert (in_folder(), len(cloud.service.requests)) == (before, requests)
    assert cli("apply", "plan.jsonl", "--journal", "done.jsonl", *cloud.options).exit_code == 0
    before, requests = in_folder(), len(cloud.service.requests)
    assert cli("resume", "done.jsonl", "-o", "./done.jsonl", *cloud.options).exit_code == 2
    assert (in_folder(), len(cloud.service.requests)) == (before, requests)


def test_a_fifo_is_not_waited_for_where_a_file_is_read(cli: Cli, cloud: Cloud) -> None:
    os.mkfifo("fifo")
    for words in (
        ("report", "fifo"),
        ("apply", "fifo", *cloud.options),
        ("resume", "fifo", *cloud.options),
        ("restore", "fifo"),
        ("plan", "-p", "policy.yaml", "--inventory", "fifo"),
    ):
        called = cli(*words)
        assert called.exit_code == 2
        assert "it is a FIFO" in called.stderr


def test_folders_may_be_links(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    Path("real").mkdir()
    Path("logs").symlink_to("real")
    assert cli("plan", "-p", "policy.yaml", "-o", "logs/plan.jsonl", *cloud.options).exit_code == 0
    words = ("run", "-p", "policy.yaml", "--apply", "--journal", "logs/journal.jsonl")
    assert cli(*words, *cloud.options).exit_code == 0
    assert {"plan.jsonl", "journal.jsonl"} < in_folder(Path("real")).keys()
    (started,) = events(Path("real/journal.jsonl"), "run.started")
    assert Path("real", started["plan"]).is_file()


# ---- what to do then


def test_a_hint_names_what_its_command_can_do(
    cli: Cli, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = Path("journal.jsonl").read_text().splitlines(True)
    Path("cut.jsonl").write_text("".join(line for line in told if '"delete.' not in line))
    with Path("cut.jsonl").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        called = cli("resume", "cut.jsonl", *cloud.options)
    assert called.exit_code == 2
    assert "another process is writing to it; wait until that has ended" in called.stderr
    check_hints("resume", called)

    Path("link.jsonl").symlink_to("cut.jsonl")
    called = cli("resume", "link.jsonl", *cloud.options)
    assert called.exit_code == 2
    assert "a symbolic link" in called.stderr
    assert "its plan beside it" in called.stderr
    check_hints("resume", called)

    Path("journal.restore.jsonl").symlink_to("elsewhere.jsonl")
    called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
    assert called.exit_code == 2
    assert "copy the journal to a folder where this can lie beside it" in called.stderr
    check_hints("restore", called)
    assert not Path("elsewhere.jsonl").exists()

    monkeypatch.setattr("tempfile.mkdtemp", full)
    called = cli("demo")
    assert called.exit_code == 2
    assert "TMPDIR" in called.stderr
    check_hints("demo", called)


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("command", ["plan", "inventory", "run"])
def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_half_written(
    cli: Cli, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    words = {
        "plan": ("plan", "-p", "policy.yaml", "-o", "plan.jsonl"),
        "inventory": ("inventory", "-o", "inventory.jsonl"),
        "run": ("run", "-p", "policy.yaml", "--apply", "--journal", "journal.jsonl"),
    }[command]
    before = in_folder()
    monkeypatch.setattr(os, "fsync", full)
    called = cli(*words, *cloud.options)
    assert called.exit_code == 2, called.output
    assert f"No space left on device; choose another place with {words[-2]}" in called.stderr
    check_hints(command, called)
    assert in_folder() == before


# ---- how


@pytest.mark.usefixtures("open_umask")
def test_files_are_private_unless_there_was_one_that_is_not(cli: Cli, cloud: Cloud) -> None:
    """The fixture's own files were written under whatever umask there was; these under none."""
    words = {
        "new.plan.jsonl": ("plan", "-p", "policy.yaml", "-o"),
        "new.inventory.jsonl": ("inventory", "-o"),
        "new.jsonl": ("run", "-p", "policy.yaml", "--apply", "--journal"),
    }
    for name, command in words.items():
        assert cli(*command, name, *cloud.options).exit_code == 0
    assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
    written = {*words, "journal.restore.jsonl", *map(str, Path().glob("image-cleanup-*.plan.jsonl"))}
    assert len(written) == 5
    assert {mode(name) for name in written} == {0o600}
    for name, command in words.items():
        Path(name).chmod(0o640)
        assert cli(*command, name, *cloud.options).exit_code == 0
        assert mode(name) == 0o640
    Path("shared.jsonl").touch(0o644)  # how to ask for it beforehand
    assert cli("plan", "-p", "policy.yaml", "-o", "shared.jsonl", *cloud.options).exit_code == 0
    assert mode("shared.jsonl") == 0o644


def test_a_temporary_file_goes_through_no_link_and_has_a_name_that_nobody_knows(
    cli: Cli, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("victim").write_text("precious")
    Path("new.jsonl.partial").symlink_to("victim")
    really: Callable[..., int] = os.open
    opened: list[tuple[str, int]] = []

    def open_(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if str(path).endswith(".partial"):
            opened.append((Path(path).name, flags))
        return really(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", open_)
    for _ in range(2):
        assert cli("plan", "-p", "policy.yaml", "-o", "new.jsonl", *cloud.options).exit_code == 0
    assert Path("victim").read_text() == "precious"
    assert len({name for name, _ in opened}) == len(opened) == 2
    assert all(flags & os.O_EXCL and flags & os.O_NOFOLLOW for _, flags in opened)
    assert not list(Path().glob(".image-cleanup-*"))


def test_names_are_on_disk_as_well(cli: Cli, serve_cloud: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is waited for once a plan has its name, and once a journal has, ahead of every DELETE."""
    cloud = serve_cloud(images=60)
    synced: list[tuple[str, bool, int]] = []
    really = files.sync_folder

    def sync_folder(folder: Path) -> None:
        synced.append((str(folder), Path("logs/new.jsonl").exists(), len(cloud.deleted)))
        really(folder)

    monkeypatch.setattr("cleanup.files.sync_folder", sync_folder)
    monkeypatch.setattr("cleanup.journal.writer.sync_folder", sync_folder)
    Path("logs").mkdir()
    Path("policy.yaml").write_text(POLICY)
    assert cli("plan", "-p", "policy.yaml", "-o", "logs/new.jsonl", *cloud.options).exit_code == 0
    assert synced == [("logs", True, 0)]
    assert cli("apply", "logs/new.jsonl", "--journal", "logs/journal.jsonl", *cloud.options).exit_code == 0
    assert synced[1:] == [("logs", True, 0)]
    assert cloud.deleted


def test_a_folder_that_cannot_be_waited_for_stops_nothing_and_one_that_is_broken_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(number: int) -> Callable[..., Any]:
        def fail(*_: object) -> Any:
            raise OSError(number, os.strerror(number))

        return fail

    for name, number in (("open", errno.EACCES), ("fsync", errno.EINVAL), ("fsync", errno.ENOTSUP)):
        with monkeypatch.context() as disk:
            disk.setattr(os, name, failing(number))
            files.sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        files.sync_folder(tmp_path)
