"""The image API's semantics, without HTTP: listing, deleting, registering, notebooks, refusals."""

import re
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanup.simulator import OTHER_WORKSPACE, PROJECT_ID, Service, WhenInUse, World, build_world, serve
from cleanup.simulator.messages import ApiResponse, Call, Record
from cleanup.simulator.routes import ROUTES, Operation
from tests.support.builders import DOCUMENTED_IMAGE

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WORLD = build_world(1, 300, NOW)

# What the documented image looks like once it is deleted, on the same page.
SEED_ANSWER = """
    { "arch": "x86_64", "create_at": 1671093486722, "description": "", "dev_services": ["NOTEBOOK", "SSH"],
      "id": "c9ab2b2f-edda-4556-bdbb-494e868d043c", "name": "mock-service-python", "namespace": "mock-service1",
      "origin": "CUSTOMIZE", "resource_categories": ["CPU"], "service_type": "UNKNOWN", "size": 387840321,
      "status": "DELETED", "swr_path": "swr.xxx.com/mock-service1/mock-service-python:0.0.17", "tag": "0.0.17",
      "type": "DEDICATED", "update_at": 1671093486722, "visibility": "PRIVATE", "workspace_id": "0" }
"""


def service(*images: Record, **options: Any) -> Service:
    records = [
        DOCUMENTED_IMAGE | {"id": f"i{number}", "create_at": 10 - number} | image
        for number, image in enumerate(images)
    ]
    contents = {record["swr_path"]: 1 for record in records}
    notebooks = options.pop("notebooks", ())
    return Service(World(images=records, contents=contents, notebooks=notebooks), lambda: NOW, **options)


def ask(
    target: Service, operation: Operation, image_id: str = "", query: str = "", body: object = None
) -> ApiResponse:
    parts = {"project_id": PROJECT_ID, "image_id": image_id}
    content = b"" if body is None else msgspec.json.encode(body)
    return target.handle(Call(operation=operation, parts=parts, raw_query=query, body=content))


def read(answer: ApiResponse) -> Any:
    return msgspec.json.decode(answer.body)


def ids(target: Service, query: str) -> list[str]:
    return [image["id"] for image in read(ask(target, Operation.LIST, query=query))["data"]]


def error(answer: ApiResponse) -> tuple[int, str]:
    return answer.status, read(answer)["error_code"]


def test_a_listing_without_a_type_gives_the_built_in_images() -> None:
    page = read(ask(Service(WORLD, lambda: NOW), Operation.LIST))
    assert {image["type"] for image in page["data"]} == {"BUILD_IN"}
    assert page["total"] == 24


def test_a_page_says_where_it_stands() -> None:
    page = read(ask(Service(WORLD, lambda: NOW), Operation.LIST, query="type=DEDICATED&limit=100&offset=200"))
    assert {key: page[key] for key in ("current", "pages", "size", "total")} == {
        "current": 2,
        "pages": 3,
        "size": 100,
        "total": 300,
    }
    assert read(ask(Service(WORLD, lambda: NOW), Operation.LIST, query="type=DEDICATED"))["size"] == 200


@pytest.mark.parametrize("direction", ["DESC", "ASC"])
def test_pages_hold_every_image_once_in_order(direction: str) -> None:
    target = Service(WORLD, lambda: NOW)
    records = []
    for offset in range(0, 300, 70):
        query = f"type=dedicated&limit=70&offset={offset}&sort_dir={direction}"
        records += read(ask(target, Operation.LIST, query=query))["data"]
    assert len({image["id"] for image in records}) == len(records) == 300
    created = [image["create_at"] for image in records]
    assert created == sorted(created, reverse=direction == "DESC")


def test_a_listing_is_of_one_workspace_and_the_built_in_images_are_in_all() -> None:
    target = Service(WORLD, lambda: NOW)
    assert len(ids(target, f"type=DEDICATED&workspace_id={OTHER_WORKSPACE}")) == 300 // 8
    assert len(ids(target, f"type=BUILD_IN&workspace_id={OTHER_WORKSPACE}")) == 24


def test_names_match_in_part_unless_told_otherwise() -> None:
    target = service({"name": "base"}, {"name": "base-python"}, {"name": "python", "namespace": "other"})
    assert ids(target, "type=DEDICATED&name=base") == ["i0", "i1"]
    assert ids(target, "type=DEDICATED&name=base&name_fuzzy_match=false") == ["i0"]
    assert ids(target, "type=DEDICATED&name=python&namespace=other") == ["i2"]
    assert ids(target, "type=DEDICATED&name=python&namespace=other&name_fuzzy_match=false") == ["i2"]
    assert ids(target, "type=DEDICATED&name=base&namespace=other&name_fuzzy_match=false") == []
    assert ids(target, "type=DEDICATED&namespace=mock-service1") == ["i0", "i1"]


