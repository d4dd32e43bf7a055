"""Every fault alone and many at once: each planned image ends with one result, and the results are true."""

import json
from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest

from cleanup.modelarts.http.connection import Connection
from cleanup.simulator import Access, Fault
from cleanup.simulator import AuthMode as Auth
from cleanup.simulator import fault_effects as misbehaviour
from cleanup.simulator.messages import ApiResponse as Answer
from cleanup.simulator.routes import Operation
from tests.support.chaos import (
    POLICY,
    JumpingClock,
    Prepare,
    Witness,
    audit,
    audit_chain,
    check_rate,
    jump,
    nth,
    preparing,
    set_faults,
)
from tests.support.cloud import Cli, Serve

pytestmark = pytest.mark.no_cover  # conftest says why

TRANSIENT = {"deleted", "already-gone", "failed", "unknown"}  # the last two: all attempts met the fault
OUTCOMES: Mapping[Fault, set[str]] = {
    Fault.BAD_REQUEST: {"deleted", "failed"},
    Fault.UNAUTHORIZED: {"deleted", "failed", "denied", "not-attempted"},
    Fault.FORBIDDEN: {"deleted", "failed", "denied"},
    Fault.GONE: {"deleted", "already-gone"},
    Fault.FOREIGN_NOT_FOUND: {"deleted", "failed", "unknown"},
    Fault.IN_USE: {"deleted", "in-use"},
    Fault.REDIRECT: {"deleted", "failed"},
    Fault.STATUS_ERROR: {"deleted", "failed"},
    Fault.ACCEPTED: {"deleted"},
    Fault.DELETING: {"deleted"},
    Fault.SLOW: {"deleted"},
}
LISTS = (Operation.LIST, Operation.NOTEBOOKS, Operation.ALL_NOTEBOOKS)
OF_LISTS = {Fault.WRONG_TOTAL, Fault.NULL_LIST, Fault.SHIFT_ADD, Fault.SHIFT_DELETE}
OF_DELETES = {Fault.IN_USE, Fault.STATUS_ERROR, Fault.ACCEPTED, Fault.DELETING}
HANGING = {Fault.HANG, Fault.HANG_AFTER}
SHORT = ("--timeout", "1s", "--concurrency", "64")  # many hang at the same time
FAULTS: list[Fault] = [
    fault for fault in Fault if fault is not Fault.LONG_TOKEN
]  # that is no trouble, and of logins only
ENDING = {*OF_LISTS, Fault.UNAUTHORIZED}  # a refused login ends a run, see test_throttling
PASSING = [fault for fault in FAULTS if fault not in OF_LISTS | OUTCOMES.keys()]
FEW = POLICY.replace("10d", "330d")


