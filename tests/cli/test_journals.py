"""`journals list` and `tidy`: what lies in a folder, and what never goes, however old it is."""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanup.journal.folder import StoredFile, StoredKind, stored_in
from cleanup.journal.tidy import remove
from tests.support.builders import lines_of, real_now
from tests.support.cloud import Called, Cli, Serve

POLICY = """\
version: 1
rules:
  - name: stale
    match: {visibility: PRIVATE}
    older_than: 60d
limits: {max_percent: 100}
"""
Later = Callable[..., Called]


@pytest.fixture
def folder(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> Path:
    """A finished run, `old.jsonl`, with its plan beside it, `old.plan.jsonl`."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    cloud = serve_cloud(images=12)
    plan = "old.plan.jsonl"
    assert cli("plan", "-p", "policy.yaml", "-o", plan, *cloud.options).exit_code == 0
    assert cli("apply", plan, "--journal", "old.jsonl", *cloud.options).exit_code == 0
    return tmp_path


@pytest.fixture
def later(cli: Cli, folder: Path) -> Later:
    """`later("tidy", ...)`: a hundred days from now."""
    cli.runtime = replace(cli.runtime, now=lambda: real_now() + timedelta(days=100))
    return lambda action, *words: cli("journals", action, *words)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.jsonl")}


BOTH = {"old.jsonl", "old.plan.jsonl"}


def leave_unfinished(folder: Path, name: str = "old.jsonl") -> None:
    """The journal as a kill leaves it: no end, and one image without a result."""
    lines = lines_of(folder / "old.jsonl")
    cut = [line for line in lines if line["event"] != "run.finished"]
    last = next(line for line in reversed(cut) if line["event"] == "delete.result")
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in cut if line is not last))


def test_list_says_how_far_each_came(later: Later, folder: Path) -> None:
    leave_unfinished(folder, "cut.jsonl")
    (folder / "notes.jsonl").write_text('{"event": "mine"}\n')
    told = later("list").stdout
    assert "old.plan.jsonl\n  plan, expired; target default; " in told
    assert "old.jsonl\n  journal, finished; target default; " in told
    assert "cut.jsonl\n  journal, unfinished; target default; " in told
    assert "1 in doubt" in told
    assert "2 journals, 1 plan" in told
    assert "notes" not in told
    files = json.loads(later("list", folder, "--format", "json").stdout)["files"]
    assert {one["name"]: one["state"] for one in files} == {
        "cut.jsonl": "unfinished",
        "old.jsonl": "finished",
        "old.plan.jsonl": None,
    }


def test_what_is_old_and_done_with_goes(later: Later, folder: Path) -> None:
    assert later("tidy", "--keep", "101d").exit_code == 0
    tried = later("tidy", "--keep", "90d", "--dry-run")
    assert "would remove old.jsonl" in tried.stdout
    assert names(folder) == BOTH
    called = later("tidy", "--keep", "90d")
    assert called.exit_code == 0
    assert "removed old.plan.jsonl" in called.stdout
    assert "2 files removed" in called.stdout
    assert names(folder) == set()
    assert (folder / "policy.yaml").exists()


def test_an_unfinished_journal_and_its_plan_never_go(later: Later, folder: Path) -> None:
    leave_unfinished(folder)
    called = later("tidy", "--keep", "1d")
    assert called.exit_code == 0
    assert "old.jsonl stays: it is unfinished" in called.stderr
    assert "old.plan.jsonl stays: old.jsonl needs it" in called.stderr
    assert names(folder) == BOTH


def test_a_damaged_journal_and_its_plan_never_go(later: Later, folder: Path) -> None:
    path = folder / "old.jsonl"
    path.write_text(path.read_text().replace('"delete.result"', '"delete.result', 1))
    assert "old.jsonl stays: it is damaged" in later("tidy", "--keep", "1d").stderr
    assert names(folder) == BOTH


def test_a_plan_that_can_still_be_applied_never_goes(cli: Cli, folder: Path) -> None:
    assert "old.plan.jsonl stays: it can still be applied" in cli("journals", "tidy", "--keep", "0s").stderr
    assert names(folder) == {"old.plan.jsonl"}


def test_a_journal_that_is_being_written_never_goes(later: Later, folder: Path) -> None:
    with (folder / "old.jsonl").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "old.jsonl stays: it is running" in later("tidy", "--keep", "1d").stderr
    assert names(folder) == BOTH


def test_what_is_not_ours_never_goes(later: Later, folder: Path) -> None:
    (folder / "inventory.jsonl").write_text('{"kind":"inventory","schema":1}\n')
    (folder / "mine.jsonl").write_text("{}\n")
    (folder / "empty.jsonl").touch()
    (folder / "below").mkdir()
    (folder / "below" / "old.jsonl").write_bytes((folder / "old.jsonl").read_bytes())
    (folder / "link.jsonl").symlink_to(folder / "below" / "old.jsonl")
    os.mkfifo(folder / "fifo.jsonl")
    assert later("tidy", "--keep", "1d").exit_code == 0
    assert names(folder) == {"inventory.jsonl", "mine.jsonl", "empty.jsonl", "link.jsonl", "fifo.jsonl"}
    assert (folder / "below" / "old.jsonl").exists()


def test_a_restore_journal_goes_with_its_journal(later: Later, folder: Path) -> None:
    beside = folder / "old.restore.jsonl"
    line = {"event": "restore.started", "timestamp": real_now().isoformat(), "target": "default"}
    beside.write_text(json.dumps(line) + "\n")
    leave_unfinished(folder)
    assert "old.restore.jsonl stays: old.jsonl stays" in later("tidy", "--keep", "1d").stderr
    (folder / "old.jsonl").unlink()
    assert "removed old.restore.jsonl" in later("tidy", "--keep", "1d").stdout


def test_what_cannot_be_read_is_told_and_keeps_the_plans(
    later: Later, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.jsonl").write_text('{"event":"run.star\n')
    whole = Path.open

    def opened(path: Path, *words: Any, **more: Any) -> Any:
        if path.name == "old.jsonl":
            raise PermissionError(13, "Permission denied")
        return whole(path, *words, **more)

    monkeypatch.setattr(Path, "open", opened)
    listed = later("list")
    assert listed.exit_code == 0
    assert "old.jsonl cannot be read (Permission denied): it may be an unfinished journal" in listed.stderr
    assert "a.jsonl cannot be read (its first line is damaged)" in listed.stderr
    assert (
        "old.plan.jsonl stays: a.jsonl may need it, and cannot be read"
        in later("tidy", "--keep", "1d").stderr
    )
    assert names(folder) == {*BOTH, "a.jsonl"}


def test_one_that_somebody_takes_up_meanwhile_stays(folder: Path) -> None:
    (journal,) = (one for one in stored_in(folder).files if one.kind is StoredKind.JOURNAL)
    with journal.path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another process is writing to it"):
            remove(journal)
        file.write(b"\n")
    with pytest.raises(OSError, match="it was changed meanwhile"):
        remove(journal)
    assert journal.path.exists()


def test_one_that_cannot_be_removed_is_named(
    later: Later, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: StoredFile) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("cleanup.cli.journals.remove", refuse)
    called = later("tidy", "--keep", "1d")
    assert called.exit_code == 2
    assert "cannot remove old.jsonl: Permission denied; old.plan.jsonl: Permission denied" in called.stderr
    assert names(folder) == BOTH


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("tidy",), "give --keep"),
        (("tidy", "--keep", "90"), "--keep"),
        (("list", "--keep", "90d"), "are for `journals tidy`"),
        (("list", "nowhere"), "cannot list the folder nowhere: No such file"),
        (("tidy", "--keep", "1d", "--format", "json"), "--format and -o are for `journals list`"),
        ((), "list"),
    ],
    ids=["no keep", "no unit", "keep of list", "no folder", "format of tidy", "no action"],
)
def test_what_makes_no_sense_is_refused(cli: Cli, words: tuple[str, ...], wrong: str) -> None:
    called = cli("journals", *words)
    assert called.exit_code == 2
    assert wrong in called.stderr


def test_an_empty_folder(cli: Cli) -> None:
    assert "no plan and no journal lies in ." in cli("journals", "list").stdout
