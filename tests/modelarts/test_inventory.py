"""Complete lists: read to a proven end under a service that shifts, lies, caps, repeats and refuses."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.errors import AccessDenied, CleanupError, InventoryError
from cleanup.image import Image
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.inventory import read_images, read_other_workspaces
from cleanup.modelarts.paging import Items, Listing, PageItems, Paging, read_all
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.stop import Cause, Stop
from tests.support.stage import LOST, REFUSED, Shelf, Stage, error, make_client, reply

Answering = Callable[[Request], Response | NoResponse]


def _texts(items: Items[Any]) -> list[str]:
    return [*map(str, items)]


def images(count: int, start: int = 0) -> list[dict[str, object]]:
    return [{"id": f"i{number}", "status": "ACTIVE"} for number in range(start, start + count)]


async def listed(shelf: Answering, **options: Any) -> tuple[list[str], tuple[str, ...], Stage]:
    stage = Stage(otherwise=shelf)
    found = await read_images(make_client(stage, **options), ("0",))
    return [image.id for image in found.images], found.doubts, stage


def offsets(stage: Stage) -> list[int]:
    return [int(dict(request.query)["offset"]) for request in stage.requests]


def ids(count: int) -> list[str]:
    return [f"i{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("count", "asked"),
    [
        (0, [0]),
        (1, [0]),
        (199, [0]),
        (200, [0, 200]),  # a full page proves nothing, whatever the total says
        (201, [0, 200]),
        (450, [0, 200, 400]),
        (1000, [0, 200, 400, 600, 800, 1000]),
    ],
)
async def test_all_pages_and_no_more(count: int, asked: list[int]) -> None:
    found, doubts, stage = await listed(Shelf(images(count)))
    assert (found, doubts, sorted(offsets(stage))) == (ids(count), (), asked)


async def test_what_is_asked_for() -> None:
    _, _, stage = await listed(Shelf([]))
    assert stage.requests == [
        Request(
            method="GET",
            origin="https://modelarts.test",
            path="/v1/p1/images",
            query=(("type", "DEDICATED"), ("workspace_id", "0"), ("limit", "200"), ("offset", "0")),
        )
    ]


async def test_the_following_pages_are_fetched_together_but_not_all_at_once() -> None:
    under_way, most = 0, 0
    shelf = Shelf(images(3000))

    async def slow(request: Request) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(50):  # long enough for the others to get their turn
            await anyio.lowlevel.checkpoint()
        under_way -= 1
        return shelf(request)

    found, doubts, _ = await listed(slow, at_once=4)  # type: ignore[arg-type]
    assert (len(found), doubts, most) == (3000, (), 4)


@pytest.mark.parametrize("cap", [1, 7, 100, 199])
async def test_a_service_that_caps_the_page_size(cap: int) -> None:
    found, doubts, _ = await listed(Shelf(images(250), cap=cap))
    assert (found, doubts) == (ids(250), ())


@pytest.mark.parametrize("total", [None, "250", 250.0, True, -1, []])
async def test_without_a_total_only_an_empty_page_is_the_end_and_only_a_second_reading_proof(
    total: object,
) -> None:
    found, doubts, stage = await listed(Shelf(images(250), total=lambda _: total))
    assert (found, doubts, offsets(stage)) == (ids(250), (), [0, 200, 250] * 2)


async def test_without_a_total_readings_that_differ_leave_a_doubt() -> None:
    shelf = Shelf(images(450), total=lambda _: None)
    shelf.before = lambda call: shelf.records.__delitem__(0) if call % 4 == 1 else None
    found, doubts, _ = await listed(shelf)
    assert len(found) == 450 - 4
    assert doubts == ("workspace 0: no total is said, and each reading found something else",)


@pytest.mark.parametrize("claimed", [0, 1, 200, 249, 251, 10**12])
async def test_a_total_that_stays_wrong_leaves_a_doubt(claimed: int) -> None:
    found, doubts, stage = await listed(Shelf(images(250), total=lambda _: claimed))
    assert found == ids(250)
    assert doubts == (f"workspace 0: 250 records were found where the service claims {claimed}",)
    assert offsets(stage).count(0) == 4


async def test_a_total_that_changes_is_read_again() -> None:
    found, doubts, stage = await listed(Shelf(images(250), total=lambda call: 251 if call == 1 else 250))
    assert (found, doubts) == (ids(250), ())
    assert offsets(stage).count(0) == 2


async def test_a_total_that_keeps_changing_leaves_a_doubt() -> None:
    _, doubts, _ = await listed(Shelf(images(250), total=lambda call: 250 + call % 2))
    assert doubts == ("workspace 0: the total changed from 250 to 251 while listing",)


async def test_an_image_added_while_listing_is_seen_twice_and_the_list_read_again() -> None:
    shelf = Shelf(images(450))
    shelf.before = lambda call: shelf.records.insert(0, {"id": "new"}) if call == 1 else None
    found, doubts, stage = await listed(shelf, at_once=1)
    assert (found, doubts) == (["new", *ids(450)], ())
    assert offsets(stage).count(0) == 2


async def test_an_image_deleted_while_listing_hides_another_and_the_list_is_read_again() -> None:
    shelf = Shelf(images(450))
    shelf.before = lambda call: shelf.records.__delitem__(0) if call == 1 else None
    found, doubts, _ = await listed(shelf, at_once=1)
    assert (found, doubts) == (ids(450)[1:], ())


async def test_a_cloud_that_never_rests_leaves_a_doubt() -> None:
    shelf = Shelf(images(450))
    shelf.before = lambda call: shelf.records.insert(0, {"id": f"new{call}"})
    found, doubts, stage = await listed(shelf, at_once=1)
    assert set(found) >= set(ids(450))
    assert len(doubts) == 2
    assert offsets(stage).count(0) == 4


@pytest.mark.parametrize("total", [lambda _: 300, lambda _: None])
async def test_a_service_that_ignores_the_offset_does_not_keep_us_for_ever(
    total: Callable[[int], object],
) -> None:
    found, doubts, stage = await listed(Shelf(images(300), ignores_offset=True, total=total))
    assert found == ids(200)
    assert "workspace 0: the pages repeat or do not end" in doubts
    assert len(stage.requests) == 8


async def test_a_service_without_end_does_not_keep_us_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanup.modelarts.paging._MOST_PAGES", 10)
    numbers = iter(range(10**9))
    found, doubts, stage = await listed(lambda _: reply(200, {"data": [{"id": f"x{next(numbers)}"}]}))
    assert doubts == ("workspace 0: the pages repeat or do not end",)
    assert len(stage.requests) == 40
    assert len(found) == 10


async def test_a_short_page_in_the_middle_is_no_end() -> None:
    shelf = Shelf(images(1000), total=lambda _: 1000)

    def holed(request: Request) -> Response:
        if dict(request.query)["offset"] == "400":
            return reply(200, {"data": shelf.records[400:450], "total": 1000})
        return shelf(request)

    _, doubts, _ = await listed(holed)
    assert doubts[0] == "workspace 0: a page in the middle came short"


async def test_ids_seen_twice_are_one_image() -> None:
    found, doubts, _ = await listed(Shelf([*images(3), {"id": "i1", "tag": "later"}]))
    assert found == ids(3)
    assert doubts[0] == "workspace 0: 1 of 4 records came twice"


async def test_deleted_images_are_counted_and_left_out() -> None:
    records = [*images(3), {"id": "gone", "status": "deleted"}]
    found, doubts, stage = await listed(Shelf(records))
    assert (found, doubts, len(stage.requests)) == (ids(3), (), 1)


async def test_several_workspaces_are_read_one_after_the_other_and_an_image_in_two_is_one() -> None:
    told: list[tuple[int, int | None]] = []

    def shelves(request: Request) -> Response:
        workspace = dict(request.query)["workspace_id"]
        return Shelf(images(3) if workspace == "0" else images(3, start=2))(request)

    stage = Stage(otherwise=shelves)
    found = await read_images(make_client(stage), ("0", "w1"), lambda *so_far: told.append(so_far))
    assert [image.id for image in found.images] == ids(5)
    assert not found.doubts
    assert told == [(3, 3), (6, 6)]


class TestFailures:
    async def test_a_page_that_fails_for_good_names_everything(self) -> None:
        shelf = Shelf(images(250))

        def failing(request: Request) -> Response:
            return (
                shelf(request)
                if dict(request.query)["offset"] == "0"
                else error(500, "ModelArts.0001", "oops")
            )

        with pytest.raises(InventoryError) as caught:
            await listed(failing)
        assert str(caught.value) == (
            "GET https://modelarts.test/v1/p1/images answered 500 (ModelArts.0001: oops, request id req-500)"
        )

    async def test_an_unreachable_endpoint_is_named(self) -> None:
        with pytest.raises(InventoryError, match=r"modelarts\.test: Connection refused") as caught:
            await listed(lambda _: REFUSED)
        assert "(attempts: 5)" in str(caught.value)

    @pytest.mark.parametrize("passing", [LOST, REFUSED, error(429, "APIG.0308"), reply(502, b"<html>")])
    async def test_what_passes_is_survived(self, passing: Response | NoResponse) -> None:
        shelf = Shelf(images(450))
        asked: set[str] = set()

        def shaky(request: Request) -> Response | NoResponse:
            if request.target in asked:
                return shelf(request)
            asked.add(request.target)
            return passing

        found, doubts, _ = await listed(shaky)
        assert (found, doubts) == (ids(450), ())

    @pytest.mark.parametrize("status", [401, 403])
    async def test_nothing_readable_is_a_matter_of_access(self, status: int) -> None:
        with pytest.raises(AccessDenied, match=r"\(ModelArts.0108: no, request id") as caught:
            await listed(lambda _: error(status, "ModelArts.0108"))
        assert ("modelarts:image:list" if status == 403 else "credentials") in str(caught.value)

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_refusal_in_the_middle_is_no_complete_inventory(self, status: int) -> None:
        shelf = Shelf(images(250))
        with pytest.raises(InventoryError):
            await listed(lambda r: shelf(r) if dict(r.query)["offset"] == "0" else error(status, "x"))

    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": [{"id"', b"[]", b'{"data": null}', b"\xff"])
    async def test_a_200_without_a_page_is_read_again_and_then_fails(self, body: bytes) -> None:
        stage = Stage(reply(200, body), reply(200, body), otherwise=Shelf(images(3)))
        found = await read_images(make_client(stage), ("0",))
        assert [image.id for image in found.images] == ids(3)
        with pytest.raises(InventoryError, match="answered 200 without a page"):
            await listed(lambda _: reply(200, body))

    async def test_a_page_that_is_too_large_fails(self) -> None:
        with pytest.raises(InventoryError, match="larger than 1 MiB"):
            await listed(lambda _: Response(200, b"", {}, "its answer is larger than 1 MiB and was not read"))

    async def test_a_redirect_is_no_page(self) -> None:
        with pytest.raises(
            InventoryError, match=r"answered 302 and points to https://login.test/x: is the endp"
        ):
            await listed(lambda _: reply(302, Location="https://login.test/x?secret=1"))

    @pytest.mark.parametrize("record", [None, 7, [], {}, {"id": None}, {"id": ""}, {"id": "../x"}])
    async def test_a_record_that_is_no_image_names_its_place(self, record: object) -> None:
        with pytest.raises(InventoryError, match="image 4 of the page at offset 200 cannot be used"):
            await listed(Shelf([*images(203), record]))

    async def test_a_stop_ends_the_listing(self) -> None:
        stop = Stop()
        stop.request(Cause.SIGNAL, "interrupted")
        with pytest.raises(InventoryError, match="the run is being stopped"):
            await listed(Shelf([]), stop=stop)


@given(
    count=st.integers(0, 60),
    limit=st.integers(1, 20),
    cap=st.integers(1, 25),
    at_once=st.integers(1, 5),
    claims=st.sampled_from(["right", "none", "wrong"]),
    seed=st.integers(0, 2**16),
    churn=st.sampled_from([0.0, 0.3]),
)
def test_a_list_without_doubts_is_the_whole_list(
    count: int, limit: int, cap: int, at_once: int, claims: str, seed: int, churn: float
) -> None:
    """While nothing changes, all is found, and without doubts where the total is right or not said;
    while things come and go, everything that stayed is found, or there is a doubt."""
    random, records = Random(seed), [f"r{number}" for number in range(count)]
    always = set(records)
    shifts = 0

    async def fetch(offset: int) -> PageItems[str]:
        nonlocal shifts
        if random.random() < churn:
            shifts += 1
            if random.random() < 0.5 or not records:
                records.insert(0, f"new{shifts}")
            else:
                always.discard(records.pop(random.randrange(len(records))))
        await anyio.lowlevel.checkpoint()
        total = {"right": len(records), "none": None, "wrong": len(records) + 1}[claims]
        return PageItems(tuple(records[offset : offset + min(limit, cap)]), total)

    async def main() -> Listing[str]:
        return await read_all(Paging(fetch=fetch, keys=_texts, limit=limit, at_once=at_once))

    found = anyio.run(main)
    assert found.doubts or always <= set(found.items)
    if not shifts:
        assert list(found.items) == records
        assert (found.doubts == ()) == (claims != "wrong")


@given(
    count=st.integers(1, 60),
    limit=st.integers(1, 20),
    at_once=st.sampled_from([1, 8]),
    when=st.integers(1, 12),
    seed=st.integers(0, 2**16),
)
def test_newest_first_no_older_one_is_lost_where_one_goes_and_one_comes(
    count: int, limit: int, at_once: int, when: int, seed: int
) -> None:
    """Before some page one record goes and a new one comes, so that every total is the same."""
    random, records = Random(seed), [f"r{number}" for number in range(count)]
    always = set(records)
    served = 0

    async def fetch(offset: int) -> PageItems[str]:
        nonlocal served
        for _ in range(random.randrange(5)):
            await anyio.lowlevel.checkpoint()
        if served == when:
            always.discard(records.pop(random.randrange(len(records))))
            records.insert(0, "new")
        served += 1
        return PageItems(tuple(records[offset : offset + limit]), len(records))

    async def main() -> Listing[str]:
        return await read_all(Paging(fetch=fetch, keys=_texts, limit=limit, at_once=at_once, readings=1))

    found = anyio.run(main)
    assert found.doubts or always <= set(found.items)


async def test_a_slow_page_holds_no_other_back_and_the_order_stays() -> None:
    """Page 1 is answered only when the last one has been asked for, with two under way."""
    last_asked = anyio.Event()

    async def fetch(offset: int) -> PageItems[int]:
        if offset == 95:
            last_asked.set()
        if offset == 5:
            await last_asked.wait()
        return PageItems(tuple(range(offset, min(offset + 5, 98))), 98)

    with anyio.fail_after(5):
        found = await read_all(Paging(fetch=fetch, keys=_texts, limit=5, at_once=2))
    assert found == Listing(tuple(range(98)), ())


@pytest.mark.parametrize("page", [(0, 1), ()])
async def test_a_total_beyond_all_bounds_is_not_asked_for_to_its_end(page: tuple[int, ...]) -> None:
    asked = []

    async def fetch(offset: int) -> PageItems[int]:
        asked.append(offset)
        return PageItems(page if offset else (0, 1), 10**12)

    found = await read_all(Paging(fetch=fetch, keys=_texts, limit=2, at_once=4, readings=1))
    assert found.doubts
    assert len(asked) <= 1 + 4


def image(**fields: object) -> Image:
    return decode_image(reply(200, {"id": "i1", **fields}).body)


class TestTheSameRepository:
    @pytest.mark.parametrize(
        ("fields", "asked"),
        [
            (
                {"namespace": "ML", "name": "trainer", "swr_path": "swr.test/ml/Trainer:1"},
                {"namespace": "ML", "name": "trainer"},
            ),
            ({"namespace": "ml", "name": "trainer", "swr_path": "swr.test/ml/other:1"}, {"namespace": "ml"}),
            ({"namespace": "x", "name": "trainer", "swr_path": "swr.test/ml/trainer"}, {"name": "trainer"}),
            ({"swr_path": "swr.test/ml/trainer:1"}, {}),
            ({"namespace": "ml", "name": "trainer"}, {}),
        ],
    )
    async def test_what_is_asked_for(self, fields: Mapping[str, object], asked: Mapping[str, str]) -> None:
        stage = Stage(otherwise=Shelf([]))
        await make_client(stage).same_repository(image(**fields), ("0", "w1"))
        queries = [dict(request.query) for request in stage.requests]
        usual = {"type": "DEDICATED", "limit": "200", "offset": "0"}
        assert queries == [{**usual, "workspace_id": workspace, **asked} for workspace in ("0", "w1")]

    async def test_all_that_are_there(self) -> None:
        shelf = Shelf([*images(2), {"id": "gone", "status": "DELETED"}])
        found = await make_client(Stage(otherwise=shelf)).same_repository(
            image(swr_path="swr.test/a/b:1"), ("0",)
        )
        assert [one.id for one in found] == ["i0", "i1"]

    async def test_an_unclear_list_is_none(self) -> None:
        shelf = Shelf([*images(1), *images(1)])
        with pytest.raises(InventoryError, match=r"who shares swr\.test/a/b:1 is not clear"):
            await make_client(Stage(otherwise=shelf)).same_repository(
                image(swr_path="swr.test/a/b:1"), ("0",)
            )


async def test_an_endpoint_may_have_a_path_and_a_project_any_name() -> None:
    stage = Stage(otherwise=Shelf([]))
    client = make_client(stage, endpoint="https://gateway.test:8443/ma/", project_id="a b")
    await client.list_images("0")
    assert stage.requests[0].origin + stage.requests[0].path == "https://gateway.test:8443/ma/v1/a%20b/images"
    assert (client.requests, client.throttled, client.rate_now) == (1, 0, 1000)


async def test_a_registration_is_not_repeated_once_it_may_have_happened() -> None:
    stage = Stage(REFUSED, error(429, "APIG.0308"), LOST)
    answer = await make_client(stage).register_image({"swr_path": "swr.test/a/b:1"})
    assert stage.all_played
    assert stage.requests[0].body == b'{"swr_path":"swr.test/a/b:1"}'
    assert (answer.status, answer.doubtful) == (None, True)


class TestOtherWorkspaces:
    """What may share content with the workspaces that are cleaned, and what of it cannot be seen."""

    def stage(self, *workspaces: str, **answers: Response) -> Stage:
        records = [{"id": one} for one in workspaces]

        def service(request: Request) -> Response:
            if request.path.endswith("workspaces"):
                query = dict(request.query)
                assert (query["filter_accessible"], query["offset"]) == ("false", "0")
                page = {"total_count": len(records), "count": len(records), "workspaces": records}
                return answers.get("workspaces") or reply(200, page)
            workspace = dict(request.query)["workspace_id"]
            own = [{"id": f"{workspace}-1"}, {"id": f"{workspace}-2", "status": "DELETED"}]
            return answers.get(workspace) or Shelf(own)(request)

        return Stage(otherwise=service)

    async def test_their_images_but_not_those_of_the_cleaned_ones(self) -> None:
        rest = await read_other_workspaces(make_client(self.stage("0", "w1", "w2")), ("0",))
        assert (rest.workspaces, rest.unseen, rest.notes) == (("w1", "w2"), (), ())
        assert [image.id for image in rest.images] == ["w1-1", "w2-1"]

    @pytest.mark.parametrize("status", [403, 404, 500])
    async def test_one_that_cannot_be_read_is_unseen(self, status: int) -> None:
        stage = self.stage("0", "w1", "w2", w1=error(status, "ModelArts.0112"))
        rest = await read_other_workspaces(make_client(stage), ("0",))
        assert (rest.workspaces, rest.unseen) == (("w2",), ("w1",))
        assert rest.notes[0].startswith("workspace w1 could not be read, so force is withheld: GET https://")

    @pytest.mark.parametrize("records", [[{"id": "a"}, {"id": "a"}], [{"name": "no id"}]])
    async def test_one_that_is_not_clear_is_unseen(self, records: list[dict[str, str]]) -> None:
        page = {"data": records, "total": len(records)}
        rest = await read_other_workspaces(make_client(self.stage("w1", w1=reply(200, page))), ("0",))
        assert rest.unseen == ("w1",)

    @pytest.mark.parametrize(
        "answer",
        [error(403, "x"), error(404, "APIG.0101"), error(500, "x"), reply(200, {"workspaces": [{}]})],
    )
    async def test_where_they_cannot_be_listed_nobody_knows_what_is_unseen(self, answer: Response) -> None:
        rest = await read_other_workspaces(make_client(self.stage(workspaces=answer)), ("0",))
        assert (rest.workspaces, rest.unseen) == ((), ("workspaces cannot be listed",))
        assert "force is withheld" in rest.notes[0]

    @pytest.mark.parametrize("where", ["workspaces", "w1"])
    async def test_refused_credentials_are_no_matter_of_what_is_seen(self, where: str) -> None:
        with pytest.raises(CleanupError, match="the credentials were refused"):
            await read_other_workspaces(make_client(self.stage("w1", **{where: error(401, "x")})), ("0",))


@pytest.mark.parametrize("damaged", [b'{"id":NaN}', b'{"id":"\\ud800"}', b"[]", b"NaN"])
async def test_a_record_whose_id_cannot_be_read_is_named_by_its_place(damaged: bytes) -> None:
    body = b'{"data":[{"id":"a"},' + damaged + b'],"total":2}'
    with pytest.raises(InventoryError, match="image 2 of the page at offset 0 cannot be used"):
        await listed(lambda _: reply(200, body))


@pytest.mark.parametrize("page", [{"data": None, "total": 0}, {"total": 0}])
async def test_a_list_that_is_left_out_is_empty_where_the_total_is_0(page: dict[str, object]) -> None:
    found, doubts, _ = await listed(lambda _: reply(200, page))
    assert (found, doubts) == ([], ())


@pytest.mark.parametrize("page", [{"data": None, "total": 3}, {"total": 3}, {"total": 3, "count": 0}])
async def test_a_list_that_is_left_out_is_a_doubt_where_the_total_says_more(page: dict[str, object]) -> None:
    found, doubts, _ = await listed(lambda _: reply(200, page))
    assert (found, doubts) == ([], ("workspace 0: 0 records were found where the service claims 3",))


@pytest.mark.parametrize("total", [10_000, None])
async def test_a_list_that_ends_at_a_search_window_is_a_doubt(total: int | None) -> None:
    found, doubts, _ = await listed(Shelf(images(10_000), total=lambda _: total))
    assert len(found) == 10_000
    assert "exactly 10000 records" in doubts[0]


@pytest.mark.parametrize("count", [9_999, 10_001, 20_000])
async def test_a_list_that_goes_on_beyond_a_search_window_is_whole(count: int) -> None:
    found, doubts, _ = await listed(Shelf(images(count)))
    assert (len(found), doubts) == (count, ())
