"""One image's DELETE: every answer, and every series of answers, leads to the one claim that can be made."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanup.errors import CleanupError, InventoryError
from cleanup.image import Image
from cleanup.in_use import Use
from cleanup.modelarts import deletion
from cleanup.modelarts.deletion import Gone, Pending, Present, Stale, Unclear, look_up, settle, settle_doubt
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.outcome import Outcome, Verdict
from cleanup.stop import Cause, Stop
from tests.modelarts.test_wire import EXAMPLE
from tests.support.stage import LOST, REFUSED, Stage, Time, error, make_client, reply

ID = "c9ab2b2f-edda-4556-bdbb-494e868d043c"
DELETED = reply(200, {"id": ID, "status": "DELETED"}, X_Request_Id="req-1")
NOT_FOUND = error(404, "ModelArts.6797", "Specified image cannot be found")
THERE = reply(200, {"id": ID, "status": "ACTIVE"}, X_Request_Id="look-up")
GOING = reply(200, {"id": ID, "status": "DELETING"})
HTML = reply(502, b"<html><body>Bad Gateway</body></html>")


async def nobody() -> None:
    """No user of the image is found when they are read again."""


async def delete(
    *steps: Any,
    force: bool = False,
    who_uses: Callable[[], Awaitable[Use | None]] = nobody,
    otherwise: Any = None,
    **options: Any,
) -> tuple[Verdict, Stage]:
    """The DELETE, and the looks of two minutes where it takes its time."""
    stage, time = Stage(*steps, otherwise=otherwise), options.setdefault("time", Time())
    client = make_client(stage, **options)
    found = await deletion.delete(client, ID, force=force, who_uses=who_uses)
    if isinstance(found, Pending):
        found = await settle(client, found, until=time() + 120, sleep=time.sleep)
    assert stage.all_played
    assert isinstance(found, Verdict)
    return found, stage


class TestItsTime:
    """No DELETE leaves when what it rests on has become too old; what left before is looked up."""

    async def sent(self, *steps: Any, send_before: float) -> tuple[object, Stage, list[int]]:
        stage, leaves = Stage(*steps), list[int]()
        answer = await deletion.delete(
            make_client(stage),
            ID,
            force=False,
            who_uses=nobody,
            send_before=send_before,
            on_send=leaves.append,
        )
        assert stage.all_played
        return answer, stage, leaves

    async def test_after_it_nothing_leaves(self) -> None:
        answer, stage, leaves = await self.sent(send_before=1000.0)
        assert (answer, stage.methods, leaves) == (Stale(0), [], [])

    async def test_before_it_the_delete_leaves(self) -> None:
        answer, _, leaves = await self.sent(DELETED, send_before=1000.01)
        assert isinstance(answer, Verdict)
        assert (answer.outcome, leaves) == (Outcome.DELETED, [1])

    async def test_it_is_over_before_a_harmless_attempt_is_repeated(self) -> None:
        answer, stage, leaves = await self.sent(REFUSED, send_before=1000.1)
        assert (answer, stage.methods, leaves) == (Stale(1), ["DELETE"], [1])

    async def test_a_doubt_is_settled_all_the_same(self) -> None:
        answer, _, _ = await self.sent(LOST, NOT_FOUND, send_before=1000.1)
        assert isinstance(answer, Verdict)
        assert (answer.outcome, answer.attempts) == (Outcome.ALREADY_GONE, 1)
        answer, _, _ = await self.sent(LOST, THERE, send_before=1000.1)
        assert answer == Stale(1)
        answer, _, leaves = await self.sent(LOST, HTML, HTML, HTML, HTML, HTML, send_before=1000.1)
        assert isinstance(answer, Verdict)
        assert (answer.outcome, answer.attempts, leaves) == (Outcome.UNKNOWN, 1, [1])


async def test_the_example_of_the_api_pages() -> None:
    verdict, _ = await delete(reply(200, EXAMPLE, X_Request_Id="req-1"))
    assert verdict == Verdict(
        outcome=Outcome.DELETED,
        http_status=200,
        image_status="DELETED",
        request_id="req-1",
        attempts=1,
        duration_ms=0,
        response=msgspec.json.decode(EXAMPLE),
    )


@pytest.mark.parametrize("force", [True, False])
async def test_force_is_a_query_parameter_and_only_sent_when_forced(force: bool) -> None:
    _, stage = await delete(DELETED, force=force)
    query = (("force", "true"),) if force else ()
    assert stage.requests == [
        Request(method="DELETE", origin="https://modelarts.test", path=f"/v1/p1/images/{ID}", query=query)
    ]


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (reply(204), Outcome.DELETED),
        (reply(409), Outcome.IN_USE),
        (reply(400), Outcome.FAILED),
        (error(401, "ModelArts.0203"), Outcome.DENIED),
        (error(403, "ModelArts.0108"), Outcome.DENIED),
        (reply(307, Location="/v2"), Outcome.FAILED),
    ],
)
async def test_an_answer_that_is_clear(given: Response, outcome: Outcome) -> None:
    verdict, stage = await delete(given)
    assert (verdict.outcome, verdict.http_status, verdict.attempts) == (outcome, given.status, 1)
    assert stage.methods == ["DELETE"]


OWN_NOT_FOUND = [
    NOT_FOUND,
    error(404, "ModelArts.6404"),
    *(error(400, code) for code in ("ModelArts.6797", "modelarts.6797", "ModelArts.6404")),
]
FOREIGN = [
    reply(404),
    reply(404, b"<html>not found</html>"),
    reply(404, b"null"),
    reply(404, {"error_code": 6797}),
    reply(404, {"error": {"code": 404}}),
    error(404, "APIG.0101", "The API does not exist"),
    error(404, "ModelArts.0104"),
    error(404, "ModelArts.67971"),
]


@pytest.mark.parametrize("given", OWN_NOT_FOUND)
class TestTheServiceDoesNotFindIt:
    async def test_a_look_up_confirms_it(self, given: Response) -> None:
        for look in OWN_NOT_FOUND:
            verdict, stage = await delete(given, look)
            assert (verdict.outcome, verdict.http_status) == (Outcome.ALREADY_GONE, given.status)
            assert verdict.error_code is not None
            assert stage.methods == ["DELETE", "GET"]

    async def test_it_is_there_all_the_same(self, given: Response) -> None:
        verdict, _ = await delete(given, THERE)
        assert (verdict.outcome, verdict.image_status) == (Outcome.FAILED, "ACTIVE")
        assert str(verdict.error_msg).endswith("the image is still there (ACTIVE)")

    @pytest.mark.parametrize("look", [*FOREIGN, reply(403)])
    async def test_nothing_confirms_it(self, given: Response, look: Response) -> None:
        verdict, _ = await delete(given, *[look] * (3 if look.status == 404 else 1))
        assert verdict.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("given", FOREIGN)
class TestA404ThatIsNotTheServices:
    async def test_the_look_up_finds_none(self, given: Response) -> None:
        verdict, stage = await delete(given, NOT_FOUND)
        assert (verdict.outcome, verdict.http_status) == (Outcome.ALREADY_GONE, 404)
        assert stage.methods == ["DELETE", "GET"]

    async def test_the_look_up_shows_it(self, given: Response) -> None:
        verdict, _ = await delete(given, THERE)
        assert (verdict.outcome, verdict.image_status) == (Outcome.FAILED, "ACTIVE")
        assert "not the service's own word" in str(verdict.error_msg)

    async def test_the_look_up_meets_the_same(self, given: Response) -> None:
        for look in FOREIGN:
            verdict, stage = await delete(given, *[look] * 3)
            assert verdict.outcome is Outcome.UNKNOWN
            assert stage.methods == ["DELETE", "GET", "GET", "GET"]
            assert str(verdict.error_msg).count("not the service's own word") == 2

    async def test_the_look_up_looks_again(self, given: Response) -> None:
        verdict, _ = await delete(given, reply(404), given, NOT_FOUND)
        assert verdict.outcome is Outcome.ALREADY_GONE
        verdict, _ = await delete(given, reply(404), THERE)
        assert verdict.outcome is Outcome.FAILED

    async def test_a_look_ahead_of_the_delete_proves_nothing(self, given: Response) -> None:
        with pytest.raises(InventoryError, match="not the service's own word"):
            await deletion.current(make_client(Stage(given, given, given)), ID)


@pytest.mark.parametrize("status", ["ERROR", "ACTIVE"])
async def test_a_200_whose_image_is_still_there_is_looked_up_once(status: str) -> None:
    given = reply(200, {"id": ID, "status": status})
    verdict, stage = await delete(given, NOT_FOUND)
    assert (verdict.outcome, verdict.http_status, verdict.attempts) == (Outcome.DELETED, 200, 1)
    assert stage.methods == ["DELETE", "GET"]
    verdict, _ = await delete(given, THERE)
    assert (verdict.outcome, verdict.image_status) == (Outcome.FAILED, "ACTIVE")
    assert verdict.error_msg == f"answered 200 with status {status}; the image is still there (ACTIVE)"
    verdict, _ = await delete(given, error(403, "ModelArts.0108"))
    assert verdict.outcome is Outcome.UNKNOWN


class TestADeletionThatTakesTime:
    async def test_looks_are_further_and_further_apart(self) -> None:
        time = Time()
        verdict, stage = await delete(reply(202), *[GOING] * 7, NOT_FOUND, time=time)
        assert (verdict.outcome, verdict.http_status, verdict.attempts) == (Outcome.DELETED, 202, 1)
        assert stage.methods == ["DELETE", *["GET"] * 8]
        assert [seconds for seconds in time.slept if seconds >= 1] == [1, 2, 4, 8, 10, 10, 10]
        assert verdict.duration_ms == pytest.approx(45_000, abs=100)

    async def test_its_time_is_over(self) -> None:
        verdict, _ = await delete(reply(202), *[GOING] * 15, THERE)
        assert (verdict.outcome, verdict.image_status, verdict.duration_ms // 1000) == (
            Outcome.UNKNOWN,
            "ACTIVE",
            120,
        )
        assert verdict.error_msg == (
            "answered 202 without a usable body; the image is still there (ACTIVE); "
            "2 min 0 s after its DELETE (--settle-timeout); `resume` settles it"
        )

    async def test_no_look_is_the_last_word_but_one_that_shows_it_gone(self) -> None:
        for look in (HTML, LOST):
            verdict, _ = await delete(reply(202), *[look] * 5, THERE, reply(403), NOT_FOUND)
            assert verdict.outcome is Outcome.DELETED
        verdict, _ = await delete(reply(202), *[reply(403)] * 16)
        assert verdict.outcome is Outcome.UNKNOWN
        assert "the look-up answered 403" in str(verdict.error_msg)

    @pytest.mark.parametrize("final", [reply(503), reply(409), NOT_FOUND, reply(200, {"status": "ACTIVE"})])
    async def test_what_is_found_on_its_way_out_is_waited_for(self, final: Response) -> None:
        """A first attempt was lost, and had its effect."""
        verdict, _ = await delete(LOST, *[final] * (4 if final.status == 503 else 1), GOING, NOT_FOUND)
        told = Outcome.DELETED if final.status == 200 else Outcome.ALREADY_GONE
        assert verdict.outcome is told
        kept, _ = await delete(LOST, *[final] * (4 if final.status == 503 else 1), *[GOING] * 16)
        assert kept.outcome is Outcome.UNKNOWN

    async def test_what_an_earlier_run_left_on_its_way_out(self) -> None:
        async def left(*steps: Any) -> Image | Verdict:
            stage, time = Stage(*steps), Time()
            found = await settle_doubt(
                make_client(stage, time=time), ID, until=time() + 120, sleep=time.sleep
            )
            assert stage.all_played
            return found

        assert isinstance(await left(THERE), Image)
        assert isinstance(await left(GOING, GOING, THERE), Image)
        for steps, outcome in (
            ([NOT_FOUND], Outcome.ALREADY_GONE),
            ([GOING, GOING, NOT_FOUND], Outcome.ALREADY_GONE),
            ([GOING] * 16, Outcome.UNKNOWN),
            ([reply(403)], Outcome.UNKNOWN),
        ):
            verdict = await left(*steps)
            assert isinstance(verdict, Verdict)
            assert (verdict.outcome, verdict.attempts) == (outcome, 0)


class TestARefusalForSomebodysUse:
    """Whom the image is used by now is asked where the status does not say it, and words come last."""

    WORDS = "The image is being used by a notebook instance."

    async def refused(self, status: int, message: str, use: Use | CleanupError | None) -> tuple[Outcome, str]:
        async def who_uses() -> Use | None:
            if isinstance(use, CleanupError):
                raise use
            return use

        verdict, _ = await delete(error(status, "ModelArts.0104", message), who_uses=who_uses)
        return verdict.outcome, verdict.error_msg or ""

    async def test_a_user_is_seen(self) -> None:
        use = Use(user="notebook night-7 (RUNNING)", image_id=ID)
        for status, message in ((409, "no"), (400, "no"), (400, self.WORDS), (403, self.WORDS), (423, "no")):
            outcome, told = await self.refused(status, message, use)
            assert (outcome, told) == (Outcome.IN_USE, f"{message}; used by notebook night-7 (RUNNING)")
        assert await self.refused(403, "no", use) == (Outcome.DENIED, "no")

    async def test_no_user_is_seen(self) -> None:
        for status, message in ((409, "no"), (400, self.WORDS), (403, self.WORDS)):
            outcome, told = await self.refused(status, message, None)
            assert (outcome, told) == (Outcome.IN_USE, f"{message}; no user of it was seen")
        for message in ("no", "Quota in use exceeds limit"):
            assert await self.refused(400, message, None) == (Outcome.FAILED, message)

    async def test_the_users_cannot_be_read(self) -> None:
        lost = InventoryError("no answer")
        for status, message in ((409, "no"), (400, self.WORDS)):
            outcome, told = await self.refused(status, message, lost)
            assert (outcome, told) == (
                Outcome.IN_USE,
                f"{message}; its users could not be read again (no answer)",
            )
        assert await self.refused(400, "no", lost) == (Outcome.FAILED, "no")


@pytest.mark.parametrize("passing", [LOST, HTML, *map(reply, (408, 425, 500, 503, 504))])
class TestAttemptsUsedUpInDoubt:
    async def test_gone(self, passing: Any) -> None:
        verdict, stage = await delete(*[passing] * 5, NOT_FOUND)
        assert (verdict.outcome, verdict.attempts) == (Outcome.ALREADY_GONE, 5)
        assert stage.methods == ["DELETE"] * 5 + ["GET"]

    async def test_there(self, passing: Any) -> None:
        verdict, _ = await delete(*[passing] * 5, THERE)
        assert (verdict.outcome, verdict.image_status) == (Outcome.FAILED, "ACTIVE")

    async def test_nobody_can_tell(self, passing: Any) -> None:
        verdict, _ = await delete(*[passing] * 10)
        assert (verdict.outcome, verdict.attempts) == (Outcome.UNKNOWN, 5)
        assert verdict.error_msg

    async def test_gone_on_a_later_attempt(self, passing: Any) -> None:
        verdict, _ = await delete(passing, passing, NOT_FOUND, NOT_FOUND)
        assert (verdict.outcome, verdict.http_status, verdict.attempts) == (Outcome.ALREADY_GONE, 404, 3)

    async def test_deleted_on_a_later_attempt(self, passing: Any) -> None:
        verdict, _ = await delete(passing, DELETED)
        assert (verdict.outcome, verdict.attempts) == (Outcome.DELETED, 2)

    @pytest.mark.parametrize(
        ("final", "outcome"),
        [
            (reply(401), Outcome.DENIED),
            (reply(403), Outcome.DENIED),
            (reply(409), Outcome.IN_USE),
            (reply(400), Outcome.FAILED),
            (error(404, "APIG.0101"), Outcome.FAILED),
        ],
    )
    async def test_refused_on_a_later_attempt(self, passing: Any, final: Response, outcome: Outcome) -> None:
        verdict, _ = await delete(passing, final, NOT_FOUND)
        assert verdict.outcome is Outcome.ALREADY_GONE
        verdict, _ = await delete(passing, final, THERE)
        assert (verdict.outcome, verdict.http_status) == (outcome, final.status)
        verdict, _ = await delete(passing, final, reply(403))
        assert verdict.outcome is Outcome.UNKNOWN


async def test_what_was_never_sent_has_failed() -> None:
    verdict, stage = await delete(*[REFUSED] * 5)
    assert (verdict.outcome, verdict.http_status, verdict.response) == (Outcome.FAILED, None, None)
    assert verdict.error_msg is not None
    assert "cannot connect to modelarts.test: Connection refused" in verdict.error_msg
    assert stage.methods == ["DELETE"] * 5


async def test_what_was_only_throttled_has_failed() -> None:
    verdict, stage = await delete(*[error(429, "APIG.0308", "over ratelimit")] * 5)
    assert (verdict.outcome, verdict.http_status, verdict.error_code) == (Outcome.FAILED, 429, "APIG.0308")
    assert stage.methods == ["DELETE"] * 5


async def test_an_earlier_doubt_counts_to_the_end() -> None:
    verdict, _ = await delete(LOST, *[reply(429)] * 4, NOT_FOUND)
    assert verdict.outcome is Outcome.ALREADY_GONE
    verdict, _ = await delete(LOST, *[REFUSED] * 4, THERE)
    assert verdict.outcome is Outcome.FAILED


class TestStopped:
    """A stop comes during the backoff after the given answers."""

    async def delete(self, *steps: Any) -> Verdict:
        stop, time, stage = Stop(), Time(), Stage(*steps)

        async def interrupted_at_first(seconds: float) -> None:
            if stop:
                await Time.sleep(time, seconds)
            else:
                stop.request(Cause.SIGNAL, "interrupted")
                await anyio.sleep_forever()

        client = make_client(stage, time=time, stop=stop)
        time.sleep = interrupted_at_first  # type: ignore[method-assign]
        verdict = await deletion.delete(client, ID, force=False, who_uses=nobody)
        assert verdict is not None
        assert stage.all_played
        assert isinstance(verdict, Verdict)
        return verdict

    @pytest.mark.parametrize("harmless", [REFUSED, reply(429)])
    async def test_without_a_doubt_it_was_not_attempted(self, harmless: Any) -> None:
        assert (await self.delete(harmless)).outcome is Outcome.NOT_ATTEMPTED

    @pytest.mark.parametrize("doubtful", [LOST, HTML])
    async def test_a_doubt_is_looked_up(self, doubtful: Any) -> None:
        assert (await self.delete(doubtful, NOT_FOUND)).outcome is Outcome.ALREADY_GONE
        verdict = await self.delete(doubtful, THERE)
        assert verdict.outcome is Outcome.NOT_ATTEMPTED
        assert verdict.error_msg is not None
        assert verdict.error_msg.startswith("stopped before it could be sent again; ")
        assert (await self.delete(doubtful, reply(403))).outcome is Outcome.UNKNOWN

    async def test_before_anything_was_sent(self) -> None:
        stop = Stop()
        stop.request(Cause.SIGNAL, "interrupted")
        verdict, stage = await delete(stop=stop)
        assert verdict == Verdict(outcome=Outcome.NOT_ATTEMPTED, error_msg=verdict.error_msg)
        assert not stage.requests


class TestTheEvidence:
    async def test_an_error_of_the_service(self) -> None:
        verdict, _ = await delete(error(403, "ModelArts.0108", "not authorised"))
        assert verdict == Verdict(
            outcome=Outcome.DENIED,
            http_status=403,
            error_code="ModelArts.0108",
            error_msg="not authorised",
            request_id="req-403",
            attempts=1,
            response={"error_code": "ModelArts.0108", "error_msg": "not authorised"},
        )

    @pytest.mark.parametrize(
        ("body", "response"),
        [
            (b"", None),
            (b"null", "null"),
            (b"<html>\r\nno</html>", "<html> no</html>"),
            (b'{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
            (b"7", 7),
            (b'{"cut', '{"cut'),
            (b"\xff\x00\x1b", "�"),
            (b"x" * 9999, "x" * 497 + "..."),
            (b'{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
            (b"[" * 9999, "[" * 497 + "..."),
            (b"[" * 700 + b"]" * 700, "[" * 497 + "..."),
            (b'"' + b"x" * 70_000 + b'"', '"' + "x" * 496 + "..."),
        ],
    )
    async def test_the_body_as_json_or_as_text(self, body: bytes, response: object) -> None:
        verdict, _ = await delete(reply(405, body))
        assert verdict.response == response
        assert msgspec.json.decode(msgspec.json.encode(verdict)) is not None

    async def test_the_time_it_took_with_all_waits(self) -> None:
        time = Time()
        verdict, _ = await delete(REFUSED, REFUSED, DELETED, time=time)
        assert verdict.duration_ms == pytest.approx((time() - 1000) * 1000, abs=1)
        assert verdict.duration_ms > 700

    async def test_a_redirect_says_where_to(self) -> None:
        verdict, _ = await delete(reply(302, Location="https://login.test/sso?ticket=secret"))
        assert verdict.error_msg == (
            f"DELETE https://modelarts.test/v1/p1/images/{ID} answered 302 and points to "
            "https://login.test/sso: is the endpoint right?"
        )


class TestLookUps:
    async def look_up(self, *steps: Any, **options: Any) -> Any:
        stage = Stage(*steps)
        found = await look_up(make_client(stage, **options), ID)
        assert stage.all_played
        return found

    @pytest.mark.parametrize("status", ["ACTIVE", "DELETING", "SOMETHING_NEW", None])
    async def test_there(self, status: str | None) -> None:
        found = await self.look_up(reply(200, {"id": ID, "status": status}))
        assert isinstance(found, Present)
        assert (found.image.id, found.image.status) == (ID, status)

    @pytest.mark.parametrize(
        "given", [NOT_FOUND, error(404, "ModelArts.6404"), error(400, "ModelArts.6797"), reply(200, EXAMPLE)]
    )
    async def test_gone(self, given: Response) -> None:
        assert isinstance(await self.look_up(given), Gone)

    @pytest.mark.parametrize(
        "given", [reply(400), reply(401), reply(403), reply(404), error(404, "APIG.0101"), reply(302)]
    )
    async def test_unclear(self, given: Response) -> None:
        assert isinstance(await self.look_up(*[given] * (3 if given.status == 404 else 1)), Unclear)

    @pytest.mark.parametrize(
        "given", [reply(200), reply(200, b"<html>"), reply(200, {"id": "another"}), reply(200, b"{}")]
    )
    async def test_a_200_without_the_image_is_looked_at_again(self, given: Response) -> None:
        assert isinstance(await self.look_up(given, given, THERE), Present)
        assert isinstance(await self.look_up(*[given] * 5), Unclear)

    async def test_current_is_the_image_or_the_verdict_that_it_is_gone(self) -> None:
        found = await deletion.current(make_client(Stage(THERE)), ID)
        assert isinstance(found, Image)
        gone = await deletion.current(make_client(Stage(NOT_FOUND)), ID)
        assert isinstance(gone, Verdict)
        assert (gone.outcome, gone.attempts, gone.http_status) == (Outcome.ALREADY_GONE, 0, 404)

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_look_that_is_refused_is_denied(self, status: int) -> None:
        found = await deletion.current(make_client(Stage(error(status, "ModelArts.0108"))), ID)
        assert isinstance(found, Verdict)
        assert (found.outcome, found.attempts, found.http_status) == (Outcome.DENIED, 0, status)

    @pytest.mark.parametrize("given", [reply(400), reply(302), error(404, "APIG.0101")])
    async def test_what_nobody_can_tell_is_no_verdict(self, given: Response) -> None:
        with pytest.raises(InventoryError, match=f"image {ID} "):
            await deletion.current(make_client(Stage(given, given, given)), ID)


class Cloud:
    """One image in a service that answers wrongly: each answer shows how often it lies, not whether it acts."""

    def __init__(self, script: list[str]) -> None:
        self.there, self._script = True, iter(script)
        self.going = 0  # looks that still show it on its way out

    def __call__(self, request: Request) -> Response | NoResponse:
        how = next(self._script, "well")
        if how in ("refused", "throttled"):
            return REFUSED if how == "refused" else reply(429)
        if how == "denied":
            return reply(403)
        if how == "500":
            return reply(500)
        if how in ("404", "no page"):
            return reply(404, b"" if how == "404" else b"<html>")
        return self._act(request, how)

    def _act(self, request: Request, how: str) -> Response | NoResponse:
        if self.going:
            self.going -= 1
            self.there = self.going > 0
            return LOST if how == "lost" else GOING
        was_there = self.there
        if request.method == "DELETE" and how in ("accepted", "idle"):
            self.going = 3 if how == "accepted" and self.there else 0
            return reply(202)
        if request.method == "DELETE" and how != "error":
            self.there = False
        if how == "lost":
            return LOST
        if how == "502":
            return HTML
        if not was_there:
            return NOT_FOUND
        if how in ("empty", "cut"):
            return reply(200, b"" if how == "empty" else b'{"id":')
        if how == "error":
            return reply(200, {"id": ID, "status": "ERROR"})
        return DELETED if request.method == "DELETE" else THERE


FAULTS = st.sampled_from(
    [
        "well",
        "refused",
        "throttled",
        "denied",
        "500",
        "502",
        "lost",
        "empty",
        "cut",
        "error",
        "accepted",
        "idle",
        "404",
        "no page",
    ]
)


@settings(max_examples=400)
@given(st.lists(FAULTS, max_size=16), st.integers(1, 5))
def test_no_claim_is_ever_wrong(script: list[str], max_attempts: int) -> None:
    """Whatever the service does: gone means gone, failed and denied mean still there."""
    cloud = Cloud(script)

    async def main() -> Verdict:
        verdict, _ = await delete(otherwise=cloud, max_attempts=max_attempts)
        return verdict

    verdict = anyio.run(main)
    match verdict.outcome:
        case Outcome.DELETED | Outcome.ALREADY_GONE:
            assert not cloud.there
        case Outcome.FAILED | Outcome.DENIED:
            assert cloud.there
            assert not cloud.going
        case other:
            assert other is Outcome.UNKNOWN
