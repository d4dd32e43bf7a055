"""Which calls go wrong, and what each fault looks like over the wire."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
import pytest

from cleanup.errors import UsageError
from cleanup.simulator import (
    PROJECT_ID,
    Access,
    AuthMode,
    Fault,
    Faults,
    Service,
    WhenInUse,
    World,
    build_world,
    parse_rate,
    parse_script,
    serve,
)
from cleanup.simulator.faults import SCRIPT_KEYS, Step
from cleanup.simulator.messages import Call
from cleanup.simulator.routes import LISTS, Operation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BASE = f"/v1/{PROJECT_ID}"


def call(operation: Operation = Operation.DELETE, image_id: str = "i") -> Call:
    method = "DELETE" if operation is Operation.DELETE else "GET"
    path = f"{BASE}/images/{image_id}"
    return Call(operation=operation, method=method, path=path, parts={"image_id": image_id})


def shown(faults: Faults, *calls: Call) -> list[str | None]:
    due = [faults.choose(each) for each in calls]
    return [each.fault if each else None for each in due]


# --- which calls ---------------------------------------------------------------------------------


def test_every_fault_and_every_key_of_a_script_is_explained() -> None:
    assert all(fault.meaning for fault in Fault)
    assert set(SCRIPT_KEYS) == set(Step.__struct_fields__)


def test_a_rate_is_kept_over_many_calls() -> None:
    faults = Faults([parse_rate("500=0.2"), parse_rate("delete:drop-after=0.1")])
    counts = Counter(shown(faults, *(call(image_id=f"{number}") for number in range(5000))))
    assert 900 < counts[Fault.INTERNAL] < 1100
    assert 420 < counts[Fault.DROP_AFTER] < 580
    reads = Counter(shown(faults, *(call(Operation.SHOW, f"{number}") for number in range(5000))))
    assert 900 < reads[Fault.INTERNAL] < 1100
    assert reads[Fault.DROP_AFTER] == 0


def test_the_die_depends_on_the_seed_and_the_call_but_not_on_the_order() -> None:
    calls = [call(image_id=f"{number % 50}") for number in range(200)]
    rates = [parse_rate("502=0.5")]
    first = Counter(zip((c.path for c in calls), shown(Faults(rates, seed=1), *calls), strict=True))
    backwards = Counter(
        zip((c.path for c in calls[::-1]), shown(Faults(rates, seed=1), *calls[::-1]), strict=True)
    )
    assert first == backwards
    assert shown(Faults(rates, seed=2), *calls) != shown(Faults(rates, seed=1), *calls)


def test_a_call_that_failed_may_succeed_when_repeated() -> None:
    results = shown(Faults([parse_rate("500=0.5")]), *[call()] * 50)
    assert {None, Fault.INTERNAL} == set(results)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("500=1", {str(each) for each in Operation} - {"token", "other"}),
        ("DELETE:500=1", {"delete"}),
        ("get:500=1", {str(each) for each in Operation} - {"token", "other", "delete", "register", "jobs"}),
        ("token:500=1", {"token"}),
        ("status-error=1", {"delete"}),
        ("202=1", {"delete"}),
        ("long-token=1", {"token"}),
        ("post:500=1", {"register", "jobs"}),
        ("wrong-total=1", {str(each) for each in LISTS}),
    ],
)
def test_which_calls_a_rate_is_for(text: str, calls: set[str]) -> None:
    assert parse_rate(text).calls == {Operation(each) for each in calls}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("500", "NAME=RATE"),
        ("500=2", "from 0 to 1"),
        ("500=often", "from 0 to 1"),
        ("drop-aftr=0.1", "perhaps you meant 'drop-after'"),
        ("zzz=0.1", "known are 429"),
        ("deletes:500=0.1", "perhaps you meant 'delete'"),
        ("show:status-error=0.1", "cannot happen to show"),
    ],
)
def test_a_rate_that_cannot_be_read_is_explained(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_rate(text)


def test_rates_that_add_up_to_more_than_all_calls_are_refused() -> None:
    with pytest.raises(UsageError, match=r"delete add up to 1\.1"):
        Faults([parse_rate("delete:500=0.6"), parse_rate("502=0.5")])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"fault": 500, "nth": 2}, "-5---"),
        ({"fault": 500, "after": 3}, "---55"),
        ({"fault": "500", "after": 1, "times": 2}, "-55--"),
        ({"fault": [500, "ok", 500]}, "5-5--"),
        ({"fault": [500, "ok"], "times": 4}, "5-5--"),
        ({"fault": 500, "calls": "show"}, "-----"),
        ({"fault": 500, "image": "i"}, "55555"),
        ({"fault": 500, "image": "other"}, "-----"),
    ],
)
def test_what_an_entry_of_a_script_selects(entry: dict[str, Any], expected: str) -> None:
    faults = Faults(script=parse_script([entry], "script"))
    assert "".join("5" if fault else "-" for fault in shown(faults, *[call()] * 5)) == expected


def test_a_script_comes_before_the_rates_and_its_first_entry_wins() -> None:
    script = parse_script([{"fault": "502", "nth": 1}, {"fault": "503", "times": 2}], "script")
    faults = Faults([parse_rate("500=1")], script)
    assert shown(faults, *[call()] * 3) == [Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.INTERNAL]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ({"fault": 500}, "array"),
        ([{"fault": 500, "time": 1}], "unknown field `time`"),
        ([{"nth": 1}], "missing required field `fault`"),
        ([{"fault": "drop"}], "'drop' is no fault"),
        ([{"fault": 500, "calls": "put"}], "'put' is no kind of call"),
        ([{"fault": 202, "seconds": "long"}], "seconds"),
    ],
)
def test_a_script_that_cannot_be_read_is_explained_with_its_source(script: object, says: str) -> None:
    with pytest.raises(UsageError, match=r"rehearsal\.yaml: .*" + says):
        parse_script(script, "rehearsal.yaml")


def test_the_bucket_lets_through_its_rate_and_no_more() -> None:
    faults = Faults(throttle=50)
    moments = [NOW + timedelta(milliseconds=each) for each in range(0, 10_000, 5)]
    passed = [moment for moment in moments if not faults.throttles(call(), moment)]
    assert len(passed) == 50 + 10 * 50 - 1
    assert not faults.throttles(call(Operation.TOKEN), moments[-1])


def session_without_retries() -> aiohttp.ClientSession:
    """aiohttp repeats a DELETE of its own accord when its connection is dropped; here each is sent once."""
    session = aiohttp.ClientSession()
    session._retry_connection = False
    return session


# --- over the wire -------------------------------------------------------------------------------


class Wire:
    """A service behind a socket, and a client to it."""

    def __init__(self, service: Service, url: str, session: aiohttp.ClientSession) -> None:
        self.service = service
        self._url, self._session = url, session
        self.victim = next(
            image["id"]
            for image in service.images
            if image["type"] == "DEDICATED" and image["workspace_id"] == "0" and "size" in image
        )

    async def ask(self, method: str, what: str) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self._session.request(method, f"{self._url}{what}", allow_redirects=False) as response:
            return response, await response.read()

    async def delete(self) -> tuple[aiohttp.ClientResponse, bytes]:
        return await self.ask("DELETE", f"{BASE}/images/{self.victim}")

    async def page(self, offset: int = 0) -> Any:
        _, body = await self.ask("GET", f"{BASE}/images?type=DEDICATED&limit=10&offset={offset}")
        return msgspec.json.decode(body)

    @property
    def is_there(self) -> bool:
        return self.service.images.get(self.victim) is not None


@pytest.fixture
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    rates: Sequence[str] = getattr(request, "param", ())
    service = Service(build_world(1, 60, NOW), lambda: NOW, when_in_use=WhenInUse.ALLOW)
    faults = Faults([parse_rate(text) for text in rates])
    async with serve(service, faults=faults, drip=0) as url, session_without_retries() as session:
        yield Wire(service, url, session)


def showing(fault: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("wire", [(f"{fault}=1",)], indirect=True, ids=[fault])


@pytest.mark.parametrize(
    ("wire", "status", "code"),
    [
        (("429=1",), 429, "APIG.0308"),
        (("429-date=1",), 429, "APIG.0308"),
        (("429-bare=1",), 429, "APIG.0308"),
        (("500=1",), 500, "ModelArts.0001"),
        (("400=1",), 400, "ModelArts.0104"),
        (("401=1",), 401, "APIG.0301"),
        (("403=1",), 403, "ModelArts.0108"),
        (("425=1",), 425, "APIG.0201"),
        (("429-by-chance=1",), 429, "APIG.0308"),
        (("in-use=1",), 409, "ModelArts.0104"),
    ],
    indirect=["wire"],
)
async def test_refusals_leave_the_image_alone(wire: Wire, status: int, code: str) -> None:
    response, body = await wire.delete()
    assert (response.status, msgspec.json.decode(body)["error_code"]) == (status, code)
    assert response.headers["X-Request-Id"] == wire.service.requests[-1].request_id
    assert wire.is_there
    assert not wire.service.deletions


@showing("429")
async def test_retry_after_in_seconds_and_the_gateways_words(wire: Wire) -> None:
    response, body = await wire.delete()
    assert response.headers["Retry-After"] == "1"
    assert msgspec.json.decode(body)["error_msg"] == (
        "The throttling threshold has been reached: policy user over ratelimit, limit:20, time:1 second"
    )


@showing("429-date")
async def test_retry_after_as_a_date(wire: Wire) -> None:
    response, _ = await wire.delete()
    moment = parsedate_to_datetime(response.headers["Retry-After"])
    assert moment - parsedate_to_datetime(response.headers["Date"]) == timedelta(seconds=2)


@showing("429-bare")
async def test_no_retry_after(wire: Wire) -> None:
    response, _ = await wire.delete()
    assert "Retry-After" not in response.headers


@showing("502")
async def test_a_gateways_html_page(wire: Wire) -> None:
    response, body = await wire.delete()
    assert (response.status, response.content_type, body[:6]) == (502, "text/html", b"<html>")
    assert wire.is_there


@showing("503")
async def test_unavailable_says_nothing(wire: Wire) -> None:
    response, body = await wire.delete()
    assert (response.status, body) == (503, b"")
    assert wire.is_there


@showing("404")
async def test_somebody_else_was_faster(wire: Wire) -> None:
    response, body = await wire.delete()
    assert (response.status, msgspec.json.decode(body)["error_code"]) == (404, "ModelArts.6797")
    assert not wire.is_there
    assert not wire.service.deletions
    assert wire.service.requests[-1].effect == "gone"


@showing("404")
async def test_a_listing_that_is_not_found(wire: Wire) -> None:
    response, _ = await wire.ask("GET", f"{BASE}/images")
    assert response.status == 404


@showing("redirect")
async def test_a_redirect_to_another_host(wire: Wire) -> None:
    response, _ = await wire.delete()
    assert response.status == 307
    assert response.headers["Location"] == f"http://elsewhere.invalid{BASE}/images/{wire.victim}"
    assert wire.is_there


@pytest.mark.parametrize(
    ("wire", "is_there"), [(("drop-before=1",), True), (("drop-after=1",), False)], indirect=["wire"]
)
async def test_a_dropped_connection_before_and_after_the_effect(
    wire: Wire, is_there: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await wire.delete()
    assert wire.is_there is is_there
    assert len(wire.service.deletions) == (0 if is_there else 1)
    remembered = wire.service.requests[-1]
    assert remembered.status is None
    assert remembered.effect == (None if is_there else "deleted")
    assert not caplog.records


@pytest.mark.parametrize("fault", ["hang", "hang-after"])
async def test_an_answer_that_never_comes(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(build_world(1, 60, NOW), lambda: NOW)
    remembered = asyncio.Event()
    monkeypatch.setattr(service, "remember", lambda _: remembered.set())
    async with session_without_retries() as session:
        async with serve(service, faults=Faults([parse_rate(f"{fault}=1")])) as url:
            wire = Wire(service, url, session)
            asked = asyncio.create_task(wire.delete())
            await remembered.wait()
            assert not asked.done()
            assert wire.is_there is (fault == "hang")
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await asked


@showing("slow")
async def test_a_slow_answer_is_whole_in_the_end(wire: Wire) -> None:
    response, body = await wire.delete()
    assert response.status == 200
    assert msgspec.json.decode(body)["status"] == "DELETED"
    assert int(response.headers["Content-Length"]) == len(body)
    assert not wire.is_there


@showing("status-error")
async def test_200_does_not_mean_gone(wire: Wire) -> None:
    response, body = await wire.delete()
    assert (response.status, msgspec.json.decode(body)["status"]) == (200, "ERROR")
    assert wire.is_there


@pytest.mark.parametrize(("wire", "status"), [(("204=1",), 204), (("empty=1",), 200)], indirect=["wire"])
async def test_no_body(wire: Wire, status: int) -> None:
    response, body = await wire.delete()
    assert (response.status, body) == (status, b"")
    assert not wire.is_there
    assert (await wire.delete())[0].status == 404


@showing("truncated")
async def test_json_that_is_cut_off(wire: Wire) -> None:
    response, body = await wire.delete()
    assert response.status == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    assert not wire.is_there


@showing("not-utf8")
async def test_a_body_that_is_not_utf8(wire: Wire) -> None:
    response, body = await wire.delete()
    assert response.status == 200
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert not wire.is_there


@showing("408")
async def test_a_timeout_of_a_gateway_says_nothing_about_what_was_done(wire: Wire) -> None:
    response, body = await wire.delete()
    assert (response.status, msgspec.json.decode(body)["error_msg"]) == (408, "Request timeout.")
    assert not wire.is_there
    assert wire.service.requests[-1].effect == "deleted"
    assert (await wire.ask("GET", f"{BASE}/images"))[0].status == 408


@showing("429-by-chance")
async def test_throttling_by_chance_comes_with_and_without_retry_after(wire: Wire) -> None:
    told = [(await wire.delete())[0].headers.get("Retry-After") for _ in range(20)]
    assert set(told) == {None, "1"}


@showing("foreign-404")
async def test_a_404_that_is_not_the_services(wire: Wire) -> None:
    found = [await wire.delete() for _ in range(20)]
    assert {response.status for response, _ in found} == {404}
    assert {body[:6] for _, body in found} == {b"", b"<html>"}
    assert wire.is_there


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.moment = NOW

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
async def slow_wire() -> AsyncIterator[tuple[Wire, Clock]]:
    clock = Clock()
    service = Service(build_world(1, 60, NOW), clock, when_in_use=WhenInUse.ALLOW)
    script = parse_script(
        [{"fault": 202, "nth": 1}, {"fault": "deleting", "nth": 2, "seconds": 60}], "script"
    )
    async with serve(service, faults=Faults(script=script)) as url, session_without_retries() as session:
        yield Wire(service, url, session), clock


async def status_of(wire: Wire) -> str | None:
    response, body = await wire.ask("GET", f"{BASE}/images/{wire.victim}")
    status: str | None = msgspec.json.decode(body).get("status")
    return status if response.status == 200 else None


async def test_a_deletion_that_is_accepted_is_done_later(slow_wire: tuple[Wire, Clock]) -> None:
    wire, clock = slow_wire
    path = (wire.service.images.get(wire.victim) or {})["swr_path"]
    response, body = await wire.ask("DELETE", f"{BASE}/images/{wire.victim}?force=true")
    assert (response.status, body, wire.service.requests[-1].effect) == (202, b"", "deleting")
    assert (await status_of(wire), path in wire.service.contents) == ("DELETING", True)
    clock.moment += timedelta(seconds=4.9)
    assert await status_of(wire) == "DELETING"
    clock.moment += timedelta(seconds=0.2)
    assert (await status_of(wire), path in wire.service.contents) == (None, False)
    assert [(gone.image_id, gone.force) for gone in wire.service.deletions] == [(wire.victim, True)]
    assert wire.service.deletions[0].time == NOW + timedelta(seconds=5)


async def test_how_long_it_takes_is_for_the_script_to_say(slow_wire: tuple[Wire, Clock]) -> None:
    wire, clock = slow_wire
    await wire.ask("DELETE", f"{BASE}/images/nobody")
    response, body = await wire.delete()
    assert (response.status, msgspec.json.decode(body)["status"]) == (200, "DELETING")
    again, body = await wire.delete()
    assert (again.status, msgspec.json.decode(body)["status"]) == (200, "DELETING")
    clock.moment += timedelta(seconds=59)
    assert await status_of(wire) == "DELETING"
    clock.moment += timedelta(seconds=1)
    assert await status_of(wire) is None
    assert len(wire.service.deletions) == 1


@pytest.mark.parametrize(("query", "total"), [("type=DEDICATED", 60), ("type=DEDICATED&name=nobody", 0)])
@showing("null-list")
async def test_null_for_a_list_whatever_its_total(wire: Wire, query: str, total: int) -> None:
    _, body = await wire.ask("GET", f"{BASE}/images?{query}")
    page = msgspec.json.decode(body)
    assert (page["data"], page["total"]) == (None, total)


@pytest.mark.parametrize(
    ("path", "name", "total"),
    [
        ("/v1/{}/models", "models", "total_count"),
        ("/v2/{}/algorithms", "items", "total"),
        ("/v2/{}/services", "data", "total"),
        ("/v1/{}/workspaces", "workspaces", "total_count"),
    ],
)
@pytest.mark.parametrize("wire", [("null-list=0.5", "wrong-total=0.5")], indirect=True)
async def test_lists_of_users_go_wrong_alike(wire: Wire, path: str, name: str, total: str) -> None:
    pages = [msgspec.json.decode((await wire.ask("GET", path.format(PROJECT_ID)))[1]) for _ in range(20)]
    whole = next(page[name] for page in pages if page[name] is not None)
    right = {page[total] for page in pages if page[name] is None}
    wrong = {page[total] for page in pages if page[name] is not None}
    assert right == {len(whole)}
    assert len(whole) not in wrong


async def test_a_token_of_64_kilobytes_is_good() -> None:
    access = Access(AuthMode.PASSWORD)
    domain = {"name": access.login.domain}
    user = {"name": access.login.user, "password": access.login.password, "domain": domain}
    scope = {"project": {"id": PROJECT_ID}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    faults = Faults([parse_rate("long-token=1")])
    async with (
        serve(Service(World(), lambda: NOW), access=access, faults=faults) as url,
        aiohttp.ClientSession(max_field_size=1 << 17) as session,
    ):
        async with session.post(f"{url}/v3/auth/tokens", json=login) as issued:
            token = issued.headers["X-Subject-Token"]
        assert len(token) == 64 << 10
        async with session.get(f"{url}{BASE}/images", headers={"X-Auth-Token": token}) as let_in:
            assert let_in.status == 200


@showing("wrong-total")
async def test_totals_that_are_wrong_over_records_that_are_right(wire: Wire) -> None:
    for offset in range(0, 60, 10):
        page = await wire.page(offset)
        assert page["total"] != 60
        assert len(page["data"]) == 10


async def listed(wire: Wire) -> list[str]:
    return [image["id"] for offset in range(0, 60, 10) for image in (await wire.page(offset))["data"]]


@pytest.mark.parametrize("wire", [("shift-add=1",)], indirect=True)
async def test_an_image_that_appears_between_pages_makes_another_be_seen_twice(wire: Wire) -> None:
    before = {image["id"] for image in wire.service.images}
    seen = Counter(await listed(wire))
    assert max(seen.values()) > 1
    assert len({image["id"] for image in wire.service.images} - before) == 5


@pytest.mark.parametrize("wire", [("shift-delete=1",)], indirect=True)
async def test_an_image_that_disappears_between_pages_makes_another_be_missed(wire: Wire) -> None:
    seen = set(await listed(wire))
    there = {
        image["id"]
        for image in wire.service.images
        if image["type"] == "DEDICATED" and image["workspace_id"] == "0"
    }
    assert len(there) == 55
    assert there - seen


async def test_the_throttle_answers_as_the_gateway_does() -> None:
    service = Service(World(), lambda: NOW)
    async with serve(service, faults=Faults(throttle=2)) as url, session_without_retries() as session:
        statuses = []
        for _ in range(4):
            async with session.get(f"{url}{BASE}/images") as response:
                statuses.append(response.status)
                text = await response.text()
    assert statuses == [200, 200, 429, 429]
    assert "limit:2, time:1 second" in text
    assert [request.fault for request in service.requests] == [None, None, "throttle", "throttle"]


async def test_a_mix_leaves_no_doubt_about_what_was_deleted() -> None:
    rates = ["429=0.05", "500=0.05", "drop-before=0.05", "drop-after=0.05", "204=0.05", "truncated=0.05"]
    service = Service(build_world(1, 200, NOW), lambda: NOW, when_in_use=WhenInUse.ALLOW)
    there = {image["id"] for image in service.images if image["type"] == "DEDICATED"}
    faults = Faults([parse_rate(text) for text in rates])
    async with serve(service, faults=faults) as url, session_without_retries() as session:
        for image_id in there:
            try:
                async with session.delete(f"{url}{BASE}/images/{image_id}") as response:
                    await response.read()
            except aiohttp.ServerDisconnectedError:
                continue
    gone = there - {image["id"] for image in service.images}
    assert gone == {deletion.image_id for deletion in service.deletions}
    assert gone == {request.image_id for request in service.requests if request.effect == "deleted"}
    assert 0.7 < len(gone) / len(there) < 0.95
    assert len({request.fault for request in service.requests}) == len(rates) + 1
