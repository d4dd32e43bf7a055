"""The journal: whole lines, written ahead, one result an image, readable after a crash."""

import asyncio
import errno
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cleanup.errors import JournalWriteError, RecordRejected, UsageError
from cleanup.journal import (
    DeleteIntent,
    DeleteResult,
    Journal,
    read,
    read_to_show,
    require_writable,
)
from cleanup.outcome import Outcome, Verdict
from tests.support.builders import NOW, make_image, run_finished, run_started
from tests.support.disk import full_disk


def clock() -> datetime:
    return NOW


def result(image_id: str, outcome: Outcome = Outcome.DELETED, **fields: Any) -> DeleteResult:
    return DeleteResult.of(make_image(image_id), "rule-1", Verdict(outcome=outcome, **fields))


def intent(image_id: str) -> DeleteIntent:
    return DeleteIntent(image_id=image_id, rule="rule-1", force=False, image=make_image(image_id).raw)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def written(path: Path, run_id: str = "run-1", resumes: str | None = None) -> None:
    with Journal(path, run_id, "default", clock) as journal:
        journal.write(run_started(run_id, resumes=resumes))
        await journal.write_ahead(intent("a"))
        journal.write(result("a", http_status=200, image_status="DELETED", request_id="r-1", attempts=1))


async def test_lines_are_whole_dicts_with_the_five_fields_first(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    with Journal(path, "run-1", "default", clock) as journal:
        journal.write(run_finished({Outcome.DELETED: 1}))
    first, intended, ended, finished = lines(path)
    assert all(list(line)[:5] == ["event", "timestamp", "level", "run_id", "target"] for line in lines(path))
    assert first["event"] == "run.started"
    assert first["limits"]["max_deletes"] == 1000
    assert intended["event"] == "delete.intent"
    assert intended["image"]["id"] == "a"
    assert ended == {
        "timestamp": "2026-11-23T12:00:00Z",
        "level": "info",
        "event": "delete.result",
        "run_id": "run-1",
        "target": "default",
        "image_id": "a",
        "namespace": "ml-vision",
        "name": "trainer",
        "tag": "dev-a",
        "swr_path": "swr.example.com/ml-vision/trainer:dev-a",
        "rule": "rule-1",
        "force": False,
        "outcome": "deleted",
        "http_status": 200,
        "image_status": "DELETED",
        "error_code": None,
        "error_msg": None,
        "request_id": "r-1",
        "attempts": 1,
        "duration_ms": 0,
        "response": None,
    }
    assert {outcome.value: finished[outcome.value] for outcome in Outcome} == {
        outcome.value: int(outcome is Outcome.DELETED) for outcome in Outcome
    }


async def test_results_of_one_moment_are_one_write(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, "run-1", "default", clock) as journal:
        journal.write(run_started())
        for image_id in "abc":
            journal.write_behind(result(image_id))
        assert len(lines(path)) == 1
        await asyncio.sleep(0)
        assert len(lines(path)) == 4
        journal.write_behind(result("d"))
        journal.write(result("e"))
        journal.write_behind(result("f"))
    assert [line["image_id"] for line in lines(path)[1:]] == list("abcdef")


async def test_a_result_that_could_not_be_written_is_told_to_whoever_writes_next(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl", "run-1", "default", clock) as journal:
        with full_disk():
            journal.write_behind(result("a"))
            await asyncio.sleep(0)
        with pytest.raises(JournalWriteError):
            journal.write_behind(result("b"))
        with pytest.raises(JournalWriteError):
            journal.catch_up()


async def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    told = read(path)
    assert [run.started.run_id for run in told.runs] == ["run-1"]
    assert told.latest["a"].outcome is Outcome.DELETED
    assert not told.in_doubt
    assert not told.torn


@pytest.mark.parametrize(
    "tail", [b'{"timestamp":"2026-11-2', b"\0" * 512, b'{"event":"delete.res\0\0\0\0', b"\xff\xfe"]
)
async def test_a_torn_last_line_is_tolerated_and_repaired(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    told = read(path)
    assert told.latest["a"].outcome is Outcome.DELETED
    assert (told.size, told.torn) == (len(whole + tail), bool(tail.strip(b"\0")))
    with Journal(path, "run-2", "default", clock) as journal:
        journal.write(run_started("run-2", resumes="run-1"))
    assert path.read_bytes().startswith(whole)
    assert [run.started.run_id for run in read(path).runs] == ["run-1", "run-2"]


async def test_what_is_nested_too_deep_is_a_damaged_line_or_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    whole, deep = path.read_bytes(), b'{"event":"delete.result","x":' + b"[" * 100_000
    path.write_bytes(whole + deep)
    assert read(path).torn
    path.write_bytes(whole + deep + b"]" * 100_000 + b"}\n")
    with pytest.raises(RecordRejected, match="not a line of a journal"):
        read(path)


async def test_a_whole_last_line_that_only_lacks_its_newline_counts(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert read(path).latest["a"].outcome is Outcome.DELETED
    with Journal(path, "run-2", "default", clock) as journal:
        journal.write(run_started("run-2", resumes="run-1"))
    assert len(lines(path)) == 4


async def test_an_intent_without_a_result_is_in_doubt_until_a_later_run_settles_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, "run-1", "default", clock) as journal:
        journal.write(run_started())
        await journal.write_ahead(intent("a"))
        await journal.write_ahead(intent("b"))
        journal.write(result("b", Outcome.UNKNOWN))
    assert read(path).in_doubt.keys() == {"a", "b"}
    with Journal(path, "run-2", "default", clock) as journal:
        journal.write(run_started("run-2", resumes="run-1"))
        journal.write(result("a", Outcome.ALREADY_GONE))
    told = read(path)
    assert told.in_doubt.keys() == {"b"}
    assert told.latest["a"].outcome is Outcome.ALREADY_GONE


@pytest.mark.parametrize(
    ("attempts", "before", "doubtful"), [(0, False, False), (1, False, False), (0, True, True)]
)
async def test_an_intent_whose_own_run_never_sent_it_is_in_no_doubt(
    tmp_path: Path, attempts: int, before: bool, doubtful: bool
) -> None:
    """It waited for the rate when its run was stopped. Of an earlier run's intent that result says nothing."""
    path = tmp_path / "journal.jsonl"
    if before:
        with Journal(path, "run-0", "default", clock) as journal:
            journal.write(run_started("run-0"))
            await journal.write_ahead(intent("a"))
    with Journal(path, "run-1", "default", clock) as journal:
        journal.write(run_started(resumes="run-0" if before else None))
        await journal.write_ahead(intent("a"))
        journal.write(result("a", Outcome.NOT_ATTEMPTED, attempts=attempts))
    assert ("a" in read(path).in_doubt) is doubtful
    assert ("a" in read_to_show(path).in_doubt) is doubtful
    assert read(path).latest["a"].outcome is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize(("plan", "known"), [("ef" * 32, {"b"}), ("ab" * 32, {"a", "b"})])
async def test_another_plan_in_the_same_file_starts_a_new_chain(
    tmp_path: Path, plan: str, known: set[str]
) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    with Journal(path, "run-2", "default", clock) as journal:
        journal.write(run_started("run-2", plan_sha256=plan))
        journal.write(result("b"))
    assert read(path).latest.keys() == known


@pytest.mark.parametrize(
    ("first", "then", "counts"),
    [
        (Outcome.DELETED, result("A", Outcome.ALREADY_GONE), Outcome.DELETED),
        (Outcome.DELETED, result("a", Outcome.NOT_ATTEMPTED), Outcome.DELETED),
        (Outcome.DELETED, result("a", Outcome.UNKNOWN, image_status="DELETING"), Outcome.DELETED),
        (Outcome.DELETED, result("a", Outcome.FAILED), Outcome.DELETED),
        (Outcome.DELETED, result("a", Outcome.DRIFTED, image_status="ACTIVE"), Outcome.DRIFTED),
        (Outcome.DELETED, result("a", Outcome.FAILED, attempts=1), Outcome.FAILED),
        (Outcome.ALREADY_GONE, result("a", Outcome.NOT_ATTEMPTED), Outcome.ALREADY_GONE),
        (Outcome.ALREADY_GONE, result("a", Outcome.DELETED), Outcome.DELETED),
        (Outcome.FAILED, result("a", Outcome.NOT_ATTEMPTED), Outcome.NOT_ATTEMPTED),
    ],
)
def test_what_is_gone_stays_so_unless_it_was_seen_again(
    tmp_path: Path, first: Outcome, then: DeleteResult, counts: Outcome
) -> None:
    path = tmp_path / "journal.jsonl"
    for run_id, line in (("run-1", result("a", first)), ("run-2", then)):
        with Journal(path, run_id, "default", clock) as journal:
            journal.write(run_started(run_id))
            journal.write(line)
    assert read(path).latest["a"].outcome is counts


@pytest.mark.parametrize(
    ("then", "doubtful"),
    [
        (result("a", Outcome.UNKNOWN, image_status="DELETING"), True),
        (result("a", Outcome.NOT_ATTEMPTED), True),
        (result("a", Outcome.NOT_ATTEMPTED, image_status="ACTIVE"), False),
        (result("A", Outcome.ALREADY_GONE), False),
        (result("b"), True),
    ],
)
async def test_a_doubt_outlives_other_plans_until_a_result_knows_better(
    tmp_path: Path, then: DeleteResult, doubtful: bool
) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, "run-1", "default", clock) as journal:
        journal.write(run_started())
        await journal.write_ahead(intent("a"))
    with Journal(path, "run-2", "default", clock) as journal:
        journal.write(run_started("run-2", plan_sha256="ef" * 32))
        journal.write(then)
    assert ("a" in read(path).in_doubt) is doubtful


def test_a_full_disk_is_an_error_of_its_own(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "journal.jsonl", "run-1", "default", clock) as journal,
        full_disk(),
        pytest.raises(JournalWriteError, match="File too large; make room"),
    ):
        journal.write(run_started())


async def test_a_disk_that_refuses_at_the_flush_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    journal = Journal(tmp_path / "journal.jsonl", "run-1", "default", clock)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(JournalWriteError, match=r"No space left.*finish with: image-cleanup resume"):
            await journal.write_ahead(intent("a"))
    with journal:
        pass


def test_a_place_that_cannot_be_written_is_refused_before_anything(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "journal.jsonl", tmp_path / "no" / "folder" / "journal.jsonl", tmp_path):
        with pytest.raises(UsageError, match="choose another place"):
            require_writable(path)
        with pytest.raises(UsageError, match="; ask elsewhere"):
            Journal(path, "run-1", "default", clock, elsewhere="ask elsewhere")


@pytest.mark.parametrize(
    "content", [b"", b"hello\nworld\n", b'{"kind":"plan"}\n', b'{"event":"delete.result","run_id":"x"}\n']
)
def test_what_is_no_journal_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordRejected):
        read(path)


def test_two_processes_do_not_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with (
        Journal(path, "run-1", "default", clock),
        pytest.raises(UsageError, match="another process is writing"),
    ):
        Journal(path, "run-2", "default", clock)


async def test_a_journal_that_grew_since_it_was_read_is_not_acted_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    told = read(path)
    await written(path, "run-2", resumes="run-1")
    with pytest.raises(UsageError, match="meanwhile"):
        Journal(path, "run-3", "default", clock, read_size=told.size)


def test_a_missing_journal_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read(tmp_path / "none.jsonl")
