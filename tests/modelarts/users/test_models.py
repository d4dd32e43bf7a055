"""Models as users of images: `source_copy`, where the image stands, remembered details, the v1 services' names."""

import json
from typing import Any

import pytest

from cleanup.errors import CredentialsLost
from cleanup.modelarts.http.messages import Request, Response
from cleanup.modelarts.users.kinds import UserKind
from cleanup.modelarts.users.reading import Users, read_users
from tests.support.stage import Shelf, Stage, asked, error, make_reading, reply

MODELS, SERVICES = UserKind.MODELS, UserKind.SERVICES
DETAILS = ("source_location", "config")


def model(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "model_id": f"id-{name}",
        "model_name": name,
        "model_version": "1.0.0",
        "model_type": "Image",
        "model_status": "published",
        "source_copy": "false",
        "source_location": f"swr.test/ml/{name}:1",
        "create_at": 1764000000000,
    } | fields


class Project:
    """A project's models and v1 services: lists without what only the details say."""

    def __init__(self, *models: dict[str, Any]) -> None:
        self.models = {one["model_id"]: one for one in models}
        self.services: list[dict[str, Any]] = []
        self.refusals: dict[str, Response] = {}
        self.stage = Stage(otherwise=self)

    def __call__(self, request: Request) -> Response:
        path = request.path.removeprefix("/v1/p1/")
        if refusal := self.refusals.get(path):
            return refusal
        if path == "models":
            listed = [without(one, DETAILS) for one in self.models.values()]
            return numbered("models", listed)(request)
        if path == "services":
            return numbered("services", [without(one, ("config",)) for one in self.services])(request)
        kind, _, key = path.partition("/")
        if kind == "services":
            return reply(200, next(one for one in self.services if one["service_id"] == key))
        return reply(200, self.models[key]) if key in self.models else error(404, "ModelArts.0104")

    async def read(self, *kinds: UserKind) -> Users:
        return await read_users(make_reading(self.stage, *(kinds or (MODELS,))), ("0",))


def without(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def numbered(items: str, records: list[Any]) -> Shelf:
    return Shelf(
        records,
        items=items,
        numbered=True,
        claims=lambda page: {"total_count": len(records), "count": len(page)},
    )


async def test_what_is_asked_for() -> None:
    project = Project(model("a"))
    await project.read()
    assert asked(project.stage.requests[0]) == {
        "workspace_id": "0",
        "model_type": "Image",
        "limit": "1000",
        "offset": "0",
    }
    assert [one.path for one in project.stage.requests] == ["/v1/p1/models", "/v1/p1/models/id-a"]


@pytest.mark.parametrize("count", [1000, 1001, 2500])
async def test_offsets_are_page_numbers(count: int) -> None:
    project = Project(*(model(f"m{number}", source_copy="true") for number in range(count)))
    found = await project.read()
    assert (found.counts, found.doubts) == ({MODELS: 0}, ())
    assert sorted(int(asked(one)["offset"]) for one in project.stage.requests) == list(
        range(count // 1000 + 1)
    )


@pytest.mark.parametrize(
    ("copied", "needed"),
    [("false", True), ("true", False), ("TRUE", False), (None, True), ("", True), (True, True), ("no", True)],
)
async def test_only_a_copy_of_its_own_frees_the_image(copied: object, needed: bool) -> None:
    found = await Project(model("a", source_copy=copied)).read()
    assert [use.swr_path for use in found.in_use.uses] == ["swr.test/ml/a:1"] * needed
    assert found.counts == {MODELS: int(needed)}


async def test_a_copy_that_only_the_detail_tells() -> None:
    project = Project(model("a"))
    listed = numbered("models", [without(model("a"), (*DETAILS, "source_copy"))])
    project.models["id-a"]["source_copy"] = "true"
    stage = Stage(otherwise=lambda request: (listed if request.path.endswith("models") else project)(request))
    found = await read_users(make_reading(stage, MODELS), ("0",))
    assert found.in_use.uses == ()


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({}, ["swr.test/ml/a:1"]),
        ({"source_location": None, "config": json.dumps({"swr_location": "ml/b:2"})}, ["ml/b:2"]),
        ({"source_location": None, "config": {"swr_location": "ml/b:2"}}, ["ml/b:2"]),
        ({"config": json.dumps({"swr_location": "ml/b:2"})}, ["swr.test/ml/a:1", "ml/b:2"]),
        ({"config": "no json"}, ["swr.test/ml/a:1"]),
    ],
)
async def test_where_the_image_stands(fields: dict[str, Any], paths: list[str]) -> None:
    found = await Project(model("a", **fields)).read()
    assert [use.swr_path for use in found.in_use.uses] == paths
    assert {use.user for use in found.in_use.uses} == {"model a 1.0.0 (source_copy false)"}


@pytest.mark.parametrize("config", [None, "no json", "{}", '{"swr_location": 7}'])
async def test_a_model_that_does_not_say_may_use_any_image(config: object) -> None:
    found = await Project(model("a", source_location=None, config=config)).read()
    assert "model a 1.0.0 (source_copy false) does not say which image it uses" in found.doubts[0]


