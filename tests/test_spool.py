"""The spool: what the API sent, on disk when it is much, and the same when it comes back."""

import errno
import tempfile
from pathlib import Path
from typing import Any

import pytest

from cleanup import spool as spool_module
from cleanup.errors import InventoryError
from cleanup.spool import Spool
from tests.support.builders import lines_of
from tests.support.cloud import Cli, Serve

LINES = [b"{}", b"", b"x" * 5000, "ä{}".encode(), *(b"%d" % number * number for number in range(300))]
POLICY = """\
version: 1
rules: [{name: old, match: {namespace: "*"}, older_than: 60d}]
limits: {max_percent: 100}
"""


@pytest.mark.parametrize("room", [1, 100, 4096, 1 << 20])
def test_every_line_comes_back_at_any_time(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_ROOM", room)
    spool = Spool()
    assert spool.add([]) == []
    places = spool.add(LINES[:1])
    assert spool.read(places) == LINES[:1]
    for line in LINES[1:9]:
        places += spool.add([line])
        assert spool.read(places[-1:]) == [line]
    places += spool.add(LINES[9:])
    assert spool.read(places) == LINES
    assert spool.read(places[::-7]) == LINES[::-7]
    assert spool.read([]) == []


def test_a_file_that_is_cut_off_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_ROOM", 1)
    spool = Spool()
    (place,) = spool.add([b"record"])
    assert spool._file is not None
    spool._file.truncate(3)
    with pytest.raises(InventoryError, match="cut off"):
        spool.read([place])


def test_a_plan_is_the_same_from_memory_and_from_disk(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    cloud = serve_cloud(images=300)
    assert cli("plan", "-p", "policy.yaml", "-o", "memory.jsonl", *cloud.options).exit_code == 0
    monkeypatch.setattr(spool_module, "_ROOM", 2000)
    assert cli("plan", "-p", "policy.yaml", "-o", "disk.jsonl", *cloud.options).exit_code == 0
    assert lines_of(Path("disk.jsonl"))[1:-1] == lines_of(Path("memory.jsonl"))[1:-1]
    assert cli("inventory", "-o", "disk.inventory.jsonl", *cloud.options).exit_code == 0
    offline = ("--inventory", "disk.inventory.jsonl")
    assert cli("plan", "-p", "policy.yaml", "-o", "offline.jsonl", *offline).exit_code == 0
    assert lines_of(Path("offline.jsonl"))[1:-1] == lines_of(Path("disk.jsonl"))[1:-1]


def full(**_: Any) -> Any:
    return Path("/dev/full").open("wb", buffering=0)


def nowhere(**_: Any) -> Any:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


@pytest.mark.parametrize("trouble", [full, nowhere])
@pytest.mark.parametrize("command", ["plan -o plan.jsonl", "run --apply --journal journal.jsonl"])
def test_without_room_on_disk_nothing_is_planned_and_nothing_deleted(
    command: str,
    trouble: Any,
    cli: Cli,
    serve_cloud: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    cloud = serve_cloud(images=300)
    monkeypatch.setattr(spool_module, "_ROOM", 2000)
    monkeypatch.setattr(tempfile, "TemporaryFile", trouble)
    called = cli(*command.split(), "-p", "policy.yaml", *cloud.options)
    assert called.exit_code == 6
    assert "TMPDIR" in called.stderr
    assert not cloud.deleted
    assert not Path("plan.jsonl").exists()
