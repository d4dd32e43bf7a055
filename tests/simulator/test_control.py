"""The control calls: a second client sees the state and changes it, unseen by the API's own records."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from cleanup.simulator import PROJECT_ID, Access, AuthMode, Service, build_world, serve
from cleanup.simulator.control import KINDS
from cleanup.simulator.messages import RecordedRequest
from cleanup.simulator.routes import Operation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def service() -> Service:
    return Service(build_world(1, 60, NOW), lambda: NOW + timedelta(hours=1))


@pytest.fixture
async def ask(service: Service) -> AsyncIterator[Ask]:
    async with serve(service) as url, aiohttp.ClientSession() as session:

        async def request(method: str, path: str, body: object = None) -> tuple[int, Any]:
            async with session.request(method, url + path, json=body) as response:
                return response.status, await response.json()

        yield request


def api(what: str) -> str:
    return f"/v1/{PROJECT_ID}/{what}"


def some_image(service: Service) -> str:
    return next(
        str(image["id"])
        for image in service.images
        if image["type"] == "DEDICATED" and not service.notebooks.running_on(image)
    )


async def test_the_state_can_be_read(ask: Ask, service: Service) -> None:
    victim = some_image(service)
    await ask("DELETE", api(f"images/{victim}"))
    status, counts = await ask("GET", "/_simulator/")
    assert status == 200
    kinds = [*KINDS, "contents"]
    assert counts == {
        "project_id": PROJECT_ID,
        **{kind: len(getattr(service, kind.replace("-", "_"))) for kind in kinds},
        "deletions": 1,
        "requests": 1,
        "busiest_second": 1,
    }
    for kind in KINDS:
        records = getattr(service, kind.replace("-", "_"))
        assert (await ask("GET", f"/_simulator/{kind}"))[1] == list(records) != []
    assert (await ask("GET", "/_simulator/contents"))[1] == service.contents
    assert [each["image_id"] for each in (await ask("GET", "/_simulator/deletions"))[1]] == [victim]
    assert [each["operation"] for each in (await ask("GET", "/_simulator/requests"))[1]] == ["delete"]


async def test_an_image_is_added_with_its_content(ask: Ask, service: Service) -> None:
    status, image = await ask("POST", "/_simulator/images", {"namespace": "ml-vision", "tag": "dev-1"})
    assert status == 201
    assert (image["namespace"], image["tag"], image["status"]) == ("ml-vision", "dev-1", "ACTIVE")
    assert image["swr_path"] in service.contents
    assert (await ask("GET", api(f"images/{image['id']}")))[1] == image
    assert (await ask("GET", api("images?type=DEDICATED&limit=1")))[1]["data"] == [image]


async def test_an_image_is_touched_and_changed(ask: Ask, service: Service) -> None:
    image_id = some_image(service)
    before = service.images.get(image_id) or {}
    _, touched = await ask("POST", f"/_simulator/images/{image_id}", {})
    assert touched == before | {"update_at": service.milliseconds()}
    _, changed = await ask("POST", f"/_simulator/images/{image_id}", {"visibility": "PUBLIC", "id": "other"})
    assert (changed["id"], changed["visibility"]) == (image_id, "PUBLIC")
    assert service.images.get(image_id) == changed


async def test_a_notebook_is_started_and_stopped(ask: Ask, service: Service) -> None:
    image_id = some_image(service)
    status, notebook = await ask("POST", "/_simulator/notebooks", {"image": {"id": image_id}})
    assert (status, notebook["status"]) == (201, "RUNNING")
    assert (await ask("DELETE", api(f"images/{image_id}")))[0] == 409
    await ask("POST", f"/_simulator/notebooks/{notebook['id']}", {"status": "STOPPED"})
    assert (await ask("DELETE", api(f"images/{image_id}")))[0] == 200


@pytest.mark.parametrize("kind", list(KINDS))
async def test_records_of_every_kind_are_added_changed_and_removed(
    ask: Ask, service: Service, kind: str
) -> None:
    store = getattr(service, kind.replace("-", "_"))
    before = list(store)
    status, added = await ask("POST", f"/_simulator/{kind}", {})
    assert status == 201
    [record] = [each for each in store if each not in before]
    assert record == added
    key = next(str(value) for value in _values(added) if store.get(str(value)))
    status, changed = await ask("POST", f"/_simulator/{kind}/{key}", {"workspace_id": "other"})
    assert (status, changed["workspace_id"]) == (200, "other")
    assert store.get(key) == changed
    assert (await ask("DELETE", f"/_simulator/{kind}/{key}"))[0] == 200
    assert list(store) == before
    assert (await ask("DELETE", f"/_simulator/{kind}/{key}"))[0] == 404


def _values(record: dict[str, Any]) -> list[object]:
    return [*record.values(), *record.get("metadata", {}).values()]


async def test_fields_within_are_merged_and_what_changed_has_its_time(ask: Ask, service: Service) -> None:
    body = {
        "phase": "Completed",
        "metadata": {"name": "mine"},
        "algorithm": {"engine": {"image_url": "a/b:1"}},
    }
    _, job = await ask("POST", "/_simulator/jobs", body)
    assert (job["metadata"]["name"], job["status"]["phase"]) == ("mine", "Completed")
    assert job["metadata"]["id"]
    _, job = await ask("POST", f"/_simulator/jobs/{job['metadata']['id']}", {"status": {"phase": "Running"}})
    assert (job["status"]["phase"], job["status"]["start_time"]) == ("Running", service.milliseconds())
    _, found = await ask("POST", f"/v2/{PROJECT_ID}/training-job-searches", {"limit": 1})
    assert found["items"] == [job]
    algorithm = next(iter(service.algorithms))["metadata"]["id"]
    _, touched = await ask("POST", f"/_simulator/algorithms/{algorithm}", {})
    assert touched["metadata"]["update_time"] == service.milliseconds()


async def test_a_service_is_added_with_a_version_for_each_image(ask: Ask) -> None:
    images = [{"id": "i0", "source": "IMAGE"}, {"source": "SWR", "swr_path": "swr.x.com/a/b:1"}]
    _, added = await ask("POST", "/_simulator/services", {"images": images, "name": "mine"})
    deployment = added["deployments"][0]["id"]
    path = f"/v2/{PROJECT_ID}/services/{added['id']}/deployments/{deployment}/versions/1.0.0"
    assert (await ask("GET", path))[1]["unit_configs"][0]["image"] == images[0]


async def test_settings_change_what_is_there_and_allowed(ask: Ask) -> None:
    status, settings = await ask(
        "POST", "/_simulator/settings", {"forbidden": ["algorithms"], "absent": ["workflows", "workflow"]}
    )
    assert status == 200
    assert settings["forbidden"] == ["algorithms"]
    refused = await ask("GET", f"/v2/{PROJECT_ID}/algorithms")
    assert (refused[0], refused[1]["error_code"]) == (403, "ModelArts.0108")
    absent = await ask("GET", f"/v2/{PROJECT_ID}/workflows")
    assert (absent[0], absent[1]["error_code"]) == (404, "APIG.0101")
    await ask("POST", "/_simulator/settings", {"forbidden": [], "pages_algorithms": True})
    assert (await ask("GET", f"/v2/{PROJECT_ID}/algorithms?limit=1&offset=1"))[0] == 200
    assert (await ask("GET", f"/v2/{PROJECT_ID}/workflows"))[0] == 404


async def test_faults_are_replaced(ask: Ask, service: Service) -> None:
    image_id = some_image(service)
    await ask("POST", "/_simulator/faults", {"rates": ["show:500=1"], "script": [{"fault": 403, "nth": 1}]})
    assert [(await ask("GET", api(f"images/{image_id}")))[0] for _ in range(3)] == [403, 500, 500]
    await ask("POST", "/_simulator/faults", {"throttle": 1})
    assert [(await ask("GET", api(f"images/{image_id}")))[0] for _ in range(2)] == [200, 429]
    await ask("POST", "/_simulator/faults", {})
    assert (await ask("GET", api(f"images/{image_id}")))[0] == 200


async def test_issued_tokens_are_ended(service: Service) -> None:
    access = Access(AuthMode.PASSWORD)
    domain = {"name": access.login.domain}
    login = {"user": {"name": access.login.user, "password": access.login.password, "domain": domain}}
    scope = {"project": {"id": PROJECT_ID}}
    body = {"auth": {"identity": {"methods": ["password"], "password": login}, "scope": scope}}
    async with serve(service, access=access) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/v3/auth/tokens", json=body) as issued:
            headers = {"X-Auth-Token": issued.headers["X-Subject-Token"]}
        async with session.get(url + api("images"), headers=headers) as let_in:
            assert let_in.status == 200
        await session.post(f"{url}/_simulator/expired-tokens")
        async with session.get(url + api("images"), headers=headers) as refused:
            assert (refused.status, (await refused.json())["error_code"]) == (401, "ModelArts.0202")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "faults", {"rates": ["drop=1"]}, 400, "'drop' is no fault"),
        ("POST", "faults", {"rate": []}, 400, "unknown field"),
        ("POST", "faults", {"script": [{"nth": 1}]}, 400, "script: "),
        ("POST", "images", [1], 400, "object"),
        ("POST", "settings", {"forbidden": ["job"]}, 400, "perhaps you meant 'jobs'"),
        ("POST", "services", {"new_id": "x"}, 400, "new_id"),
        ("POST", "images/nobody", {}, 404, "images has no nobody"),
        ("GET", "colours", None, 404, "GET /_simulator/KIND"),
        ("DELETE", "images", None, 404, "GET /_simulator/KIND"),
    ],
)
async def test_what_cannot_be_done_is_explained(
    ask: Ask, method: str, path: str, body: object, status: int, says: str
) -> None:
    answered, error = await ask(method, f"/_simulator/{path}", body)
    assert answered == status
    assert says in error["error_msg"]


async def test_control_calls_need_no_login_and_are_not_remembered(service: Service) -> None:
    async with (
        serve(service, access=Access(AuthMode.AKSK)) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/_simulator/") as response,
    ):
        assert response.status == 200
    assert not service.requests


def test_the_busiest_second_slides() -> None:
    service = Service(build_world(1, 0, NOW), lambda: NOW)
    for milliseconds in (0, 900, 1000, 1100, 1899, 2500):
        service.remember(
            RecordedRequest(
                time=NOW + timedelta(milliseconds=milliseconds),
                request_id="r",
                operation=Operation.LIST,
                method="GET",
                path="/",
                query={},
                body="",
                image_id=None,
                status=200,
                effect=None,
                fault=None,
            )
        )
    assert service.busiest_second() == 4
