"""One request until it has its answer: what is tried again, how often, and what remains in doubt."""

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from cleanup.errors import AccessDenied
from cleanup.modelarts.auth.credentials import Credentials, Secret
from cleanup.modelarts.http.messages import NoResponse, Request, Response, Result
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.transport import as_bytes
from cleanup.stop import Cause, Stop
from tests.support.stage import LOST, NOW, REFUSED, Stage, Time, error, make_transport, reply

DELETE = Request(
    method="DELETE", origin="https://modelarts.test", path="/v1/p1/images/i", query=(("force", "true"),)
)


async def sent(*steps: Response | NoResponse, **options: Any) -> tuple[Result[bytes], Stage]:
    stage = Stage(*steps)
    answer = await make_transport(stage, **options).request(DELETE, as_bytes)
    assert stage.all_played
    return answer, stage


async def test_an_answer_at_once() -> None:
    answer, stage = await sent(
        reply(200, b"{}", X_Request_Id="r1", Date="Mon, 23 Nov 2026 12:00:03 GMT", Location="/no/redirect")
    )
    assert answer == Result(
        label="DELETE https://modelarts.test/v1/p1/images/i",
        status=200,
        body=b"{}",
        value=b"{}",
        request_id="r1",
        date=datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC),
        attempts=1,
    )
    assert stage.requests == [DELETE]


@pytest.mark.parametrize(
    ("passing", "doubtful"),
    [(reply(429), False), (REFUSED, False), (LOST, True)]
    + [(reply(status, b"<html>"), True) for status in (408, 425, 500, 501, 502, 503, 504, 599)],
)
async def test_what_may_pass_is_tried_again(passing: Response | NoResponse, doubtful: bool) -> None:
    answer, _ = await sent(passing, passing, reply(200))
    assert (answer.status, answer.attempts, answer.doubtful) == (200, 3, doubtful)


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 403, 404, 405, 409, 418])
async def test_what_is_final_is_not(status: int) -> None:
    answer, _ = await sent(reply(status))
    assert (answer.status, answer.attempts, answer.doubtful) == (status, 1, False)


@pytest.mark.parametrize(
    ("passing", "status"), [(reply(429), 429), (reply(503), 503), (LOST, None), (REFUSED, None)]
)
async def test_attempts_end(passing: Response | NoResponse, status: int | None) -> None:
    answer, _ = await sent(*[passing] * 3, max_attempts=3)
    assert (answer.status, answer.attempts, answer.stopped) == (status, 3, False)
    assert answer.trouble == (passing.why if isinstance(passing, NoResponse) else None)


async def test_a_doubt_outlives_later_answers() -> None:
    answer, _ = await sent(LOST, reply(429), REFUSED, reply(403))
    assert (answer.status, answer.attempts, answer.doubtful) == (403, 4, True)


async def test_backoff_grows_with_full_jitter() -> None:
    time = Time()
    await sent(*[REFUSED] * 5, time=time)
    assert [pause for pause in time.slept if pause > 0.01] == [0.25, 0.5, 1.0, 2.0]


async def test_after_a_429_by_chance_the_backoff_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RateLimiter, "refused_by_chance", True)
    time = Time()
    await sent(*[REFUSED] * 2, *[reply(429)] * 2, reply(200), time=time)
    assert [pause for pause in time.slept if pause > 0.02][:2] == [0.25, 0.5]
    assert 0.1 in time.slept


