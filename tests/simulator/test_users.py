"""The users of images over HTTP: how each list pages, what it leaves out, and where the image is."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from cleanup.simulator import (
    CLOSED_WORKSPACE,
    OTHER_WORKSPACE,
    PROJECT_ID,
    USER_ID,
    Service,
    World,
    build_world,
    serve,
    user_records,
)
from cleanup.simulator.messages import Record
from cleanup.simulator.references import content_key, digest_of
from cleanup.simulator.routes import LISTS, ROUTES, Operation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = int(NOW.timestamp() * 1000)
DAY = 24 * 3600 * 1000
V1, V2 = f"/v1/{PROJECT_ID}", f"/v2/{PROJECT_ID}"
IMAGE = {"id": "i0", "source": "IMAGE", "swr_path": "swr.x.com/a/b:1"}


class Client:
    """Asks one service over HTTP."""

    def __init__(self, service: Service, url: str, session: aiohttp.ClientSession) -> None:
        self.service = service
        self._url, self._session = url, session

    async def ask(
        self, path: str, method: str = "GET", body: object = None, **query: object
    ) -> tuple[int, Any]:
        texts = {name: str(value) for name, value in query.items()}
        async with self._session.request(method, self._url + path, params=texts, json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str, **query: object) -> Any:
        status, body = await self.ask(path, "GET", None, **query)
        assert status == 200, body
        return body

    async def search(self, **body: object) -> Any:
        status, found = await self.ask(f"{V2}/training-job-searches", "POST", body)
        assert status == 200, found
        return found

    async def error(
        self, path: str, method: str = "GET", body: object = None, **query: object
    ) -> tuple[int, str]:
        status, error = await self.ask(path, method, body, **query)
        return status, error["error_code"]


def several(kind: str, count: int, **fields: Any) -> list[Record]:
    """Records of one kind, the first the oldest."""
    template = getattr(user_records, kind)
    return [template(f"{kind}-{number}", TODAY - (count - number) * DAY, **fields) for number in range(count)]


@pytest.fixture
def world() -> World:
    return World(
        workspaces=[
            *several("workspace", 3, owner=USER_ID),
            user_records.workspace("0", 0, name="default"),
            user_records.workspace(CLOSED_WORKSPACE, 0, name="locked", auth_type="PRIVATE", owner="else"),
        ],
        jobs=several("job", 7),
        algorithms=several("algorithm", 7, job_config={"engine": {"image_url": "a/b:1"}}),
        models=several("model", 5, source_location="swr.x.com/a/b:1", source_copy="false", config="{}"),
        services_v1=several("service_v1", 5, models=several("model", 1)),
        services=several("service", 7, images=[IMAGE, IMAGE | {"id": "i1"}]),
        workflows=several("workflow", 5, data=[{"type": "swr", "value": {"swr_path": "a/b:1"}}]),
        contents={"swr.x.com/a/team/b:1": 7},
    )


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    service = Service(world, lambda: NOW)
    async with serve(service) as url, aiohttp.ClientSession() as session:
        yield Client(service, url, session)


class TestJobs:
    async def test_the_offset_is_a_page_number(self, client: Client) -> None:
        pages = [await client.search(limit=3, offset=number, order="asc") for number in range(4)]
        ids = [[item["metadata"]["id"] for item in page["items"]] for page in pages]
        assert ids == [["job-0", "job-1", "job-2"], ["job-3", "job-4", "job-5"], ["job-6"], []]
        first = {key: pages[0][key] for key in ("total", "count", "limit", "offset", "workspace_id")}
        assert first == {"total": 7, "count": 7, "limit": 3, "offset": 0, "workspace_id": "0"}

    async def test_the_newest_come_first_unless_told_otherwise(self, client: Client) -> None:
        found = await client.search()
        assert [item["metadata"]["id"] for item in found["items"]][:2] == ["job-6", "job-5"]

    @pytest.mark.parametrize(
        "body", [{"limit": 51}, {"limit": 0}, {"offset": -1}, {"order": "up"}, {"limit": "x"}]
    )
    async def test_what_is_refused(self, client: Client, body: Record) -> None:
        assert await client.error(f"{V2}/training-job-searches", "POST", body) == (400, "ModelArts.0104")

    async def test_fine_tuning_jobs_are_left_out_unless_asked_for(self, client: Client) -> None:
        tuned = user_records.job("tuned", TODAY, ftjob_config={"ft_train_type": "LORA"})
        client.service.jobs.put(tuned)
        assert (await client.search())["count"] == 7
        assert (await client.search())["total"] == 8
        assert (await client.search(unified_jobs=True))["count"] == 8
        only = await client.search(unified_jobs=True, train_type="ftjob")
        assert only["items"] == [tuned]

    async def test_filters(self, client: Client) -> None:
        client.service.jobs.put(user_records.job("done", TODAY, phase="Completed"))
        final = [{"key": "phase", "operator": "in", "value": ["Completed", "Failed"]}]
        assert [each["metadata"]["id"] for each in (await client.search(filters=final))["items"]] == ["done"]
        others = [{"key": "phase", "operator": "not", "value": ["Completed"]}]
        assert (await client.search(filters=others))["count"] == 7

    async def test_filters_by_tag_silently_leave_old_jobs_out(self, client: Client) -> None:
        client.service.jobs.put(user_records.job("old", TODAY, began=TODAY - 40 * DAY))
        assert (await client.search())["count"] == 8
        assert (await client.search(tags=[{"key": "team"}]))["count"] == 7

    async def test_jobs_are_of_one_workspace(self, client: Client) -> None:
        there = user_records.job("there", TODAY, metadata={"workspace_id": OTHER_WORKSPACE})
        client.service.jobs.put(there)
        assert (await client.search(workspace_id=OTHER_WORKSPACE))["items"] == [there]
        assert (await client.search())["count"] == 7


class TestAlgorithms:
    @pytest.mark.parametrize("by_page", [False, True])
    async def test_the_offset_counts_records_or_pages(self, client: Client, by_page: bool) -> None:
        client.service.pages_algorithms = by_page
        path = f"{V2}/algorithms"
        found = [await client.get(path, limit=2, offset=number, order="asc") for number in range(7)]
        ids = [[item["metadata"]["id"][-1] for item in page["items"]] for page in found]
        records = [["0", "1"], ["1", "2"], ["2", "3"], ["3", "4"], ["4", "5"], ["5", "6"], ["6"]]
        pages = [["0", "1"], ["2", "3"], ["4", "5"], ["6"], [], [], []]
        assert ids == (pages if by_page else records)
        assert {(page["total"], page["count"]) for page in found} == {(7, 7)}

    async def test_the_limit_is_50_at_most(self, client: Client) -> None:
        assert await client.error(f"{V2}/algorithms", limit=51) == (400, "ModelArts.0104")


class TestModels:
    async def test_the_offset_is_a_page_number_and_the_list_says_no_location(self, client: Client) -> None:
        pages = [await client.get(f"{V1}/models", limit=2, offset=number, order="asc") for number in range(3)]
        assert [[one["model_id"][-1] for one in page["models"]] for page in pages] == [
            ["0", "1"],
            ["2", "3"],
            ["4"],
        ]
        assert [(page["total_count"], page["count"]) for page in pages] == [(5, 2), (5, 2), (5, 1)]
        assert pages[0]["models"][0]["source_copy"] == "false"
        hidden = {"source_location", "config", "image_address"}
        assert not hidden & pages[0]["models"][0].keys()
        assert hidden <= (await client.get(f"{V1}/models/model-0")).keys()
        assert (await client.get(f"{V1}/models"))["count"] == 5

    async def test_filters_and_what_is_not_there(self, client: Client) -> None:
        client.service.models.put(user_records.model("obs", TODAY, model_type="TensorFlow"))
        assert (await client.get(f"{V1}/models", model_type="TensorFlow"))["total_count"] == 1
        assert (await client.error(f"{V1}/models/nobody"))[0] == 404

    async def test_a_service_says_its_models_in_detail_only(self, client: Client) -> None:
        listed = await client.get(f"{V1}/services", limit=2, offset=1, model_id="model-0")
        assert (listed["total_count"], listed["count"]) == (5, 2)
        assert "config" not in listed["services"][0]
        service = await client.get(f"{V1}/services/{listed['services'][0]['service_id']}")
        assert service["config"][0]["model_id"] == "model-0"
        assert (await client.get(f"{V1}/services", model_id="other"))["total_count"] == 0


class TestServices:
    async def test_the_offset_must_be_a_multiple_of_the_limit(self, client: Client) -> None:
        pages = [await client.get(f"{V2}/services", limit=3, offset=n, sort_dir="ASC") for n in (0, 3, 6)]
        assert [[one["id"][-1] for one in page["data"]] for page in pages] == [
            list("012"),
            list("345"),
            ["6"],
        ]
        assert [page["current"] for page in pages] == [0, 1, 2]
        assert await client.error(f"{V2}/services", limit=3, offset=2) == (400, "ModelArts.0104")
        assert await client.error(f"{V2}/services", limit=501) == (400, "ModelArts.0104")

    async def test_the_way_down_to_an_old_version(self, client: Client) -> None:
        [listed] = [one for one in (await client.get(f"{V2}/services"))["data"] if one["id"] == "service-0"]
        assert (listed["version"], listed["version_count"]) == ("1.0.1", 2)
        path = f"{V2}/services/service-0"
        service = await client.get(path)
        current = service["version"]["instance_groups"][0]["unit_configs"][0]["image"]
        assert (current["id"], "deployments" in service) == ("i1", False)
        [deployment] = (await client.get(f"{path}/deployments", limit=500))["data"]
        assert "unit_configs" not in deployment
        path += f"/deployments/{deployment['id']}"
        assert (await client.get(path))["unit_configs"][0]["image"]["id"] == "i1"
        versions = (await client.get(f"{path}/versions", limit=500))["data"]
        assert [one["version"] for one in versions] == ["1.0.0", "1.0.1"]
        old = await client.get(f"{path}/versions/1.0.0")
        assert old["unit_configs"][0]["image"] == IMAGE

    @pytest.mark.parametrize(
        "path",
        [
            "x",
            "x/deployments",
            "service-0/deployments/x",
            "service-0/deployments/x/versions",
            "x/deployments/x/versions/1",
        ],
    )
    async def test_what_is_not_there(self, client: Client, path: str) -> None:
        assert (await client.error(f"{V2}/services/{path}"))[0] == 404


class TestWorkflows:
    async def test_the_offset_counts_records(self, client: Client) -> None:
        pages = [await client.get(f"{V2}/workflows", limit=2, offset=number) for number in (0, 2, 4)]
        ids = [[one["workflow_id"][-1] for one in page["items"]] for page in pages]
        assert ids == [["4", "3"], ["2", "1"], ["0"]]
        assert [(page["total"], page["count"]) for page in pages] == [(5, 2), (5, 2), (5, 1)]

    async def test_a_definition_names_images_in_free_form(self, client: Client) -> None:
        workflow = await client.get(f"{V2}/workflows/workflow-0")
        assert workflow["data"][0]["value"] == {"swr_path": "a/b:1"}
        assert (await client.error(f"{V2}/workflows/x"))[0] == 404


class TestWorkspaces:
    async def test_all_are_listed_or_those_one_may_enter(self, client: Client) -> None:
        found = await client.get(f"{V1}/workspaces", order="asc")
        names = [one["name"] for one in found["workspaces"]]
        assert names == ["added-workspac", "added-workspac", "added-workspac", "default", "locked"]
        assert found["total_count"] == 5
        page = await client.get(f"{V1}/workspaces", order="asc", limit=2, offset=2)
        assert [one["name"] for one in page["workspaces"]] == ["locked"]
        accessible = await client.get(f"{V1}/workspaces", filter_accessible="true")
        assert CLOSED_WORKSPACE not in {one["id"] for one in accessible["workspaces"]}

    @pytest.mark.parametrize(
        "path",
        [
            f"{V1}/images?type=DEDICATED&workspace_id=",
            f"{V1}/images/group?workspace_id=",
            f"{V1}/notebooks/all?workspaceId=",
            f"{V1}/notebooks/all?workspace_id=",
            f"{V2}/algorithms?workspace_id=",
            f"{V1}/models?workspace_id=",
            f"{V1}/services?workspace_id=",
            f"{V2}/services?workspace_id=",
        ],
    )
    async def test_a_closed_one_is_refused(self, client: Client, path: str) -> None:
        assert await client.error(path + CLOSED_WORKSPACE) == (403, "ModelArts.0112")
        assert (await client.ask(path + OTHER_WORKSPACE))[0] == 200
        closed = client.service.workspaces.get(CLOSED_WORKSPACE) or {}
        client.service.workspaces.put(closed | {"grants": [{"user_id": USER_ID}]})
        assert (await client.ask(path + CLOSED_WORKSPACE))[0] == 200

    async def test_its_jobs_are_refused_too(self, client: Client) -> None:
        body = {"workspace_id": CLOSED_WORKSPACE}
        assert await client.error(f"{V2}/training-job-searches", "POST", body) == (403, "ModelArts.0112")

    async def test_without_any_there_are_those_that_images_name(self) -> None:
        images = [{"id": "i", "workspace_id": "w" * 32}]
        service = Service(World(images=images), lambda: NOW)
        assert [one["id"] for one in service.workspaces] == ["0", "w" * 32]


class TestGroups:
    @pytest.fixture
    def world(self) -> World:
        return build_world(1, 300, NOW)

    async def test_the_versions_of_all_groups_are_all_images(self, client: Client) -> None:
        for kind, expected in (("DEDICATED", 300), ("BUILD_IN", 24)):
            found: list[Record] = []
            while page := (await client.get(f"{V1}/images/group", type=kind, limit=10, offset=len(found)))[
                "data"
            ]:
                found += page
            assert sum(group["version_count"] for group in found) == expected
            assert len({(group["namespace"], group["name"]) for group in found}) == len(found)
            assert len({group["id"] for group in found}) == len(found)

    async def test_without_a_limit_they_come_under_another_name(self, client: Client) -> None:
        page = await client.get(f"{V1}/images/group", type="DEDICATED")
        assert "data" not in page
        assert page["size"] == len(page["groups"]) == page["total"]

    async def test_of_one_namespace_and_name(self, client: Client) -> None:
        page = await client.get(f"{V1}/images/group", type="DEDICATED", namespace="ml-vision", limit=200)
        assert {group["namespace"] for group in page["data"]} == {"ml-vision"}
        one = page["data"][0]["name"]
        exact = {"namespace": "ml-vision", "name": one, "name_fuzzy_match": "false", "limit": 5}
        [group] = (await client.get(f"{V1}/images/group", type="DEDICATED", **exact))["data"]
        assert group == page["data"][0]

    async def test_tags_are_the_groups(self, client: Client) -> None:
        exact = {"type": "DEDICATED", "namespace": "ml-vision", "name_fuzzy_match": "false", "limit": 5}
        group = (await client.get(f"{V1}/images/group", **exact))["data"][0]
        tags = [{"key": "team", "value": "vision"}]
        path = f"{V1}/images/group/{group['id']}"
        assert (await client.ask(path, "PUT", {"tags": tags}))[0] == 200
        versions = await client.get(f"{V1}/images", **exact | {"name": group["name"], "limit": 300})
        assert len(versions["data"]) == group["version_count"]
        assert all(image["tags"] == tags for image in versions["data"])
        assert await client.error(f"{V1}/images/group/nobody", "PUT", {"tags": tags}) == (
            404,
            "ModelArts.6797",
        )
        for bad in (["team"], [{"key": "team"}], tags * 21, None):
            assert (await client.error(path, "PUT", {"tags": bad}))[0] == 400


class TestContent:
    async def test_a_tag_that_is_there(self, client: Client) -> None:
        found = await client.get("/v2/manage/namespaces/a/repos/team$b/tags/1")
        assert (found["Tag"], found["size"]) == ("1", 7)
        assert found["digest"] == digest_of(content_key("a/team/b:1"))
        assert (found["path"], found["internal_path"]) == (
            "swr.x.com/a/team/b:1",
            "10.125.0.198:20202/a/team/b:1",
        )

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("a/repos/team$b/tags/2", "SVCSTG.SWR.4040048"),
            ("a/repos/c/tags/1", "SVCSTG.SWR.4040010"),
            ("z/repos/c/tags/1", "SVCSTG.SWR.4040058"),
        ],
    )
    async def test_what_is_missing_is_said_in_an_array(self, client: Client, path: str, code: str) -> None:
        status, errors = await client.ask(f"/v2/manage/namespaces/{path}")
        assert (status, [error["errorCode"] for error in errors]) == (404, [code])


@pytest.mark.parametrize(
    "operation", [each for each in Operation if each not in (Operation.TOKEN, Operation.OTHER)]
)
async def test_any_call_can_be_forbidden_or_absent(client: Client, operation: Operation) -> None:
    method, path = next((method, path) for method, path, each in ROUTES if each is operation)
    filled = re.sub(r"\{\w+\}", "x", path.replace("{project_id}", PROJECT_ID))
    client.service.forbidden = {operation}
    assert await client.error(filled, method) == (403, "ModelArts.0108")
    client.service.absent = {operation}
    assert await client.error(filled, method) == (404, "APIG.0101")


def test_the_lists_are_all_that_end_in_no_id() -> None:
    named = {operation for _, path, operation in ROUTES if not path.endswith("}")}
    assert named - {Operation.REGISTER, Operation.TOKEN} == LISTS


def test_a_config_is_a_text() -> None:
    world = build_world(7, 200, NOW)
    [model] = [model for model in world.models if model["model_name"] == "by-config"]
    assert content_key(json.loads(model["config"])["swr_location"])[0].count("/") == 1


async def test_an_old_finished_job_ended_when_it_says(client: Client) -> None:
    job = user_records.job("j", TODAY, phase="Completed", began=TODAY - 10 * DAY, hours=5)
    ended = NOW - timedelta(days=10) + timedelta(hours=5)
    assert job["status"]["start_time"] + job["status"]["duration"] == int(ended.timestamp() * 1000)