@pytest.fixture
def clock(cli: Cli) -> JumpingClock:
    return jump(cli)


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that hang are given up after a fifth of a second, which no `--timeout` can say."""

    def connection(**options: Any) -> Connection:
        return Connection(**options | {"timeout": 0.2})

    monkeypatch.setattr("cleanup.modelarts.http.connection.Connection", connection)


class TestOneFault:
    @pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in OF_LISTS])
    def test_of_deletes_and_look_ups(
        self, cli: Cli, prepare: Prepare, clock: JumpingClock, fault: Fault
    ) -> None:
        options = SHORT if fault in HANGING else ("--max-staleness", "0s")
        job = prepare(Witness(100, now=clock.now), "--rate", "50", *options, drip=0.001)
        calls = ["delete"] if fault in OF_DELETES else ["delete", "show"]
        set_faults(job.cloud, *(f"{name}:{fault}=0.3" for name in calls))
        run = audit(job, cli(*job.apply))
        assert run.outcomes.keys() <= OUTCOMES.get(fault, TRANSIENT)
        shown = sum(request.fault == fault for request in job.service.requests)
        assert shown > (0 if fault in ENDING else 10)
        check_rate(job, 50, 64 if fault in HANGING else 16)
        if fault in PASSING:
            assert run.outcomes["failed"] + run.outcomes["unknown"] < 5

    @pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in OF_DELETES])
    def test_of_lists(self, cli: Cli, prepare: Prepare, clock: JumpingClock, fault: Fault) -> None:
        options = SHORT if fault in HANGING else ()
        job = prepare(Witness(450, now=clock.now), *options, policy=FEW, drip=0.001)
        calls = ["list"] if fault in OF_LISTS else ["list", "notebooks", "all-notebooks"]
        set_faults(job.cloud, *(f"{name}:{fault}=0.3" for name in calls))
        applied = cli(*job.apply)
        assert any(request.fault == fault for request in job.service.requests)
        if applied.exit_code == 0:
            audit(job, applied)
        else:
            assert applied.exit_code in (5, 6), applied.output
            assert not job.service.asked(Operation.DELETE)
            assert not job.journal.exists()
        if fault in PASSING:
            assert applied.exit_code == 0, applied.output


def rates(calls: str, faults: list[Fault], total: float = 0.3) -> list[str]:
    return [f"{calls}:{fault}={total / len(faults):.6f}" for fault in faults]


def everything_wrong() -> list[str]:
    """30 % of all calls go wrong, in every way but those that rightly end a run before its first DELETE."""
    anything = [fault for fault in FAULTS if fault not in ENDING]
    return [
        *rates("delete", anything),
        *rates("show", [fault for fault in anything if fault not in OF_DELETES]),
        *rates("list", [*PASSING, Fault.SLOW]),
        *rates("all-notebooks", [*PASSING, Fault.SLOW]),
    ]


class TestAllFaultsAtOnce:
    def test_every_two_faults_in_a_row(self, cli: Cli, prepare: Prepare, clock: JumpingClock) -> None:
        """A lost answer and then a refusal, a refusal and then a lost answer, and every other pair."""
        job = prepare(Witness(1000, now=clock.now), *SHORT, drip=0.001)
        pairs = list(product([fault for fault in FAULTS if fault not in ENDING], repeat=2))
        assert len(job.planned) > len(pairs)
        script = [
            {"calls": "delete", "image": image_id, "fault": list(pair)}
            for image_id, pair in zip(job.planned, pairs, strict=False)
        ]
        set_faults(job.cloud, script=script)
        run = audit(job, cli(*job.apply, "--breaker", "0"))
        told = {
            pair: run.results[image_id]["outcome"] for image_id, pair in zip(job.planned, pairs, strict=False)
        }
        assert told[Fault.DROP_AFTER, Fault.FORBIDDEN] == "already-gone"
        assert told[Fault.HANG_AFTER, Fault.IN_USE] == "already-gone"
        assert told[Fault.DROP_BEFORE, Fault.FORBIDDEN] == "denied"
        assert told[Fault.TRUNCATED, Fault.INTERNAL] == "deleted"
        assert told[Fault.INTERNAL, Fault.STATUS_ERROR] == "failed"
        assert not run.outcomes["unknown"]

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize(
        ("images", "seed", "options"),
        [
            (2800, 1, ()),
            (150, 5, ("--max-staleness", "0s")),
            (400, 3, ("--concurrency", "3")),
            (500, 7, ("--concurrency", "64")),
        ],
        ids=["two-thousand", "every-image-looked-up", "few-at-a-time", "many-at-a-time"],
    )
    def test_every_image_ends_with_one_true_result(
        self,
        cli: Cli,
        prepare: Prepare,
        clock: JumpingClock,
        images: int,
        seed: int,
        options: tuple[str, ...],
    ) -> None:
        """The token ends twice in between, too."""
        access = Access(Auth.PASSWORD)
        service = Witness(images, seed=seed, now=clock.now)
        job = prepare(service, "--rate", "50", "--max-attempts", "8", *options, access=access, drip=0.001)
        for moment in (images // 3, images * 4 // 5):
            service.onlookers.append(nth(None, moment, lambda: access.expire_tokens(clock.now())))
        set_faults(job.cloud, *everything_wrong(), seed=seed)
        run = audit(job, cli(*job.apply))
        assert len(job.planned) >= (2000 if images > 2000 else 100)
        assert run.finished is not None
        assert run.finished["throttled"] > 0
        assert run.outcomes["deleted"] > len(job.planned) / 2
        assert {request.fault for request in service.requests if request.fault} >= {*PASSING, *OF_DELETES}
        assert len(service.asked(Operation.TOKEN)) == 2 + 2, "one for plan and apply each, two renewals"
        check_rate(job, 50, 64 if "64" in options else 16)

    def test_a_200_is_not_believed_before_the_image_is_gone(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Answers that claim success, or nothing at all, and did nothing."""
        other = {"id": "another-image", "status": "DELETED"}
        lies = cycle(
            [
                Answer(status=200),
                Answer(status=200, body=b"<html>OK</html>", content_type="text/html"),
                Answer(status=200, body=json.dumps(other).encode()),
                Answer(status=200, body=json.dumps([other]).encode()),
                Answer(status=202, body=b"{}"),
            ]
        )
        instead = {**misbehaviour._INSTEAD, Fault.EMPTY: lambda *_: next(lies)}
        monkeypatch.setattr(misbehaviour, "_INSTEAD", instead)
        job = prepare(Witness(120), "--settle-timeout", "0s")
        set_faults(job.cloud, "delete:empty=0.5")
        run = audit(job, cli(*job.apply))
        assert run.outcomes["unknown"] > 20
        assert run.outcomes["unknown"] + run.outcomes["deleted"] == len(job.planned)

    def test_resume_settles_what_was_left_unknown_however_often_it_takes(
        self, cli: Cli, prepare: Prepare, clock: JumpingClock
    ) -> None:
        job = prepare(Witness(150, now=clock.now), "--max-attempts", "2")
        lost = ("delete:drop-after=0.4", "delete:drop-before=0.4", "show:503=0.8")
        set_faults(job.cloud, *lost)
        called = cli(*job.apply)
        assert called.exit_code == 3
        assert audit(job, called).outcomes["unknown"] > 10
        for seed in range(1, 4):
            set_faults(job.cloud, *lost, seed=seed)
            assert cli(*job.resume).exit_code == 3
            assert "unknown" in audit_chain(job).values()
        set_faults(job.cloud)
        cli(*job.resume)
        assert set(audit_chain(job).values()) <= {"deleted", "already-gone", "failed"}