async def test_what_must_not_be_repeated_is_repeated_only_while_it_cannot_have_had_an_effect() -> None:
    stage = Stage(reply(429), REFUSED, LOST)
    answer = await make_transport(stage).request(DELETE, as_bytes, repeatable=False)
    assert stage.all_played
    assert (answer.status, answer.attempts, answer.doubtful) == (None, 3, True)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, 0.25),
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "1.5"}, 1.5),
        ({"Retry_After": "0"}, 0.25),
        ({"Retry_After": "99999"}, 300),
        ({"Retry_After": "9" * 500}, 300),
        ({"Retry_After": "Mon, 23 Nov 2026 12:00:09 GMT"}, 9),
        ({"Retry_After": "Mon, 23 Nov 2026 12:00:09 GMT", "Date": "Mon, 23 Nov 2026 12:00:05 GMT"}, 4),
        ({"Retry_After": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.25),
        ({"Retry_After": "-3"}, 0.25),
        ({"Retry_After": "soon"}, 0.25),
        ({"Retry_After": "nan"}, 0.25),
    ],
)
async def test_a_429_pauses_everybody(headers: dict[str, str], pause: float) -> None:
    time = Time()
    stage = Stage(reply(429, **headers))
    transport = make_transport(stage, time=time, max_attempts=1, rate=100)
    assert transport.limiter
    await transport.request(DELETE, as_bytes)
    began = time()
    await transport.limiter.acquire()
    assert time() - began == pytest.approx(pause + 1 / transport.limiter.rate_now)
    assert transport.limiter.refused_count == 1


class Rotating:
    """Tokens that can be renewed: t1, t2, ... up to `last`."""

    def __init__(self, last: int = 9) -> None:
        self.fetched, self._last = 0, last

    async def fetch(self) -> Secret[str]:
        await anyio.lowlevel.checkpoint()
        if self.fetched == self._last:
            raise AccessDenied("no more")
        self.fetched += 1
        return Secret(f"t{self.fetched}", "a test")

    def credentials(self) -> Credentials[Any]:
        return Credentials(self.fetch, lambda request, token: {"X-Auth-Token": token}, lambda: NOW)


async def test_a_401_is_cured_by_fresh_credentials() -> None:
    answer, stage = await sent(error(401, "ModelArts.0202"), reply(200), credentials=Rotating().credentials())
    assert [headers["X-Auth-Token"] for headers in stage.headers] == ["t1", "t2"]
    assert (answer.status, answer.attempts, answer.doubtful) == (200, 2, False)


async def test_renewals_are_bounded_like_attempts() -> None:
    rotating = Rotating()
    answer, _ = await sent(*[reply(401)] * 4, max_attempts=3, credentials=rotating.credentials())
    assert (answer.status, answer.attempts, rotating.fetched) == (401, 4, 4)


async def test_a_secret_that_ends_again_while_its_request_waits_is_renewed_again() -> None:
    rotating = Rotating()
    steps = (reply(401), reply(503), reply(401), reply(503), reply(200))
    answer, _ = await sent(*steps, max_attempts=3, credentials=rotating.credentials())
    assert (answer.status, answer.attempts, rotating.fetched) == (200, 5, 3)


async def test_a_401_without_fresh_credentials_is_the_answer() -> None:
    answer, _ = await sent(reply(401), credentials=Rotating(last=1).credentials())
    assert (answer.status, answer.attempts) == (401, 1)


async def test_the_repeat_after_a_401_costs_no_attempt() -> None:
    answer, _ = await sent(
        reply(500), reply(401), reply(500), reply(200), max_attempts=3, credentials=Rotating().credentials()
    )
    assert (answer.status, answer.attempts) == (200, 4)


async def test_all_who_meet_the_401_share_one_renewal() -> None:
    rotating = Rotating()

    def judge(_: Request) -> Response:
        return reply(200 if stage.headers[-1]["X-Auth-Token"] != "t1" else 401)

    stage = Stage(otherwise=judge)
    transport = make_transport(stage, credentials=rotating.credentials())
    answers: list[Result[bytes]] = []

    async def worker() -> None:
        answers.append(await transport.request(DELETE, as_bytes))

    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(worker)
    assert {answer.status for answer in answers} == {200}
    assert rotating.fetched == 2


async def test_without_credentials_nothing_is_sent() -> None:
    stage = Stage()
    with pytest.raises(AccessDenied):
        await make_transport(stage, credentials=Rotating(last=0).credentials()).request(DELETE, as_bytes)
    assert not stage.requests


