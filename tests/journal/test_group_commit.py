"""Lines that are on disk before their writers go on: who shares a round with whom, and what a failure means to them."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from cleanup.errors import JournalWriteError
from cleanup.journal.group_commit import GroupCommit


class Disk:
    """Notes what is asked of it; each sync waits for `lets_go`, where that is given."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.lets_go: threading.Event | None = None
        self.syncing = threading.Event()
        self.commit = GroupCommit(self.write, self.sync, self.check)

    def write(self, lines: Sequence[bytes]) -> None:
        self.done.append(list(lines))
        if b"too much" in lines:
            raise JournalWriteError("full")

    def sync(self) -> None:
        self.syncing.set()
        if self.lets_go:
            self.lets_go.wait(10)
        self.done.append("sync")

    def check(self) -> None:
        self.done.append("check")


async def test_all_who_come_together_share_one_write_and_one_sync() -> None:
    disk = Disk()
    await asyncio.gather(*(disk.commit.append(line) for line in (b"a", b"b", b"c")))
    assert disk.done == [[b"a", b"b", b"c"], "sync", "check"]
    await disk.commit.append(b"d")
    disk.commit.close()
    assert disk.done[3:] == [[b"d"], "sync", "check"]


async def test_who_comes_during_a_sync_has_the_next_one() -> None:
    disk = Disk()
    disk.lets_go = threading.Event()
    first = asyncio.create_task(disk.commit.append(b"a"))
    await asyncio.to_thread(disk.syncing.wait, 10)
    late = [asyncio.create_task(disk.commit.append(line)) for line in (b"b", b"c", b"d")]
    await asyncio.sleep(0)
    late[1].cancel()  # it has written nothing, and asks for nothing
    disk.lets_go.set()
    await first
    assert not late[0].done()
    await asyncio.gather(late[0], late[2])
    assert disk.done == [[b"a"], "sync", "check", [b"b", b"d"], "sync", "check"]
    assert late[1].cancelled()


async def test_a_failure_is_told_to_all_of_its_round_and_to_nobody_else() -> None:
    disk = Disk()
    together = [disk.commit.append(line) for line in (b"a", b"too much")]
    found = await asyncio.gather(*together, return_exceptions=True)
    assert [str(one) for one in found] == ["full", "full"]
    await disk.commit.append(b"b")
    assert disk.done == [[b"a", b"too much"], [b"b"], "sync", "check"]


@pytest.mark.parametrize("step", ["sync", "check"])
async def test_what_is_not_on_disk_is_not_gone_on_with(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise JournalWriteError(step)

    disk = Disk()
    monkeypatch.setattr(disk.commit, f"_{step}", fail)
    with pytest.raises(JournalWriteError, match=step):
        await disk.commit.append(b"a")


async def test_closing_waits_for_the_sync_under_way() -> None:
    disk = Disk()
    disk.lets_go = threading.Event()
    waiting = asyncio.create_task(disk.commit.append(b"a"))
    await asyncio.to_thread(disk.syncing.wait, 10)
    waiting.cancel()
    threading.Timer(0, disk.lets_go.set).start()
    disk.commit.close()
    assert disk.done == [[b"a"], "sync"]