def test_other_orders_and_service_types() -> None:
    target = service(
        {"size": 3, "service_type": "DEV"}, {"size": 1, "tag": "b"}, {"size": 1, "tag": "a"}, {"size": 2}
    )
    assert ids(target, "type=DEDICATED&sort_key=size,tag&sort_dir=ASC")[:2] == ["i2", "i1"]
    assert ids(target, "type=DEDICATED&sort_key=size")[:2] == ["i0", "i3"]
    assert ids(target, "type=DEDICATED&service_type=DEV") == ["i0"]


def test_an_order_that_was_asked_for_is_right_again_after_a_change() -> None:
    target = service({"size": 3}, {"size": 1})
    query = "type=DEDICATED&sort_key=size&sort_dir=ASC"
    assert ids(target, query) == ["i1", "i0"]
    ask(target, Operation.DELETE, "i1")
    assert ids(target, query) == ["i0"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "ModelArts.0104"),
        ("limit=ten", "ModelArts.0104"),
        ("offset=-1", "ModelArts.0104"),
        ("type=MINE", "ModelArts.0104"),
        ("sort_dir=UP", "ModelArts.0104"),
        ("sort_key=colour", "ModelArts.6303"),
    ],
)
def test_bad_parameters_are_refused(query: str, code: str) -> None:
    assert error(ask(service({}), Operation.LIST, query=query)) == (400, code)


def test_one_image_and_none() -> None:
    target = service({})
    assert read(ask(target, Operation.SHOW, "i0")) == DOCUMENTED_IMAGE | {"id": "i0", "create_at": 10}
    missing = ask(target, Operation.SHOW, "nobody")
    assert error(missing) == (404, "ModelArts.6797")
    assert read(missing)["error_msg"] == "Specified image nobody cannot be found."


def test_the_status_of_not_found_can_be_the_documented_400() -> None:
    assert error(ask(service(not_found=400), Operation.DELETE, "nobody")) == (400, "ModelArts.6797")


def test_the_deletion_pages_example_word_for_word() -> None:
    target = Service(
        World(images=[DOCUMENTED_IMAGE], contents={DOCUMENTED_IMAGE["swr_path"]: DOCUMENTED_IMAGE["size"]}),
        lambda: NOW,
    )
    answer = ask(target, Operation.DELETE, DOCUMENTED_IMAGE["id"], "force=true")
    assert answer.status == 200
    assert read(answer) == msgspec.json.decode(SEED_ANSWER)
    assert list(read(answer)) == list(msgspec.json.decode(SEED_ANSWER)), (
        "the order of the fields is theirs too"
    )


def test_what_is_deleted_is_gone() -> None:
    target = service({}, {})
    assert ask(target, Operation.DELETE, "i0").status == 200
    assert error(ask(target, Operation.DELETE, "i0")) == (404, "ModelArts.6797")
    assert error(ask(target, Operation.SHOW, "i0")) == (404, "ModelArts.6797")
    assert ids(target, "type=DEDICATED") == ["i1"]
    assert [deletion.image_id for deletion in target.deletions] == ["i0"]


@pytest.mark.parametrize(
    ("query", "body", "force"),
    [
        ("", None, False),
        ("force=true", None, True),
        ("force=True", None, True),
        ("force=false", None, False),
        ("", {"is_force": True}, True),
        ("", {"is_force": False}, False),
        ("", {"is_force": "true"}, False),
    ],
)
def test_force_comes_in_the_query_or_in_the_body(query: str, body: object, force: bool) -> None:
    target = service({})
    ask(target, Operation.DELETE, "i0", query, body)
    assert target.deletions[0].force is force
    assert target.deletions[0].content_removed is force
    assert (DOCUMENTED_IMAGE["swr_path"] in target.contents) is not force


@pytest.mark.parametrize("image", [{"visibility": "PUBLIC"}, {"visibility": "SHARED"}])
def test_force_removes_the_content_of_private_images_only(image: dict[str, str]) -> None:
    target = service(image)
    ask(target, Operation.DELETE, "i0", "force=true")
    assert target.deletions[0].force
    assert not target.deletions[0].content_removed
    assert DOCUMENTED_IMAGE["swr_path"] in target.contents


def test_force_on_one_record_takes_the_content_from_under_the_other() -> None:
    target = service({}, {})
    ask(target, Operation.DELETE, "i0", "force=true")
    assert ids(target, "type=DEDICATED") == ["i1"]
    assert target.contents == {}