def stopped() -> Stop:
    stop = Stop()
    stop.request(Cause.SIGNAL, "interrupted")
    return stop


class TestStopping:
    async def test_nothing_is_begun_after_a_stop(self) -> None:
        stop = stopped()
        answer, stage = await sent(stop=stop)
        assert answer == Result(label="DELETE https://modelarts.test/v1/p1/images/i", stopped=True)
        assert not stage.requests

    async def test_a_stop_ends_the_backoff(self) -> None:
        stop, time = Stop(), Time()

        async def for_ever(_: float) -> None:
            stop.request(Cause.SIGNAL, "interrupted")
            await anyio.sleep_forever()

        time.sleep = for_ever  # type: ignore[method-assign, assignment]
        answer, _ = await sent(LOST, time=time, stop=stop)
        assert (answer.stopped, answer.attempts, answer.doubtful, answer.status) == (True, 1, True, None)

    async def test_a_stop_ends_the_wait_for_the_limiter(self) -> None:
        stop, time = Stop(), Time()
        stage = Stage(reply(200))
        transport = make_transport(stage, time=time, rate=0.001, stop=stop)
        await transport.request(DELETE, as_bytes)

        async def for_ever(_: float) -> None:
            stop.request(Cause.SIGNAL, "interrupted")
            await anyio.sleep_forever()

        assert transport.limiter
        transport.limiter._sleep = for_ever
        answer = await transport.request(DELETE, as_bytes)
        assert (answer.stopped, answer.attempts) == (True, 0)
        assert len(stage.requests) == 1

    async def test_a_request_on_its_way_is_finished(self) -> None:
        stop = Stop()

        async def slow(_: Request) -> Response:
            stop.request(Cause.SIGNAL, "interrupted")
            await anyio.lowlevel.checkpoint()
            return reply(200)

        stage = Stage(slow)
        answer = await make_transport(stage, stop=stop).request(DELETE, as_bytes)
        assert (answer.status, answer.stopped) == (200, False)

    async def test_what_was_begun_is_settled_all_the_same(self) -> None:
        stop = stopped()
        stage = Stage(LOST, reply(200))
        answer = await make_transport(stage, stop=stop).request(DELETE, as_bytes, ignore_stop=True)
        assert (answer.status, answer.attempts) == (200, 2)


async def test_a_cancelled_request_leaves_the_limiter_usable() -> None:
    async def hang(_: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    stage = Stage(hang, reply(200))
    transport = make_transport(stage)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(transport.request, DELETE, as_bytes)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert (await transport.request(DELETE, as_bytes)).status == 200


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.test/sso?ticket=secret#x", "https://login.test/sso"),
        ("/v2/p1/images?token=secret", "/v2/p1/images"),
        ("https://user:secret@login.test:8443/x", "https://login.test/x"),
        ("http://[broken", "an address that is none"),
        ("https://login.test/\udcff\x1b[31m", "https://login.test/\ufffd\ufffd[31m"),
    ],
)
async def test_a_redirect_says_where_to_but_no_secret(location: str, shown: str) -> None:
    answer, _ = await sent(reply(302, Location=location))
    assert answer.redirect == shown


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_retry_after_holds_also_where_the_request_may_not_leave_after_it(status: int) -> None:
    time = Time()
    stage, began = Stage(reply(status, Retry_After="9")), time()
    answer = await make_transport(stage, time=time).request(DELETE, as_bytes, send_before=began + 5)
    assert (answer.stale, answer.attempts) == (True, 1)
    assert 9 <= time() - began < 10


async def test_a_request_id_of_odd_bytes_can_be_written() -> None:
    answer, _ = await sent(reply(400, X_Request_Id="a\udcff\x1b[31m"))
    assert answer.request_id == "a\ufffd\ufffd[31m"


async def test_an_answer_that_is_too_large_says_so() -> None:
    answer, _ = await sent(Response(200, b"", {}, "its answer is larger than 1 MiB and was not read"))
    assert answer.trouble == "its answer is larger than 1 MiB and was not read"