async def test_a_model_of_another_type_has_no_image() -> None:
    found = await Project(
        model("a", model_type="TensorFlow"), model("b", model_type=None), model("c", model_type=" image")
    ).read()
    assert [use.swr_path for use in found.in_use.uses] == ["swr.test/ml/b:1", "swr.test/ml/c:1"]


async def test_a_record_without_an_id_is_a_doubt() -> None:
    stage = Stage(otherwise=numbered("models", [{"model_name": "a"}]))
    found = await read_users(make_reading(stage, MODELS), ("0",))
    assert "model 1 of the page at offset 0 cannot be used: it has no model_id" in found.doubts[0]


class TestDetails:
    async def test_they_are_remembered_until_the_list_says_that_something_changed(self) -> None:
        project = Project(model("a"), model("b"))
        reading = make_reading(project.stage, MODELS)
        await read_users(reading, ("0",))
        project.models["id-b"] |= {"model_version": "1.0.1", "source_location": "swr.test/ml/new:1"}
        project.stage.requests.clear()
        found = await read_users(reading, ("0",))
        assert [one.path for one in project.stage.requests] == ["/v1/p1/models", "/v1/p1/models/id-b"]
        assert {use.swr_path for use in found.in_use.uses} == {"swr.test/ml/a:1", "swr.test/ml/new:1"}

    async def test_what_has_no_time_is_read_again(self) -> None:
        project = Project(model("a", create_at=None))
        reading = make_reading(project.stage, MODELS)
        await read_users(reading, ("0",))
        await read_users(reading, ("0",))
        assert len(project.stage.requests) == 4

    async def test_one_that_went_after_it_was_listed_is_not_listed_the_next_time(self) -> None:
        project = Project(model("a"), model("gone"))
        whole = project.models.copy()

        def vanish(request: Request) -> Response:
            answer = project(request)
            project.models = {"id-a": whole["id-a"]}
            return answer

        found = await read_users(make_reading(Stage(otherwise=vanish), MODELS), ("0",))
        assert ([use.swr_path for use in found.in_use.uses], found.doubts) == (["swr.test/ml/a:1"], ())

    async def test_one_that_stays_listed_and_is_not_found_is_a_doubt(self) -> None:
        project = Project(model("a"))
        project.refusals["models/id-a"] = error(404, "ModelArts.0104")
        assert "answered 404" in (await project.read()).doubts[0]

    async def test_one_that_may_not_be_looked_at_names_its_permission(self) -> None:
        project = Project(model("a"))
        project.refusals["models/id-a"] = error(403, "ModelArts.0108")
        assert "get the permission modelarts:model:get, or" in (await project.read()).doubts[0]


class TestServicesV1:
    def project(self) -> Project:
        project = Project(model("a"), model("b"))
        project.services = [
            {
                "service_id": "s1",
                "service_name": "online",
                "status": "running",
                "config": [{"model_id": "id-a"}],
            },
            {
                "service_id": "s2",
                "service_name": "batch",
                "config": [{"model_id": "id-a"}, {}, {"model_id": 7}],
            },
            {"service_name": "nameless"},
        ]
        return project

    async def test_they_only_add_their_names(self) -> None:
        project = self.project()
        project.refusals["../../v2"] = error(404, "x")
        found = await read_users(make_reading(project.stage, MODELS, SERVICES), ("0",))
        assert [use.user for use in found.in_use.uses] == [
            "model a 1.0.0 (source_copy false), for service online (running), service batch (status unknown)",
            "model b 1.0.0 (source_copy false)",
        ]

    async def test_they_are_not_asked_where_services_are_left_out(self) -> None:
        project = self.project()
        await project.read(MODELS)
        assert not any("services" in one.path for one in project.stage.requests)

    async def test_without_them_the_models_protect_all_the_same(self) -> None:
        project = self.project()
        project.refusals["services"] = error(404, "APIG.0101")
        found = await read_users(make_reading(project.stage, MODELS, SERVICES), ("0",))
        assert found.counts[MODELS] == 2
        assert found.notes[0].startswith("workspace 0: the v1 services are not named (GET ")

    @pytest.mark.parametrize("answer", [reply(200, {"services": ["s1"]}), reply(200, {"services": [7, {}]})])
    async def test_nor_do_they_fail_where_one_cannot_be_read(self, answer: Response) -> None:
        project = self.project()
        project.refusals["services"] = answer
        found = await read_users(make_reading(project.stage, MODELS, SERVICES), ("0",))
        assert found.counts[MODELS] == 2
        assert found.notes[0].startswith("workspace 0: the v1 services are not named (service 1 of the page")
        assert not any(doubt.startswith("the models") for doubt in found.doubts)

    @pytest.mark.parametrize("path", ["services", "services/s1"])
    async def test_refused_credentials_are_no_matter_of_names(self, path: str) -> None:
        project = self.project()
        project.refusals[path] = error(401, "ModelArts.0201")
        with pytest.raises(CredentialsLost, match="the credentials were refused"):
            await read_users(make_reading(project.stage, MODELS, SERVICES), ("0",))
