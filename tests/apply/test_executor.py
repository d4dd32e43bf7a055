"""The worker pool: one verdict each, whatever happens; siblings, staleness, breaker, stop and drain."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import pytest

from cleanup.apply.executor import Executor
from cleanup.apply.fresh_use import FreshUse
from cleanup.apply.recheck import Due
from cleanup.errors import JournalWriteError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.journal import DeleteIntent, DeleteResult, Journal
from cleanup.journal.records import Line
from cleanup.modelarts.client import Client
from cleanup.modelarts.http.messages import Result
from cleanup.outcome import Outcome, Verdict
from cleanup.stop import Cause, Stop
from tests.support.builders import EVERYTHING, make_image

DELETED = b'{"status": "DELETED"}'


def answered(status: int, body: bytes = b"", **more: Any) -> Result[bytes]:
    """What came of a DELETE."""
    return Result(label="DELETE", status=status, body=body, value=body, attempts=1, **more)


GONE = answered(200, DELETED)
NOT_FOUND = b'{"error_code": "ModelArts.6797", "error_msg": "Specified image cannot be found"}'
FAILED = answered(400, b'{"error_code": "ModelArts.0104", "error_msg": "no"}')


@dataclass
class Cloud:
    """A scripted cloud that stands in for client, journal and users: what each DELETE is answered, what
    is seen when an image is looked up, and what was done. Unscripted DELETEs succeed."""

    answers: dict[str, Result[bytes] | Callable[[], Awaitable[Result[bytes]]]] = field(default_factory=dict)
    seen: dict[str, Image | None] = field(default_factory=dict)
    in_use: InUse = field(default_factory=InUse)
    others: tuple[Image, ...] = ()
    workspaces: tuple[str, ...] = ("0", "w1")
    started: Use | None = None
    time: float = 0.0
    deleted: list[tuple[str, bool]] = field(default_factory=list)
    intended: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    reported: list[DeleteResult] = field(default_factory=list)
    journal_breaks_after: int | None = None
    waits_before_a_delete: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.time

    async def delete_image(
        self, image_id: str, *, force: bool, send_before: float, on_send: Callable[[int], None]
    ) -> Result[bytes]:
        self.time += self.waits_before_a_delete.pop(0) if self.waits_before_a_delete else 0.0
        if self.time >= send_before:
            return Result(label="DELETE", stale=True)
        on_send(1)
        self.deleted.append((image_id, force))
        answer = self.answers.get(image_id, GONE)
        return answer if isinstance(answer, Result) else await answer()

    async def get_image(self, image_id: str, *, ignore_stop: bool = False) -> Result[Image]:
        self.looked_up.append(image_id)
        if image_id not in self.seen:
            return Result(label="GET", trouble="the service does not answer", attempts=1)
        if (image := self.seen[image_id]) is None:
            return Result(label="GET", status=404, body=NOT_FOUND, attempts=1)
        return Result(label="GET", status=200, value=image, attempts=1)

    async def same_repository(self, image: Image, workspaces: Sequence[str]) -> Iterable[Image]:
        assert workspaces == self.workspaces
        return self.others

    async def last_look(self, image: Image) -> Use | None:
        return self.started

    who_uses = last_look

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await anyio.lowlevel.checkpoint()

    async def get(self) -> tuple[InUse, float]:
        return self.in_use, self.time

    async def write_ahead(self, line: DeleteIntent) -> None:
        if self.journal_breaks_after is not None and len(self.intended) >= self.journal_breaks_after:
            raise JournalWriteError("cannot write the journal: no space left on device")
        self.intended.append(line.image_id)

    def write_behind(self, line: Line) -> None:
        assert isinstance(line, DeleteResult)
        self.reported.append(line)

    def catch_up(self) -> None:
        """All has been written at once."""


async def execute(
    due: Sequence[Due], cloud: Cloud, stop: Stop | None = None, **options: Any
) -> dict[str, Verdict]:
    executor = Executor(
        cast(Client, cloud),
        cast(Journal, cloud),
        cast(FreshUse, cloud),
        Stop() if stop is None else stop,
        policy=EVERYTHING,
        clock=cloud.clock,
        sleep=cloud.sleep,
        **options,
    )
    return await executor.execute(due)


def due(count: int = 3, **fields: object) -> list[Due]:
    return [
        Due(image=make_image(f"i{number}"), rule="r", force=False, seen_at=0.0, **fields)  # type: ignore[arg-type]
        for number in range(count)
    ]


def outcomes(verdicts: dict[str, Verdict]) -> dict[str, Outcome]:
    return {image_id: verdict.outcome for image_id, verdict in verdicts.items()}


async def test_every_image_gets_one_verdict_and_one_report() -> None:
    cloud = Cloud(answers={"i1": FAILED})
    verdicts = await execute(due(5), cloud, Stop(), concurrency=2)
    assert outcomes(verdicts) == {
        "i0": Outcome.DELETED,
        "i1": Outcome.FAILED,
        "i2": Outcome.DELETED,
        "i3": Outcome.DELETED,
        "i4": Outcome.DELETED,
    }
    assert sorted(line.image_id for line in cloud.reported) == sorted(verdicts)


async def test_nothing_due_is_nothing_done() -> None:
    assert await execute([], Cloud(), Stop()) == {}


async def test_the_intent_is_there_before_the_delete_leaves() -> None:
    cloud = Cloud()

    async def check() -> Result[bytes]:
        assert "i0" in cloud.intended
        return GONE

    cloud.answers["i0"] = check
    verdicts = await execute(due(1), cloud, Stop())
    assert verdicts["i0"].outcome is Outcome.DELETED


async def test_no_delete_is_sent_once_the_journal_cannot_be_written() -> None:
    cloud = Cloud(journal_breaks_after=1)
    stop = Stop()
    verdicts = await execute(due(4), cloud, stop, concurrency=1)
    assert [id_ for id_, _ in cloud.deleted] == ["i0"]
    assert stop.cause is Cause.JOURNAL
    assert [verdicts[f"i{n}"].outcome for n in (1, 2, 3)] == [Outcome.NOT_ATTEMPTED] * 3


@pytest.mark.parametrize(("age", "looked_up"), [(299.0, []), (300.0, ["i0"]), (1000.0, ["i0"])])
async def test_a_stale_observation_is_renewed_before_its_delete(age: float, looked_up: list[str]) -> None:
    cloud = Cloud(seen={"i0": make_image("i0")}, time=age)
    await execute(due(1), cloud, Stop(), max_staleness=300)
    assert cloud.looked_up == looked_up
    assert cloud.deleted == [("i0", False)]


async def test_zero_staleness_looks_every_image_up_first() -> None:
    cloud = Cloud(seen={f"i{n}": make_image(f"i{n}") for n in range(3)})
    await execute(due(3), cloud, Stop(), max_staleness=0)
    assert sorted(cloud.looked_up) == ["i0", "i1", "i2"]


async def test_what_went_stale_while_its_delete_waited_is_looked_at_again() -> None:
    cloud = Cloud(seen={"i0": make_image("i0")}, waits_before_a_delete=[301.0, 299.0])
    verdicts = await execute(due(1), cloud, Stop(), max_staleness=300)
    assert (cloud.looked_up, cloud.deleted) == (["i0"], [("i0", False)])
    assert verdicts["i0"].outcome is Outcome.DELETED


async def test_what_changed_while_its_delete_waited_is_left_alone() -> None:
    cloud = Cloud(seen={"i0": make_image("i0", tag="other")}, waits_before_a_delete=[301.0])
    verdicts = await execute(due(1), cloud, Stop(), max_staleness=300)
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert cloud.deleted == []


async def test_what_is_stale_again_and_again_is_not_deleted() -> None:
    cloud = Cloud(seen={"i0": make_image("i0")}, waits_before_a_delete=[31.0] * 9)
    verdicts = await execute(due(1), cloud, Stop(), max_staleness=0)
    assert verdicts["i0"].outcome is Outcome.FAILED
    assert "too old" in (verdicts["i0"].error_msg or "")
    assert cloud.deleted == []


async def test_very_fresh_looks_are_taken_one_image_at_a_time() -> None:
    cloud = Cloud(seen={f"i{n}": make_image(f"i{n}") for n in range(6)})
    under_way: list[str] = []

    def answer_of(image_id: str) -> Callable[[], Awaitable[Result[bytes]]]:
        async def answer() -> Result[bytes]:
            assert cloud.looked_up == [*under_way, image_id]
            await anyio.lowlevel.checkpoint()
            under_way.append(image_id)
            return GONE

        return answer

    cloud.answers = {f"i{n}": answer_of(f"i{n}") for n in range(6)}
    await execute(due(6), cloud, Stop(), concurrency=4, max_staleness=0)
    assert len(under_way) == 6


async def test_a_namesake_of_unknown_path_keeps_the_content() -> None:
    namesake = make_image("new", status="CREATING", tag="1", swr_path=None)
    cloud = Cloud(seen={one.image.id: one.image for one in pair()}, others=(namesake,), time=999)
    await execute(pair(), cloud, Stop())
    assert cloud.deleted == [("first", False), ("carrier", False)]


async def test_an_image_the_listing_did_not_show_is_looked_up() -> None:
    cloud = Cloud(seen={"i0": None})
    one = Due(image=make_image("i0"), rule="r", force=False, listed=False)
    verdicts = await execute([one], cloud, Stop())
    assert verdicts["i0"].outcome is Outcome.ALREADY_GONE
    cloud = Cloud(seen={"i0": make_image("i0")})
    verdicts = await execute([one], cloud, Stop())
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert cloud.deleted == []


async def test_what_changed_since_is_left_alone() -> None:
    cloud = Cloud(seen={"i0": make_image("i0", tag="other")}, time=999)
    verdicts = await execute(due(1), cloud, Stop())
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert "tag dev-i0 -> other" in (verdicts["i0"].error_msg or "")
    assert cloud.deleted == []


async def test_what_came_into_use_is_left_alone() -> None:
    cloud = Cloud(in_use=InUse([Use(user="notebook night-7 (RUNNING)", image_id="i0")]))
    verdicts = await execute(due(1), cloud, Stop())
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert cloud.deleted == []


async def test_what_cannot_be_looked_up_is_not_deleted() -> None:
    cloud = Cloud(time=999)
    verdicts = await execute(due(1), cloud, Stop())
    assert verdicts["i0"].outcome is Outcome.FAILED
    assert cloud.deleted == []


def pair(**fields: Any) -> list[Due]:
    """Two records of one content; the second takes the content along."""
    path = "swr.example.com/ml-vision/trainer:1"
    return [
        Due(image=make_image("first", swr_path=path), rule="r", force=False, seen_at=0.0),
        Due(
            image=make_image("carrier", swr_path=path),
            rule="r",
            force=True,
            seen_at=0.0,
            after=frozenset({"first"}),
            **fields,
        ),
    ]


async def test_content_goes_with_the_last_record_once_the_others_are_gone() -> None:
    cloud = Cloud()
    started = anyio.Event()

    async def slow() -> Result[bytes]:
        started.set()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert cloud.deleted == [("first", False)]
        return GONE

    cloud.answers["first"] = slow
    verdicts = await execute(pair(), cloud, Stop(), concurrency=4)
    assert cloud.deleted == [("first", False), ("carrier", True)]
    assert verdicts["carrier"].force is True


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (answered(409), Outcome.IN_USE),
        (answered(403), Outcome.DENIED),
        (FAILED, Outcome.FAILED),
        (Result(label="DELETE", trouble="no answer", attempts=1, doubtful=True), Outcome.UNKNOWN),
    ],
)
async def test_content_stays_when_a_sibling_did_not_go(answer: Result[bytes], outcome: Outcome) -> None:
    cloud = Cloud(answers={"first": answer})
    verdicts = await execute(pair(), cloud, Stop())
    assert verdicts["first"].outcome is outcome
    assert cloud.deleted == [("first", False), ("carrier", False)]
    assert verdicts["carrier"].force is False


async def test_content_stays_when_a_new_record_shares_it() -> None:
    newcomer = make_image("new", swr_path="SWR.example.com/ml-vision/trainer:1")
    cloud = Cloud(seen={one.image.id: one.image for one in pair()}, others=(newcomer,), time=999)
    await execute(pair(), cloud, Stop())
    assert cloud.deleted == [("first", False), ("carrier", False)]


async def test_the_breaker_stops_after_bad_results_only() -> None:
    cloud = Cloud(answers={f"i{n}": FAILED for n in range(50)})
    stop = Stop()
    verdicts = await execute(due(50), cloud, stop, concurrency=1, breaker=20)
    assert len(cloud.deleted) == 20
    assert stop.cause is Cause.BREAKER
    assert "20 results were all failures" in stop.why
    assert list(outcomes(verdicts).values()).count(Outcome.NOT_ATTEMPTED) == 30


async def test_one_success_among_the_last_keeps_the_breaker_closed() -> None:
    cloud = Cloud(answers={f"i{n}": FAILED for n in range(50) if n % 10})
    stop = Stop()
    await execute(due(50), cloud, stop, concurrency=1, breaker=20)
    assert len(cloud.deleted) == 50
    assert not stop


async def test_a_401_that_stays_ends_the_run() -> None:
    cloud = Cloud(answers={"i1": answered(401)})
    stop = Stop()
    verdicts = await execute(due(4), cloud, stop, concurrency=1)
    assert stop.cause is Cause.DENIED
    assert [outcomes(verdicts)[f"i{n}"] for n in range(4)] == [
        Outcome.DELETED,
        Outcome.DENIED,
        Outcome.NOT_ATTEMPTED,
        Outcome.NOT_ATTEMPTED,
    ]


async def test_a_stop_lets_the_requests_in_hand_finish() -> None:
    cloud = Cloud()
    stop = Stop()

    async def stopping() -> Result[bytes]:
        stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
        await anyio.lowlevel.checkpoint()
        return GONE

    cloud.answers["i0"] = stopping
    verdicts = await execute(due(3), cloud, stop, concurrency=1)
    assert outcomes(verdicts) == {
        "i0": Outcome.DELETED,
        "i1": Outcome.NOT_ATTEMPTED,
        "i2": Outcome.NOT_ATTEMPTED,
    }
    assert verdicts["i1"].error_msg == "interrupted by SIGTERM"


async def test_an_abort_leaves_what_was_under_way_unknown() -> None:
    cloud = Cloud()
    stop = Stop()

    async def hanging() -> Result[bytes]:
        stop.abort(Cause.SIGNAL, "interrupted by SIGINT")
        await anyio.sleep_forever()
        raise AssertionError

    cloud.answers["i0"] = hanging
    verdicts = await execute(due(2), cloud, stop, concurrency=1)
    assert outcomes(verdicts) == {"i0": Outcome.UNKNOWN, "i1": Outcome.NOT_ATTEMPTED}
    assert len(cloud.reported) == 2


async def test_draining_ends_by_its_timeout() -> None:
    cloud = Cloud()
    stop = Stop(drain_seconds=0)

    async def hanging() -> Result[bytes]:
        stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
        await anyio.sleep_forever()
        raise AssertionError

    cloud.answers["i0"] = hanging
    verdicts = await execute(due(1), cloud, stop)
    assert verdicts["i0"].outcome is Outcome.UNKNOWN


async def test_a_bug_in_a_worker_still_leaves_a_verdict_for_each() -> None:
    cloud = Cloud()

    async def broken() -> Result[bytes]:
        raise ZeroDivisionError

    cloud.answers["i0"] = broken
    with pytest.raises(BaseExceptionGroup):
        await execute(due(1), cloud, Stop())
    assert [(line.image_id, line.outcome) for line in cloud.reported] == [("i0", Outcome.UNKNOWN)]


@pytest.mark.parametrize(("age", "outcome"), [(0.0, Outcome.DELETED), (301.0, Outcome.DRIFTED)])
async def test_a_notebook_that_started_while_an_image_waited_is_seen_by_the_last_look(
    age: float, outcome: Outcome
) -> None:
    [one] = due(1)
    cloud = Cloud(
        time=age, seen={"i0": one.image}, started=Use(user="notebook late (RUNNING)", image_id="i0")
    )
    verdicts = await execute([one], cloud)
    assert outcomes(verdicts) == {"i0": outcome}
    assert (verdicts["i0"].error_msg or "").endswith("used by notebook late (RUNNING)") is (age > 0)


class TestADeletionThatTakesTime:
    """It goes on beside other work, and its verdict comes when a look shows what came of it."""

    ACCEPTED = answered(202)

    def cloud(self, image_id: str, gone_after: float) -> Cloud:
        """The image is DELETING, and gone once so many seconds have been slept."""
        cloud = Cloud(
            answers={image_id: self.ACCEPTED}, seen={image_id: make_image(image_id, status="DELETING")}
        )
        sleep = cloud.sleep

        async def sleeping(seconds: float) -> None:
            await sleep(seconds)
            if cloud.time >= gone_after:
                cloud.seen[image_id] = None

        cloud.sleep = sleeping  # type: ignore[method-assign]
        return cloud

    async def test_it_occupies_no_worker(self) -> None:
        cloud = self.cloud("i0", gone_after=30)
        verdicts = await execute(due(3), cloud, concurrency=1)
        assert [line.image_id for line in cloud.reported] == ["i1", "i2", "i0"]
        assert set(outcomes(verdicts).values()) == {Outcome.DELETED}
        [slow] = [line for line in cloud.reported if line.image_id == "i0"]
        assert (slow.http_status, slow.attempts) == (202, 1)

    async def test_content_goes_once_the_other_record_is_really_gone(self) -> None:
        cloud = self.cloud("first", gone_after=30)
        verdicts = await execute(pair(), cloud, concurrency=1)
        assert cloud.deleted == [("first", False), ("carrier", True)]
        assert [line.image_id for line in cloud.reported] == ["first", "carrier"]
        assert verdicts["carrier"].force is True

    async def test_content_stays_where_the_other_record_is_not_gone_in_time(self) -> None:
        cloud = self.cloud("first", gone_after=30)
        verdicts = await execute(pair(), cloud, settle_timeout=20)
        assert cloud.deleted == [("first", False), ("carrier", False)]
        assert verdicts["first"].outcome is Outcome.UNKNOWN
        assert verdicts["carrier"].force is False

    @pytest.mark.parametrize(("drain", "outcome"), [(60, Outcome.DELETED), (0, Outcome.UNKNOWN)])
    async def test_a_stop_leaves_it_the_time_to_drain(self, drain: float, outcome: Outcome) -> None:
        cloud, stop = self.cloud("i0", gone_after=3), Stop(drain)
        sleep = cloud.sleep

        async def stopping(seconds: float) -> None:
            stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
            if not drain:
                await anyio.sleep_forever()
            await sleep(seconds)

        cloud.sleep = stopping  # type: ignore[method-assign]
        verdicts = await execute(due(1), cloud, stop)
        assert outcomes(verdicts) == {"i0": outcome}
        assert [(line.outcome, line.http_status) for line in cloud.reported] == [(outcome, 202)]