@pytest.mark.parametrize(
    "spelling",
    [
        "swr.xxx.com:443/mock-service1/mock-service-python:0.0.17",
        "10.125.0.198:20202/mock-service1/mock-service-python:0.0.17",
        "mock-service1/mock-service-python:0.0.17",
        f"swr.xxx.com/mock-service1/mock-service-python:0.0.17@sha256:{'a' * 64}",
    ],
)
def test_force_takes_the_content_from_under_every_spelling_of_it(spelling: str) -> None:
    target = service({}, {"swr_path": spelling})
    assert len(target.contents) == 1
    ask(target, Operation.DELETE, "i1", "force=true")
    assert target.deletions[0].content_removed
    assert DOCUMENTED_IMAGE["swr_path"] not in target.contents


def test_tags_that_differ_by_case_are_two_contents() -> None:
    target = service({"swr_path": "swr.x.com/a/b:V1"}, {"swr_path": "swr.x.com/a/b:v1"})
    ask(target, Operation.DELETE, "i0", "force=true")
    assert list(target.contents) == ["swr.x.com/a/b:v1"]


def test_a_content_is_registered_by_another_spelling_too() -> None:
    target = service({})
    path = "10.125.0.198:20202/mock-service1/mock-service-python:0.0.17"
    image = read(ask(target, Operation.REGISTER, body={"swr_path": path}))
    assert (image["swr_path"], image["name"], image["size"]) == (path, "mock-service-python", 1)


def test_built_in_images_cannot_be_deleted() -> None:
    target = service({"type": "BUILD_IN"})
    assert error(ask(target, Operation.DELETE, "i0")) == (403, "ModelArts.0108")
    assert len(target.images) == 1


def notebook(status: str, **image: str) -> Record:
    return {
        "id": "n",
        "status": status,
        "image": image,
        "feature": "NOTEBOOK",
        "workspace_id": "0",
        "user_id": "u",
    }


@pytest.mark.parametrize(
    "image",
    [
        {"id": "i0"},
        {"swr_path": DOCUMENTED_IMAGE["swr_path"]},
        {"swr_path": "mock-service1/mock-service-python:0.0.17"},
    ],
)
@pytest.mark.parametrize(
    ("manner", "status"), [(WhenInUse.CONFLICT, 409), (WhenInUse.BAD_REQUEST, 400), (WhenInUse.ALLOW, 200)]
)
def test_what_a_running_notebook_uses_is_refused_unless_told_otherwise(
    manner: WhenInUse, status: int, image: dict[str, str]
) -> None:
    target = service({}, when_in_use=manner, notebooks=[notebook("RUNNING", **image)])
    answer = ask(target, Operation.DELETE, "i0")
    assert answer.status == status
    assert ("is being used" in answer.body.decode()) is (manner is not WhenInUse.ALLOW)
    assert len(target.images) == (0 if manner is WhenInUse.ALLOW else 1)


def test_a_stopped_notebook_does_not_hold_its_image_at_the_service() -> None:
    target = service({}, notebooks=[notebook("STOPPED", id="i0")])
    assert ask(target, Operation.DELETE, "i0").status == 200


def test_registering_gives_a_new_id_to_old_content() -> None:
    target = service({})
    ask(target, Operation.DELETE, "i0")
    wanted = {
        "swr_path": DOCUMENTED_IMAGE["swr_path"],
        "arch": "x86_64",
        "visibility": "PUBLIC",
        "services": ["SSH"],
    }
    more = {"resource_category": ["CPU"], "description": "back"}
    answer = ask(target, Operation.REGISTER, body=wanted | more)
    image = read(answer)
    assert answer.status == 201
    assert image["id"] != "i0"
    assert read(ask(target, Operation.SHOW, image["id"])) == image
    expected = {
        "namespace": "mock-service1",
        "name": "mock-service-python",
        "tag": "0.0.17",
        "visibility": "PUBLIC",
        "dev_services": ["SSH"],
        "resource_categories": ["CPU"],
        "description": "back",
        "status": "ACTIVE",
        "create_at": int(NOW.timestamp() * 1000),
    }
    assert {key: image[key] for key in expected} == expected


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"swr_path": 5},
        {"swr_path": "no-host"},
        {"swr_path": "swr.xxx.com/mock-service1/mock-service-python"},
        {"swr_path": "swr.xxx.com/mock-service1/content-not-there:1.0.0"},
    ],
)
def test_registering_what_is_not_there_is_refused(body: object) -> None:
    target = service({})
    answer = ask(target, Operation.REGISTER, body=body)
    assert answer.status == 400
    assert read(answer)["error_code"] in ("ModelArts.0101", "ModelArts.0104", "ModelArts.0107")
    assert len(target.images) == 1


