"""The vendor's own SDK as the simulator's client: what it reads is what the simulator holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.utils.http_utils import sanitize_for_serialization
from huaweicloudsdkmodelarts import v1 as sdk  # type: ignore[import-untyped]

from cleanup.simulator import (
    OTHER_WORKSPACE,
    PROJECT_ID,
    Access,
    AuthMode,
    Service,
    SimulatedLogin,
    build_world,
    serve,
)

# From Python 3.12 on the vendor's signer warns of its own use of utcnow().
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning:huaweicloudsdkcore")

LOGIN = SimulatedLogin()
Record = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def service() -> Service:
    return Service(build_world(5, 230, now()), now)


def client_of(
    url: str, ak: str = LOGIN.ak, sk: str = LOGIN.sk, token: str | None = None
) -> sdk.ModelArtsClient:
    credentials = BasicCredentials(ak, sk, PROJECT_ID)
    if token:
        credentials.with_security_token(token)
    return sdk.ModelArtsClient.new_builder().with_credentials(credentials).with_endpoint(url).build()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[sdk.ModelArtsClient]:
    async with serve(service) as url:
        yield client_of(url)


async def call(function: Callable[[Any], Any], request: Any) -> Any:
    """One blocking call of the SDK, in a thread."""
    return await asyncio.to_thread(function, request)


def as_sent(model: Any) -> Record:
    """What the SDK read, without the fields that were not there (it knows no others than its own)."""
    sent: Record = sanitize_for_serialization(model)
    return sent


def known(record: Record, model: Any) -> Record:
    return {name: value for name, value in record.items() if name in model.openapi_types}


def held(service: Service, **wanted: str) -> dict[str, Record]:
    return {
        image["id"]: known(image, sdk.ImageResponse)
        for image in service.images
        if all(image.get(name) == value for name, value in wanted.items())
    }


async def list_all(client: sdk.ModelArtsClient, **query: Any) -> list[Record]:
    found: list[Record] = []
    while True:
        page = await call(client.list_image, sdk.ListImageRequest(limit=100, offset=len(found), **query))
        assert (page.current, page.size) == (len(found) // 100, len(page.data))
        found += [as_sent(image) for image in page.data]
        if not page.data:
            return found


@pytest.mark.parametrize("workspace", ["0", OTHER_WORKSPACE])
async def test_listing_through_all_pages(client: Any, service: Service, workspace: str) -> None:
    found = await list_all(client, type="DEDICATED", workspace_id=workspace)
    assert {image["id"]: image for image in found} == held(service, type="DEDICATED", workspace_id=workspace)
    assert len(found) == (230 if workspace == "0" else 28)


async def test_the_sdks_default_listing_is_the_built_in_images(client: Any, service: Service) -> None:
    assert {image["id"] for image in await list_all(client)} == held(service, type="BUILD_IN").keys()


async def test_listing_one_repository(client: Any, service: Service) -> None:
    some = next(
        image for image in service.images if image["workspace_id"] == "0" and image["type"] == "DEDICATED"
    )
    where = {"namespace": some["namespace"], "name": some["name"]}
    found = await list_all(client, type="DEDICATED", name_fuzzy_match=False, **where)
    assert {image["id"] for image in found} == held(
        service, type="DEDICATED", workspace_id="0", **where
    ).keys()


async def test_show_every_image(client: Any, service: Service) -> None:
    for image_id, image in held(service).items():
        assert as_sent(await call(client.show_image, sdk.ShowImageRequest(id=image_id))) == image


@pytest.mark.parametrize("force", [True, False])
async def test_delete_with_the_sdks_body(client: Any, service: Service, force: bool) -> None:
    image = next(
        image
        for image in service.images
        if image.get("visibility") == "PRIVATE" and image["swr_path"] in service.contents
    )
    request = sdk.DeleteImageRequest(id=image["id"], body=sdk.DeleteImageRequestBody(is_force=force))
    answer = await call(client.delete_image, request)
    assert as_sent(answer) == known(image, sdk.DeleteImageResponse) | {"status": "DELETED"}
    assert [(deletion.image_id, deletion.force) for deletion in service.deletions] == [(image["id"], force)]
    assert (image["swr_path"] in service.contents) is not force
    with pytest.raises(ClientRequestException) as gone:
        await call(client.show_image, sdk.ShowImageRequest(id=image["id"]))
    assert (gone.value.status_code, gone.value.error_code) == (404, "ModelArts.6797")
    assert gone.value.request_id == service.requests[-1].request_id


async def test_delete_without_a_body(client: Any, service: Service) -> None:
    image_id = next(iter(held(service, type="DEDICATED")))
    await call(client.delete_image, sdk.DeleteImageRequest(id=image_id))
    assert [(deletion.image_id, deletion.force) for deletion in service.deletions] == [(image_id, False)]


async def test_register(client: Any, service: Service) -> None:
    path = next(iter(service.contents))
    body = sdk.ImageRegRequest(swr_path=path, visibility="PRIVATE", description="again", services=["SSH"])
    answer = await call(client.register_image, sdk.RegisterImageRequest(body=body))
    assert as_sent(answer) == held(service, id=answer.id)[answer.id]
    assert (answer.swr_path, answer.description, answer.dev_services) == (path, "again", ["SSH"])


async def test_notebooks_of_everybody(client: Any, service: Service) -> None:
    read: dict[str, Record] = {}
    for feature in ("NOTEBOOK", "DEFAULT"):
        for workspace in ("0", OTHER_WORKSPACE):
            offset, total = 0, 1
            while offset < total:
                request = sdk.ListAllNotebooksRequest(
                    limit=10, offset=offset, feature=feature, workspace_id=workspace
                )
                page = await call(client.list_all_notebooks, request)
                read |= {each.id: as_sent(each) for each in page.data}
                offset, total = offset + 10, page.total
    expected = {each["id"]: known(each, sdk.NotebookResp) for each in service.notebooks}
    assert {key: each["image"] for key, each in read.items()} == {
        key: each["image"] for key, each in expected.items()
    }
    assert read == expected


async def test_ones_own_notebooks(client: Any, service: Service) -> None:
    page = await call(client.list_notebooks, sdk.ListNotebooksRequest(limit=50))
    own = [
        each["id"]
        for each in service.notebooks
        if each["user_id"] == service.user_id
        and each["feature"] == "NOTEBOOK"
        and each["workspace_id"] == "0"
    ]
    assert sorted(each.id for each in page.data) == sorted(own)


async def test_training_jobs(client: Any, service: Service) -> None:
    read: dict[str, Record] = {}
    for number in range(10):
        body = sdk.JobSearches(offset=number, limit=10, order="asc", workspace_id="0")
        page = await call(client.list_training_jobs, sdk.ListTrainingJobsRequest(body=body))
        read |= {each.metadata.id: as_sent(each) for each in page.items}
    plain = [
        job for job in service.jobs if "ftjob_config" not in job and job["metadata"]["workspace_id"] == "0"
    ]
    assert read.keys() == {job["metadata"]["id"] for job in plain}
    for job in plain:
        assert read[job["metadata"]["id"]]["algorithm"] == job["algorithm"]
        assert read[job["metadata"]["id"]]["status"] == job["status"]
        assert read[job["metadata"]["id"]].get("tasks") == job.get("tasks")


async def test_algorithms(client: Any, service: Service) -> None:
    page = await call(client.list_algorithms, sdk.ListAlgorithmsRequest(limit=50, offset=0))
    read = {each.metadata.id: as_sent(each.job_config)["engine"] for each in page.items}
    assert read == {each["metadata"]["id"]: each["job_config"]["engine"] for each in service.algorithms}


async def test_services_down_to_their_old_versions(client: Any, service: Service) -> None:
    page = await call(client.list_infer_services, sdk.ListInferServicesRequest(limit=500, offset=0))
    [chat] = [each for each in page.data if each.name == "chat"]
    assert (chat.status, chat.version_count) == ("STOPPED", 2)
    held = service.services.get(chat.id) or {}
    shown = await call(client.show_infer_service, sdk.ShowInferServiceRequest(service_id=chat.id))
    current = as_sent(shown.version.instance_groups[0].unit_configs[0].image)
    assert current == held["version"]["instance_groups"][0]["unit_configs"][0]["image"]
    request = sdk.ListInferDeploymentsRequest(service_id=chat.id, limit=500)
    [deployment] = (await call(client.list_infer_deployments, request)).data
    where = {"service_id": chat.id, "deployment_id": deployment.id}
    shown = await call(client.show_infer_deployment, sdk.ShowInferDeploymentRequest(**where))
    assert as_sent(shown.unit_configs[0].image) == current
    request = sdk.ListInferDeploymentVersionsRequest(**where, limit=500)
    versions = (await call(client.list_infer_deployment_versions, request)).data
    assert [each.version for each in versions] == ["1.0.0", "1.0.1"]
    request = sdk.ShowInferDeploymentVersionRequest(**where, version="1.0.0")
    old = await call(client.show_infer_deployment_version, request)
    [image] = [each for each in service.images if each["id"] == old.unit_configs[0].image.id]
    assert (old.unit_configs[0].image.source, old.unit_configs[0].image.swr_path) == (
        "IMAGE",
        image["swr_path"],
    )


async def test_workflows(client: Any, service: Service) -> None:
    page = await call(client.list_workflows, sdk.ListWorkflowsRequest(limit="100", offset="0"))
    expected = {each["workflow_id"]: known(each, sdk.Workflow) for each in service.workflows}
    assert {each.workflow_id: as_sent(each) for each in page.items} == expected
    for workflow_id, workflow in expected.items():
        request = sdk.ShowWorkflowRequest(workflow_id=workflow_id)
        assert as_sent(await call(client.show_workflow, request)) == workflow


async def test_workspaces(client: Any, service: Service) -> None:
    page = await call(client.list_workspace, sdk.ListWorkspaceRequest(limit=1000, offset=0, order="asc"))
    assert [each.id for each in page.workspaces] == ["0", OTHER_WORKSPACE]
    assert {each.id: as_sent(each) for each in page.workspaces} == {
        each["id"]: each for each in service.workspaces
    }


async def test_image_groups(client: Any) -> None:
    page = await call(client.list_image_group, sdk.ListImageGroupRequest(type="DEDICATED", limit=500))
    assert sum(each.version_count for each in page.data) == 230
    bare = await call(client.list_image_group, sdk.ListImageGroupRequest(type="DEDICATED"))
    assert (bare.data, bare.total) == (None, page.total), "without a limit they come as `groups`"


async def test_the_tags_of_a_group(client: Any) -> None:
    page = await call(client.list_image_group, sdk.ListImageGroupRequest(type="DEDICATED", limit=500))
    group = max(page.data, key=lambda each: each.version_count)
    tags = [sdk.UpdateImageGroupRequestBodyTags(key="team", value="vision")]
    body = sdk.UpdateImageGroupRequestBody(tags=tags)
    await call(client.update_image_group, sdk.UpdateImageGroupRequest(id=group.id, body=body))
    listed = await list_all(client, type="DEDICATED")
    where = (group.namespace, group.name)
    tagged = [image for image in listed if image.get("tags") == [{"key": "team", "value": "vision"}]]
    assert len(tagged) == group.version_count > 1
    assert tagged == [image for image in listed if (image["namespace"], image["name"]) == where]


async def test_notebooks_by_image(client: Any, service: Service) -> None:
    held = [
        each
        for each in service.notebooks
        if each["image"].get("id") and (each["feature"], each["workspace_id"]) == ("NOTEBOOK", "0")
    ]
    image = held[0]["image"]
    by_id = await call(client.list_all_notebooks, sdk.ListAllNotebooksRequest(limit=10, image_id=image["id"]))
    assert {each.image.id for each in by_id.data} == {image["id"]}
    request = sdk.ListAllNotebooksRequest(limit=50, swr_path=image["swr_path"])
    by_path = await call(client.list_all_notebooks, request)
    assert held[0]["id"] in {each.id for each in by_path.data}


@pytest.fixture(params=[AuthMode.AKSK, AuthMode.TEMPORARY])
def signed(request: pytest.FixtureRequest) -> Access:
    return Access(request.param)


def token_for(access: Access) -> str | None:
    return LOGIN.security_token if access.auth is AuthMode.TEMPORARY else None


async def test_the_vendors_signature_is_right_for_paths_queries_and_bodies(
    service: Service, signed: Access
) -> None:
    async with serve(service, access=signed) as url:
        client = client_of(url, token=token_for(signed))
        assert len(await list_all(client, type="DEDICATED", sort_key="name,tag", sort_dir="ASC")) == 230
        assert await list_all(client, type="DEDICATED", name="a b/c+ü~*%") == []
        path = next(iter(service.contents))
        body = sdk.ImageRegRequest(swr_path=path, description="größer, 更大")
        image = await call(client.register_image, sdk.RegisterImageRequest(body=body))
        assert image.description == "größer, 更大"
        for image_id in (image.id, next(iter(held(service, type="DEDICATED")))):
            body = sdk.DeleteImageRequestBody(is_force=True)
            await call(client.delete_image, sdk.DeleteImageRequest(id=image_id, body=body))
        assert len(service.deletions) == 2


async def test_a_wrong_secret_key_or_security_token_is_refused(service: Service, signed: Access) -> None:
    async with serve(service, access=signed) as url:
        right = token_for(signed)
        for client in (
            client_of(url, sk="wrong", token=right),
            client_of(url, ak="WRONG", token=right),
            *([client_of(url, token="wrong"), client_of(url)] if right else []),
        ):
            with pytest.raises(ClientRequestException) as refused:
                await call(client.list_image, sdk.ListImageRequest())
            assert (refused.value.status_code, refused.value.error_code) == (401, "APIG.0301")


@pytest.mark.parametrize("minutes", [-16, 16])
async def test_a_clock_too_far_off_is_refused(minutes: int) -> None:
    def wrong_clock() -> datetime:
        return now() + timedelta(minutes=minutes)

    async with serve(Service(build_world(5, 10, now()), wrong_clock), access=Access(AuthMode.AKSK)) as url:
        with pytest.raises(ClientRequestException) as refused:
            await call(client_of(url).list_image, sdk.ListImageRequest())
        assert refused.value.status_code == 401
        assert "X-Sdk-Date" in refused.value.error_msg
