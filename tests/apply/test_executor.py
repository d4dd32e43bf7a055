"""The worker pool: one verdict each, whatever happens; siblings, staleness, breaker, stop and drain."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import anyio
import pytest

from cleanup.apply.executor import Hands, execute
from cleanup.apply.recheck import Due
from cleanup.errors import InventoryError, JournalWriteError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.outcome import Outcome, Verdict
from cleanup.stop import Cause, Stop
from tests.support.builders import make_image

GONE = Verdict(outcome=Outcome.DELETED, http_status=200, image_status="DELETED", attempts=1)


@dataclass
class Cloud:
    """A scripted cloud: what each image answers, what is seen when it is looked up, and what was done."""

    answers: dict[str, Verdict | Callable[[], Awaitable[Verdict]]] = field(default_factory=dict)
    seen: dict[str, Image | Verdict] = field(default_factory=dict)
    in_use: InUse = field(default_factory=InUse)
    others: tuple[Image, ...] = ()
    time: float = 0.0
    deleted: list[tuple[str, bool]] = field(default_factory=list)
    intended: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    reported: list[tuple[str, Verdict]] = field(default_factory=list)
    journal_breaks_after: int | None = None
    waits_before_a_delete: list[float] = field(default_factory=list)

    async def delete(self, image_id: str, force: bool, fresh: Callable[[], bool]) -> Verdict | None:
        self.time += self.waits_before_a_delete.pop(0) if self.waits_before_a_delete else 0.0
        if not fresh():
            return None
        self.deleted.append((image_id, force))
        answer = self.answers.get(image_id, GONE)
        return answer if isinstance(answer, Verdict) else await answer()

    async def look_up(self, image_id: str) -> Image | Verdict:
        self.looked_up.append(image_id)
        if image_id not in self.seen:
            raise InventoryError("the service does not answer")
        return self.seen[image_id]

    async def users(self) -> tuple[InUse, float]:
        return self.in_use, self.time

    async def sharers(self, image: Image) -> Iterable[Image]:
        return self.others

    async def intend(self, one: Due) -> None:
        if self.journal_breaks_after is not None and len(self.intended) >= self.journal_breaks_after:
            raise JournalWriteError("cannot write the journal: no space left on device")
        self.intended.append(one.image.id)

    def report(self, one: Due, verdict: Verdict) -> None:
        self.reported.append((one.image.id, verdict))

    @property
    def hands(self) -> Hands:
        return Hands(
            delete=self.delete,
            look_up=self.look_up,
            users=self.users,
            sharers=self.sharers,
            intend=self.intend,
            report=self.report,
            clock=lambda: self.time,
        )


def due(count: int = 3, **fields: object) -> list[Due]:
    return [
        Due(image=make_image(f"i{number}"), rule="r", force=False, seen_at=0.0, **fields)  # type: ignore[arg-type]
        for number in range(count)
    ]


def outcomes(verdicts: dict[str, Verdict]) -> dict[str, Outcome]:
    return {image_id: verdict.outcome for image_id, verdict in verdicts.items()}


async def test_every_image_gets_one_verdict_and_one_report() -> None:
    cloud = Cloud(answers={"i1": Verdict(outcome=Outcome.FAILED, http_status=500, attempts=5)})
    verdicts = await execute(due(5), cloud.hands, Stop(), concurrency=2)
    assert outcomes(verdicts) == {
        "i0": Outcome.DELETED,
        "i1": Outcome.FAILED,
        "i2": Outcome.DELETED,
        "i3": Outcome.DELETED,
        "i4": Outcome.DELETED,
    }
    assert sorted(id_ for id_, _ in cloud.reported) == sorted(verdicts)


async def test_nothing_due_is_nothing_done() -> None:
    assert await execute([], Cloud().hands, Stop()) == {}


async def test_the_intent_is_there_before_the_delete_leaves() -> None:
    cloud = Cloud()

    async def check() -> Verdict:
        assert "i0" in cloud.intended
        return GONE

    cloud.answers["i0"] = check
    verdicts = await execute(due(1), cloud.hands, Stop())
    assert verdicts["i0"].outcome is Outcome.DELETED


async def test_no_delete_is_sent_once_the_journal_cannot_be_written() -> None:
    cloud = Cloud(journal_breaks_after=1)
    stop = Stop()
    verdicts = await execute(due(4), cloud.hands, stop, concurrency=1)
    assert [id_ for id_, _ in cloud.deleted] == ["i0"]
    assert stop.cause is Cause.JOURNAL
    assert [verdicts[f"i{n}"].outcome for n in (1, 2, 3)] == [Outcome.NOT_ATTEMPTED] * 3


@pytest.mark.parametrize(("age", "looked_up"), [(299.0, []), (300.0, ["i0"]), (1000.0, ["i0"])])
async def test_a_stale_observation_is_renewed_before_its_delete(age: float, looked_up: list[str]) -> None:
    cloud = Cloud(seen={"i0": make_image("i0")}, time=age)
    await execute(due(1), cloud.hands, Stop(), max_staleness=300)
    assert cloud.looked_up == looked_up
    assert cloud.deleted == [("i0", False)]


async def test_zero_staleness_looks_every_image_up_first() -> None:
    cloud = Cloud(seen={f"i{n}": make_image(f"i{n}") for n in range(3)})
    await execute(due(3), cloud.hands, Stop(), max_staleness=0)
    assert sorted(cloud.looked_up) == ["i0", "i1", "i2"]


async def test_what_went_stale_while_its_delete_waited_is_looked_at_again() -> None:
    cloud = Cloud(seen={"i0": make_image("i0")}, waits_before_a_delete=[301.0, 299.0])
    verdicts = await execute(due(1), cloud.hands, Stop(), max_staleness=300)
    assert (cloud.looked_up, cloud.deleted) == (["i0"], [("i0", False)])
    assert verdicts["i0"].outcome is Outcome.DELETED


async def test_what_changed_while_its_delete_waited_is_left_alone() -> None:
    cloud = Cloud(seen={"i0": make_image("i0", tag="other")}, waits_before_a_delete=[301.0])
    verdicts = await execute(due(1), cloud.hands, Stop(), max_staleness=300)
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert cloud.deleted == []


async def test_what_is_stale_again_and_again_is_not_deleted() -> None:
    cloud = Cloud(seen={"i0": make_image("i0")}, waits_before_a_delete=[31.0] * 9)
    verdicts = await execute(due(1), cloud.hands, Stop(), max_staleness=0, grace=30)
    assert verdicts["i0"].outcome is Outcome.FAILED
    assert "too old" in (verdicts["i0"].error_msg or "")
    assert cloud.deleted == []


async def test_very_fresh_looks_are_taken_one_image_at_a_time() -> None:
    cloud = Cloud(seen={f"i{n}": make_image(f"i{n}") for n in range(6)})
    under_way: list[str] = []

    def answer_of(image_id: str) -> Callable[[], Awaitable[Verdict]]:
        async def answer() -> Verdict:
            assert cloud.looked_up == [*under_way, image_id]
            await anyio.lowlevel.checkpoint()
            under_way.append(image_id)
            return GONE

        return answer

    cloud.answers = {f"i{n}": answer_of(f"i{n}") for n in range(6)}
    await execute(due(6), cloud.hands, Stop(), concurrency=4, max_staleness=0)
    assert len(under_way) == 6


async def test_a_namesake_of_unknown_path_keeps_the_content() -> None:
    namesake = make_image("new", status="CREATING", tag="1", swr_path=None)
    cloud = Cloud(seen={one.image.id: one.image for one in pair()}, others=(namesake,), time=999)
    await execute(pair(), cloud.hands, Stop())
    assert cloud.deleted == [("first", False), ("carrier", False)]


async def test_an_image_the_listing_did_not_show_is_looked_up() -> None:
    cloud = Cloud(seen={"i0": Verdict(outcome=Outcome.ALREADY_GONE, http_status=404)})
    one = Due(image=make_image("i0"), rule="r", force=False, seen_at=None)
    verdicts = await execute([one], cloud.hands, Stop())
    assert verdicts["i0"].outcome is Outcome.ALREADY_GONE
    assert cloud.deleted == []


async def test_what_changed_since_is_left_alone() -> None:
    cloud = Cloud(seen={"i0": make_image("i0", tag="other")}, time=999)
    verdicts = await execute(due(1), cloud.hands, Stop())
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert "tag dev-i0 -> other" in (verdicts["i0"].error_msg or "")
    assert cloud.deleted == []


async def test_what_came_into_use_is_left_alone() -> None:
    cloud = Cloud(in_use=InUse([Use(user="notebook night-7 (RUNNING)", image_id="i0")]))
    verdicts = await execute(due(1), cloud.hands, Stop())
    assert verdicts["i0"].outcome is Outcome.DRIFTED
    assert cloud.deleted == []


async def test_what_cannot_be_looked_up_is_not_deleted() -> None:
    cloud = Cloud(time=999)
    verdicts = await execute(due(1), cloud.hands, Stop())
    assert verdicts["i0"].outcome is Outcome.FAILED
    assert cloud.deleted == []


def pair(**fields: object) -> list[Due]:
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
            **fields,  # type: ignore[arg-type]
        ),
    ]


async def test_content_goes_with_the_last_record_once_the_others_are_gone() -> None:
    cloud = Cloud()
    started = anyio.Event()

    async def slow() -> Verdict:
        started.set()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert cloud.deleted == [("first", False)]
        return GONE

    cloud.answers["first"] = slow
    verdicts = await execute(pair(), cloud.hands, Stop(), concurrency=4)
    assert cloud.deleted == [("first", False), ("carrier", True)]
    assert verdicts["carrier"].force is True


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.DELETED, Outcome.ALREADY_GONE)])
async def test_content_stays_when_a_sibling_did_not_go(outcome: Outcome) -> None:
    cloud = Cloud(answers={"first": Verdict(outcome=outcome)})
    verdicts = await execute(pair(), cloud.hands, Stop())
    assert cloud.deleted == [("first", False), ("carrier", False)]
    assert verdicts["carrier"].force is False


async def test_content_stays_when_a_new_record_shares_it() -> None:
    newcomer = make_image("new", swr_path="SWR.example.com/ml-vision/trainer:1")
    cloud = Cloud(seen={one.image.id: one.image for one in pair()}, others=(newcomer,), time=999)
    await execute(pair(), cloud.hands, Stop())
    assert cloud.deleted == [("first", False), ("carrier", False)]


async def test_the_breaker_stops_after_bad_results_only() -> None:
    bad = Verdict(outcome=Outcome.FAILED, http_status=500, error_msg="no")
    cloud = Cloud(answers={f"i{n}": bad for n in range(50)})
    stop = Stop()
    verdicts = await execute(due(50), cloud.hands, stop, concurrency=1, breaker=20)
    assert len(cloud.deleted) == 20
    assert stop.cause is Cause.BREAKER
    assert "20 results were all failures" in stop.why
    assert list(outcomes(verdicts).values()).count(Outcome.NOT_ATTEMPTED) == 30


async def test_one_success_among_the_last_keeps_the_breaker_closed() -> None:
    bad = Verdict(outcome=Outcome.FAILED, http_status=500)
    cloud = Cloud(answers={f"i{n}": bad for n in range(50) if n % 10})
    stop = Stop()
    await execute(due(50), cloud.hands, stop, concurrency=1, breaker=20)
    assert len(cloud.deleted) == 50
    assert not stop


async def test_a_401_that_stays_ends_the_run() -> None:
    cloud = Cloud(answers={"i1": Verdict(outcome=Outcome.DENIED, http_status=401, error_msg="expired")})
    stop = Stop()
    verdicts = await execute(due(4), cloud.hands, stop, concurrency=1)
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

    async def stopping() -> Verdict:
        stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
        await anyio.lowlevel.checkpoint()
        return GONE

    cloud.answers["i0"] = stopping
    verdicts = await execute(due(3), cloud.hands, stop, concurrency=1)
    assert outcomes(verdicts) == {
        "i0": Outcome.DELETED,
        "i1": Outcome.NOT_ATTEMPTED,
        "i2": Outcome.NOT_ATTEMPTED,
    }
    assert verdicts["i1"].error_msg == "interrupted by SIGTERM"


async def test_an_abort_leaves_what_was_under_way_unknown() -> None:
    cloud = Cloud()
    stop = Stop()

    async def hanging() -> Verdict:
        stop.abort(Cause.SIGNAL, "interrupted by SIGINT")
        await anyio.sleep_forever()
        raise AssertionError

    cloud.answers["i0"] = hanging
    verdicts = await execute(due(2), cloud.hands, stop, concurrency=1)
    assert outcomes(verdicts) == {"i0": Outcome.UNKNOWN, "i1": Outcome.NOT_ATTEMPTED}
    assert len(cloud.reported) == 2


async def test_draining_ends_by_its_timeout() -> None:
    cloud = Cloud()
    stop = Stop(drain_seconds=0)

    async def hanging() -> Verdict:
        stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
        await anyio.sleep_forever()
        raise AssertionError

    cloud.answers["i0"] = hanging
    verdicts = await execute(due(1), cloud.hands, stop)
    assert verdicts["i0"].outcome is Outcome.UNKNOWN


async def test_a_bug_in_a_worker_still_leaves_a_verdict_for_each() -> None:
    cloud = Cloud()

    async def broken() -> Verdict:
        raise ZeroDivisionError

    cloud.answers["i0"] = broken
    with pytest.raises(BaseExceptionGroup):
        await execute(due(1), cloud.hands, Stop())
    assert [(id_, verdict.outcome) for id_, verdict in cloud.reported] == [("i0", Outcome.UNKNOWN)]
