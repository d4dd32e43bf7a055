"""Signals, kills, deadlines and full disks: whatever ends a run, the journal is true and `resume` finishes it."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

import anyio
import pytest

from cleanup.journal import writer
from cleanup.simulator.routes import Operation
from tests.support.builders import events
from tests.support.chaos import (
    Job,
    Prepare,
    Witness,
    audit,
    audit_chain,
    check_run,
    nth,
    preparing,
    read_runs,
    set_faults,
)
from tests.support.cloud import Called, Cli, Serve

pytestmark = pytest.mark.no_cover  # conftest says why

AT_MOST = 50.0  # seconds until a process that hangs is given up; none is expected to
FULL_DISK = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = ["image-cleanup", *sys.argv[2:]]
runpy.run_module("cleanup", run_name="__main__")
"""


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


class Process:
    """`python -m cleanup …` as a shell would start it."""

    def __init__(self, words: Sequence[str], program: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._hangs = Timer(AT_MOST, self._process.kill)
        self._hangs.start()
        self._stderr = ""

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def read_until(self, words: str) -> None:
        """Read stderr up to a line that holds these words."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._stderr += line
            if words in line:
                return
        raise AssertionError(f"{words!r} was never said: {self._stderr}")

    def end(self) -> Called:
        """Wait for its end; a negative exit code is the signal that ended it."""
        assert self._process.stderr is not None
        self._stderr += self._process.stderr.read()
        code = self._process.wait()
        self._hangs.cancel()
        return Called(code, "", self._stderr)

    def clean_up(self) -> None:
        self._hangs.cancel()
        with self._process:
            self._process.kill()


Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(job.apply)`: a process of its own, ended with the test at the latest."""
    processes: list[Process] = []

    def begin(words: Sequence[str], program: Sequence[str] = ("-m", "cleanup")) -> Process:
        processes.append(Process(words, program))
        return processes[-1]

    yield begin
    for process in processes:
        process.clean_up()


def finish(cli: Cli, job: Job) -> dict[str, str]:
    """Resume on a cloud that behaves again, until nothing is left; returns the latest outcomes."""
    set_faults(job.cloud)
    resumed = cli(*job.resume)
    latest = audit_chain(job)
    last = read_runs(job.journal)[-1]
    check_run(last, {image_id: job.planned[image_id] for image_id in last.results}, resumed.exit_code)
    before = job.journal.read_bytes()
    again = cli(*job.resume)
    assert again.exit_code == 0
    assert "nothing to resume" in again.stderr
    assert job.journal.read_bytes() == before
    return latest


def begun(journal: Path) -> bool:
    """Whether a journal holds a run: where it does not, no DELETE was sent, and `apply` is what goes on."""
    return journal.exists() and b'"run.started"' in journal.read_bytes()


def unfinished(job: Job) -> bool:
    """Whether some planned image has no final status yet, by the latest line that speaks of it."""
    latest = {line["image_id"]: line["outcome"] for line in events(job.journal, "delete.result")}
    return job.planned.keys() != {
        image_id for image_id, outcome in latest.items() if outcome not in ("not-attempted", "unknown")
    }


def tear(job: Job, random: Random) -> None:
    """Cut the last line off in its middle, as a power loss may; an intent is on disk before it counts."""
    content = job.journal.read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    if b'"delete.result"' in content[start:]:
        job.journal.write_bytes(content[: random.randrange(start, len(content))])
        job.write_ahead.start_over()


class TestKilled:
    @pytest.mark.parametrize("seed", range(16))
    def test_at_a_random_moment_then_resumed(
        self, cli: Cli, prepare: Prepare, start: Start, seed: int
    ) -> None:
        """The kill comes with the nth request, after its effect and before its answer."""
        random = Random(seed)
        options = random.choice([(), ("--max-staleness", "0s"), ("--concurrency", "2")])
        job = prepare(Witness(70, seed=seed), *options)
        faults = random.choice([(), ("delete:drop-after=0.1",), ("delete:truncated=0.3", "delete:502=0.05")])
        set_faults(job.cloud, *faults, seed=seed)
        moment = random.randint(1, len(job.planned))
        killer = nth(None, moment, lambda: process.send(signal.SIGKILL))
        job.service.onlookers.append(killer)
        process = start(random.choice([job.apply, job.run]))
        assert process.end().exit_code == -signal.SIGKILL
        job.service.onlookers.remove(killer)
        set_faults(job.cloud)
        if not begun(job.journal):
            assert not job.service.asked(Operation.DELETE)
            assert cli(*job.apply).exit_code == 0
        elif random.random() < 0.5:
            tear(job, random)
        assert set(finish(cli, job).values()) <= {"deleted", "already-gone", "failed"}

    def test_again_and_again_and_it_still_comes_to_an_end(
        self, cli: Cli, prepare: Prepare, start: Start
    ) -> None:
        job = prepare(Witness(90), "--concurrency", "4")
        processes: list[Process] = []
        codes: list[int] = []
        while not begun(job.journal) or unfinished(job):
            killer = nth(Operation.DELETE, 15, lambda: processes[-1].send(signal.SIGKILL))
            job.service.onlookers.append(killer)
            processes.append(start(job.resume if begun(job.journal) else job.apply))
            codes.append(processes[-1].end().exit_code)
            job.service.onlookers.remove(killer)
        assert codes[:3] == [-signal.SIGKILL] * 3
        assert codes[-1] == 0
        assert set(audit_chain(job).values()) <= {"deleted", "already-gone"}


class TestStopped:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_lets_the_requests_in_hand_finish(
        self, cli: Cli, prepare: Prepare, start: Start, number: signal.Signals, seed: int
    ) -> None:
        job = prepare(Witness(120, seed=seed), "--concurrency", "8")
        set_faults(
            job.cloud,
            *([], ["delete:truncated=0.3"], ["delete:drop-after=0.1"])[seed],
            seed=seed,
        )
        moment = Random(f"{number} {seed}").randint(1, len(job.planned) // 2)
        job.service.onlookers.append(nth(Operation.DELETE, moment, lambda: process.send(number)))
        process = start(job.apply)
        called = process.end()
        assert called.exit_code == 7, called.output
        run = audit(job, called)
        assert run.finished is not None
        assert number.name in run.finished["stopped"]
        assert f"finish it with: image-cleanup {shlex.join(map(str, job.resume))}" in called.stderr
        assert run.outcomes["not-attempted"] >= len(job.planned) - moment - 2 * 8
        assert not run.outcomes["unknown"]
        assert set(finish(cli, job).values()) <= {"deleted", "already-gone"}

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_before_the_first_delete_deletes_nothing(
        self, prepare: Prepare, start: Start, number: signal.Signals
    ) -> None:
        job = prepare(Witness(60))
        job.service.onlookers.append(nth(Operation.LIST, 1, lambda: process.send(number)))
        process = start(job.apply)
        called = process.end()
        assert called.exit_code == 7
        assert "nothing was deleted" in called.stderr
        assert not job.service.asked(Operation.DELETE)
        assert not job.journal.exists()

    def test_requests_that_hang_are_waited_for_no_longer_than_the_drain_timeout(
        self, cli: Cli, prepare: Prepare, start: Start
    ) -> None:
        job = prepare(Witness(120), "--concurrency", "8", "--drain-timeout", "1s", "--timeout", "2m")
        set_faults(job.cloud, script=[{"calls": "delete", "fault": "hang-after", "after": 20}])
        job.service.onlookers.append(nth(Operation.DELETE, 28, lambda: process.send(signal.SIGTERM)))
        process = start(job.apply)
        called = process.end()
        run = audit(job, called)
        assert called.exit_code == 7
        assert run.outcomes == {"deleted": 20, "unknown": 8, "not-attempted": len(job.planned) - 28}
        latest = finish(cli, job)
        assert list(latest.values()).count("already-gone") == 8

    def test_a_second_interrupt_ends_at_once_with_a_valid_journal(
        self, cli: Cli, prepare: Prepare, start: Start
    ) -> None:
        job = prepare(Witness(120), "--concurrency", "8", "--drain-timeout", "2m", "--timeout", "2m")
        set_faults(job.cloud, script=[{"calls": "delete", "fault": "hang", "after": 20}])
        job.service.onlookers.append(nth(Operation.DELETE, 28, lambda: process.send(signal.SIGINT)))
        process = start(job.apply)
        process.read_until("once more to abort at once")
        process.send(signal.SIGINT)
        called = process.end()
        run = audit(job, called)
        assert called.exit_code == 7
        assert run.outcomes == {"deleted": 20, "unknown": 8, "not-attempted": len(job.planned) - 28}
        assert set(finish(cli, job).values()) == {"deleted"}

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_while_the_report_is_written_does_not_deny_what_was_deleted(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
    ) -> None:
        job = prepare(Witness(20))
        monkeypatch.setattr("cleanup.cli.ends._show", lambda *_: signal.raise_signal(number))
        before = signal.getsignal(number)
        called = cli(*job.apply, "--format", "json")
        assert called.exit_code == 7
        assert "interrupted when the run had ended: what it did stands in its journal" in called.stderr
        assert "nothing was deleted" not in called.stderr
        assert audit(job, Called(0, "", "")).outcomes == {"deleted": len(job.planned)}
        assert signal.getsignal(number) is before

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_while_others_are_told_does_not_deny_what_was_deleted(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
    ) -> None:
        async def tell_all(*_: object) -> None:
            signal.raise_signal(number)
            await anyio.sleep_forever()

        job = prepare(Witness(20))
        monkeypatch.setattr("cleanup.cli.telling.tell_all", tell_all)
        called = cli(*job.apply, "--metrics-file", job.journal.with_name("m.prom"))
        assert called.exit_code == 0
        assert "given up: interrupted: some may not have been sent" in called.stderr
        assert "nothing was deleted" not in called.stderr

    def test_many_signals_end_it_with_its_own_exit_code(self, prepare: Prepare, start: Start) -> None:
        job = prepare(Witness(30), "--drain-timeout", "2m", "--timeout", "2m")
        set_faults(job.cloud, script=[{"calls": "delete", "fault": "hang"}])
        job.service.onlookers.append(nth(Operation.DELETE, 3, lambda: process.send(signal.SIGINT)))
        process = start(job.apply)
        process.read_until("once more to abort at once")
        process.send(signal.SIGINT)
        process.read_until("finish it with")
        for _ in range(20):
            process.send(signal.SIGINT)
        assert process.end().exit_code == 7

    def test_the_deadline_comes_before_the_end(self, cli: Cli, prepare: Prepare) -> None:
        job = prepare(Witness(120), "--timeout", "2m")
        set_faults(job.cloud, script=[{"calls": "delete", "fault": "hang-after", "after": 20}])
        called = cli(*job.apply, "--deadline", "2s")
        run = audit(job, called)
        assert called.exit_code == 7
        assert run.finished is not None
        assert "--deadline" in run.finished["stopped"]
        assert run.outcomes == {"deleted": 20, "unknown": 16, "not-attempted": len(job.planned) - 36}
        finish(cli, job)


class FullForAMoment:
    """A file on a disk that has room for half of the nth line, and then for everything again."""

    def __init__(self, file: Any, line: int) -> None:
        self._file = file
        self._left = line

    def write(self, content: bytes) -> int:
        """Several lines may come at once."""
        lines = content.splitlines(keepends=True)
        if 0 < self._left <= len(lines):
            *whole, last = lines[: self._left]
            self._left = 0
            self._file.write(b"".join(whole) + last[: len(last) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._left -= len(lines)
        return int(self._file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def opening(really: Callable[..., bytes], line: int) -> Callable[..., bytes]:
    def open_journal(journal: Any, *arguments: Any) -> bytes:
        torn = really(journal, *arguments)
        journal._file = FullForAMoment(journal._file, line)
        return torn

    return open_journal


def check_finished(cli: Cli, job: Job) -> None:
    """After `resume` all is gone; what was sent and has no result in the cut run is found gone already."""
    sent = {request.image_id for request in job.service.asked(Operation.DELETE)}
    whole = job.journal.read_bytes().rpartition(b"\n")[0].splitlines()
    told = {line["image_id"] for line in map(json.loads, whole) if line["event"] == "delete.result"}
    latest = finish(cli, job)
    assert set(latest.values()) <= {"deleted", "already-gone"}
    assert {image_id for image_id, outcome in latest.items() if outcome == "already-gone"} == sent - told


class TestFullDisk:
    @pytest.mark.parametrize("size", [3_000, 20_001, 47_123])
    def test_no_delete_leaves_without_its_intent_and_resume_finishes(
        self, cli: Cli, prepare: Prepare, start: Start, size: int
    ) -> None:
        """That each DELETE's intent was in the file when it arrived is seen by the audit's onlooker."""
        job = prepare(Witness(120))
        called = start([str(size), *job.apply], ("-c", FULL_DISK)).end()
        assert called.exit_code == 7
        assert "make room" in called.stderr
        assert "resume" in called.stderr
        assert job.journal.stat().st_size <= size
        sent = {request.image_id for request in job.service.asked(Operation.DELETE)}
        assert len(sent) < len(job.planned) - 20
        check_finished(cli, job)

    def test_where_not_even_the_start_can_be_written_nothing_is_deleted(
        self, prepare: Prepare, start: Start
    ) -> None:
        job = prepare(Witness(60))
        called = start(["100", *job.apply], ("-c", FULL_DISK)).end()
        assert called.exit_code in (2, 7)
        assert str(job.journal) in called.stderr
        assert not job.service.asked(Operation.DELETE)

    @pytest.mark.parametrize("line", [4, 20, 51])
    def test_a_disk_that_is_full_for_a_moment_leaves_a_journal_that_can_be_resumed(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch, line: int
    ) -> None:
        """Half of one line fits, and then there is room again: nothing may be written behind the half."""
        job = prepare(Witness(120))
        with monkeypatch.context() as disk:
            disk.setattr(writer.Journal, "_open", opening(writer.Journal._open, line))
            called = cli(*job.apply)
        assert called.exit_code == 7
        check_finished(cli, job)

    def test_a_disk_that_is_full_at_the_first_result_deletes_nothing(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second line is the result of the image that is left alone, ahead of all deletes."""
        job = prepare(Witness(120))
        changed = next(iter(job.planned))
        image = job.service.images.get(changed)
        assert image is not None
        job.service.images.put(image | {"update_at": image["update_at"] + 1})
        with monkeypatch.context() as disk:
            disk.setattr(writer.Journal, "_open", opening(writer.Journal._open, 2))
            called = cli(*job.apply)
        assert called.exit_code == 7
        assert "make room" in called.stderr
        assert f"1 drifted, {len(job.planned) - 1} not-attempted" in called.stderr
        assert not job.service.asked(Operation.DELETE)
        assert cli("resume", str(job.journal), *job.cloud.options).exit_code == 0
        outcomes = {line["image_id"]: line["outcome"] for line in events(job.journal, "delete.result")}
        assert outcomes.pop(changed) == "drifted"
        assert set(outcomes.values()) == {"deleted"}