def test_a_body_that_is_no_json_is_refused() -> None:
    target = service({})
    parts = {"project_id": PROJECT_ID, "image_id": "i0"}
    call = Call(operation=Operation.DELETE, parts=parts, body=b"{force")
    assert error(target.handle(call)) == (400, "ModelArts.0107")
    assert len(target.images) == 1


def notebooks(
    target: Service, query: str = "", operation: Operation = Operation.ALL_NOTEBOOKS
) -> list[Record]:
    found: list[Record] = []
    while page := read(ask(target, operation, query=f"limit=10&offset={len(found)}&{query}"))["data"]:
        found += page
    return found


def test_notebooks_are_ones_own_and_all_are_everybodys() -> None:
    target = Service(WORLD, lambda: NOW)
    own, everybody = notebooks(target, operation=Operation.NOTEBOOKS), notebooks(target)
    assert {each["user_id"] for each in own} == {WORLD.user_id}
    assert {each["id"] for each in own} < {each["id"] for each in everybody}
    assert {each["feature"] for each in everybody} == {"NOTEBOOK"}
    assert {each["workspace_id"] for each in everybody} == {"0"}


def test_features_and_workspaces_together_are_all_notebooks() -> None:
    target = Service(WORLD, lambda: NOW)
    found = [
        each["id"]
        for feature in ("NOTEBOOK", "DEFAULT")
        for workspace in ("workspaceId=0", f"workspace_id={OTHER_WORKSPACE}")
        for each in notebooks(target, f"feature={feature}&{workspace}")
    ]
    assert sorted(found) == sorted(each["id"] for each in WORLD.notebooks)


def test_notebooks_by_status_and_by_image() -> None:
    target = service(
        {}, notebooks=[notebook("RUNNING", id="i0"), notebook("STOPPED", swr_path="swr/a/b:1") | {"id": "m"}]
    )
    assert [each["id"] for each in notebooks(target, "status=STOPPED")] == ["m"]
    assert [each["id"] for each in notebooks(target, "image_id=i0")] == ["n"]
    assert [each["id"] for each in notebooks(target, "swr_path=a/b")] == ["m"]


@pytest.mark.parametrize("query", ["limit=200", "limit=11", "limit=x", "feature=ALL", "offset=-5"])
def test_notebook_parameters_are_refused(query: str) -> None:
    assert ask(service(), Operation.NOTEBOOKS, query=query).status == 400


def test_all_notebooks_need_their_permission() -> None:
    target = service(sees_all=False)
    assert error(ask(target, Operation.ALL_NOTEBOOKS)) == (403, "ModelArts.0108")
    assert ask(target, Operation.NOTEBOOKS).status == 200


def test_another_project_and_another_call() -> None:
    target = service()
    other = Call(operation=Operation.LIST, parts={"project_id": "other"})
    assert error(target.handle(other)) == (403, "ModelArts.0210")
    assert error(target.handle(Call(operation=Operation.OTHER))) == (404, "APIG.0101")


async def test_every_route_leads_to_its_call_and_what_is_not_there_to_none() -> None:
    target = service()
    async with serve(target) as url, aiohttp.ClientSession() as session:
        for method, path, _ in ROUTES[:-1]:
            filled = re.sub(r"\{\w+\}", "x", path)
            await session.request(method, url + filled)
        for method, path in (("GET", "/v2/images"), ("PUT", "/v1/x/images/x"), ("GET", "/")):
            async with session.request(method, url + path) as response:
                assert (response.status, (await response.json())["error_code"]) == (404, "APIG.0101")
    operations = [request.operation for request in target.requests]
    assert operations == [operation for *_, operation in ROUTES[:-1]] + [Operation.OTHER] * 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["put", "take"]), st.integers(0, 8), st.integers(0, 3)), max_size=40)
)
def test_the_listing_stays_in_order_through_any_changes(changes: list[tuple[str, int, int]]) -> None:
    target = service()
    expected: dict[str, Record] = {}
    for what, number, created in changes:
        image = DOCUMENTED_IMAGE | {"id": f"i{number}", "create_at": created, "name": f"n{created}"}
        if what == "put":
            target.images.put(image)
            expected[image["id"]] = image
        else:
            assert target.images.take(image["id"]) == expected.pop(image["id"], None)
    order = sorted(expected.values(), key=lambda image: (-image["create_at"], image["id"]))
    assert ids(target, "type=DEDICATED") == [image["id"] for image in order]
    named = [image["id"] for image in order if image["name"] == "n1"]
    assert ids(target, "type=DEDICATED&namespace=mock-service1&name=n1&name_fuzzy_match=false") == named
    assert ids(target, "type=DEDICATED&name=n1&sort_dir=ASC") == named[::-1]
