"""Services of the v2 API as users of images: all states, old versions, remembered details, and what is unreadable."""

from typing import Any

import pytest

from cleanup.modelarts.http.messages import Request, Response
from cleanup.modelarts.users.kinds import UserKind
from cleanup.modelarts.users.reading import Users, read_users
from tests.support.stage import Shelf, Stage, asked, error, make_reading, reply

SERVICES = UserKind.SERVICES
LISTED = ("id", "name", "status", "version_count", "update_at", "version")


def unit(number: int, **image: Any) -> dict[str, Any]:
    return {"image": image or {"source": "SWR", "swr_path": f"swr.test/llm/serve:{number}"}}


def service(*versions: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A service with one deployment; the last version is the current one."""
    numbered = {f"1.0.{number}": units for number, units in enumerate(versions)}
    current = f"1.0.{len(versions) - 1}"
    return {
        "id": "s1",
        "name": "chat",
        "status": "STOPPED",
        "version_count": len(versions),
        "update_at": 1764000000000,
        "version": current,
        "now": {"version": current, "instance_groups": [{"unit_configs": numbered.get(current, [])}]},
        "versions": numbered,
    } | fields


class Project:
    """A project with services, each with the one deployment d1."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.services = {one["id"]: one for one in services}
        self.refusals: dict[str, Response] = {}
        self.stage = Stage(otherwise=self)

    def __call__(self, request: Request) -> Response:
        path = request.path.removeprefix("/v2/p1/services").strip("/")
        if refusal := self.refusals.get(path):
            return refusal
        match path.split("/"):
            case [""]:
                every = [{name: one.get(name) for name in LISTED} for one in self.services.values()]
                return Shelf(every)(request)
            case [one]:
                return reply(200, {"id": one, "version": self.services[one]["now"]})
            case [_, "deployments"]:
                return Shelf([{"id": "d1"}])(request)
            case [one, "deployments", _]:
                now = self.services[one]["now"]
                return reply(200, {"version": now["version"], **now["instance_groups"][0]})
            case [one, "deployments", _, "versions"]:
                return Shelf([{"version": version} for version in self.services[one]["versions"]])(request)
            case [one, "deployments", _, "versions", version]:
                return reply(200, {"unit_configs": self.services[one]["versions"][version]})
        raise AssertionError(path)

    async def read(self) -> Users:
        return await read_users(make_reading(self.stage, SERVICES), ("0",))


def told(found: Users) -> list[tuple[str, str | None, str | None]]:
    return [(use.user, use.image_id, use.swr_path) for use in found.in_use.uses]


async def test_one_version_takes_two_requests() -> None:
    project = Project(service([unit(0)]))
    found = await project.read()
    assert told(found) == [("service chat (STOPPED), version 1.0.0", None, "swr.test/llm/serve:0")]
    assert [one.path for one in project.stage.requests] == ["/v2/p1/services", "/v2/p1/services/s1"]
    assert asked(project.stage.requests[0]) == {
        "workspace_id": "0",
        "sort_key": "create_at",
        "sort_dir": "DESC",
        "limit": "500",
        "offset": "0",
    }


async def test_old_versions_can_be_switched_back_to() -> None:
    found = await Project(service([unit(0)], [unit(1)], [unit(2)])).read()
    assert sorted(told(found)) == [
        (f"service chat (STOPPED), version 1.0.{number}", None, f"swr.test/llm/serve:{number}")
        for number in range(3)
    ]
    assert (found.counts, found.doubts) == ({SERVICES: 1}, ())


@pytest.mark.parametrize("count", [None, 0, 2, "1"])
async def test_unless_one_version_is_all_there_is_everything_is_looked_at(count: object) -> None:
    project = Project(service([unit(0)], version_count=count))
    await project.read()
    assert len(project.stage.requests) == 6


@pytest.mark.parametrize(
    "status", ["RUNNING", "STOPPED", "FAILED", "DELETING", "CONCERNING", "INIT", "NEW", None]
)
async def test_every_state_needs_the_image(status: object) -> None:
    assert len(told(await Project(service([unit(0)], status=status)).read())) == 1


@pytest.mark.parametrize(
    ("image", "use"),
    [
        ({"id": "i1", "source": "IMAGE"}, ("i1", None)),
        ({"id": "i1", "source": "IMAGE", "swr_path": "a/b:1"}, ("i1", "a/b:1")),
        ({"id": "i1", "source": "SWR", "swr_path": "a/b:1"}, (None, "a/b:1")),
        ({"id": "i1"}, ("i1", None)),
        ({"swr_path": "a/b:1"}, (None, "a/b:1")),
    ],
)
async def test_by_id_and_by_path(image: dict[str, str], use: tuple[str | None, str | None]) -> None:
    [(_, *found)] = told(await Project(service([unit(0, **image)])).read())
    assert tuple(found) == use


@pytest.mark.parametrize(
    "units",
    [[], [{}], [{"image": None}], [{"image": {"id": "x", "source": "SWR"}}], [unit(0), {"image": "i1"}]],
)
async def test_one_that_does_not_say_may_use_any_image(units: list[Any]) -> None:
    found = await Project(service(units)).read()
    assert "service chat (STOPPED) does not say which image" in found.doubts[0]


async def test_an_old_version_that_does_not_say_may_use_any_image() -> None:
    found = await Project(service([], [unit(1)])).read()
    assert "service chat (STOPPED) does not say which image its version 1.0.0 uses" in found.doubts[0]


@pytest.mark.parametrize("count", [1, 2, None])
@pytest.mark.parametrize("silent", [{"name": "b"}, {"unit_configs": None}, {"unit_configs": []}, None])
async def test_a_group_that_does_not_say_may_use_any_image(silent: object, count: int | None) -> None:
    now = {"version": "1.0.0", "instance_groups": [{"unit_configs": [unit(0)]}, silent]}
    project = Project(service([unit(0)], now=now, version_count=count))
    project.refusals["s1/deployments"] = reply(200, {"data": [], "total": 0})
    found = await project.read()
    assert "service chat (STOPPED) does not say which image it uses" in found.doubts[0]


async def test_unless_its_deployments_say() -> None:
    now = {"version": "1.0.0", "instance_groups": [{"unit_configs": [unit(0)]}, {"name": "b"}]}
    found = await Project(service([unit(0)], now=now, version_count=1)).read()
    assert (len(told(found)), found.doubts) == (1, ())


@pytest.mark.parametrize(
    ("count", "doubts"), [(2, ["service chat (STOPPED) does not say which image it uses"]), (None, [])]
)
async def test_versions_that_are_counted_and_not_shown(count: int | None, doubts: list[str]) -> None:
    project = Project(service([unit(0)], version_count=count))
    project.refusals["s1/deployments"] = reply(200, {"data": [], "total": 0})
    found = (await project.read()).doubts
    assert [told for told, doubt in zip(doubts, found, strict=True) if told in doubt] == doubts


async def test_a_deployment_without_any_may_use_any_image() -> None:
    project = Project(service([unit(0)], [unit(1)]))
    project.refusals["s1/deployments"] = reply(200, {"data": [{"id": "d1"}, {"id": "d2"}], "total": 2})
    project.refusals["s1/deployments/d2"] = reply(200, {"version": "1.0.0", "unit_configs": []})
    project.refusals["s1/deployments/d2/versions"] = reply(200, {"data": [], "total": 0})
    [doubt] = (await project.read()).doubts
    assert "service chat (STOPPED) does not say which image a deployment of it uses" in doubt


@pytest.mark.parametrize(
    "path", ["", "s1", "s1/deployments", "s1/deployments/d1", "s1/deployments/d1/versions/1.0.0"]
)
async def test_what_cannot_be_read_anywhere_is_a_doubt(path: str) -> None:
    project = Project(service([unit(0)], [unit(1)]))
    project.refusals[path] = error(403, "ModelArts.0108")
    [doubt] = (await project.read()).doubts
    assert "get the permission modelarts:service:" in doubt


@pytest.mark.parametrize("path", ["", "/deployments", "/deployments/d1", "/deployments/d1/versions"])
async def test_one_that_went_after_it_was_listed_is_not_listed_the_next_time(path: str) -> None:
    project = Project(service([unit(0)], [unit(1)]), service([unit(7)], [unit(8)], id="gone"))

    def vanish(request: Request) -> Response:
        if request.path.endswith(f"gone{path}"):
            project.services.pop("gone", None)
            return error(404, "ModelArts.0104")
        return project(request)

    found = await read_users(make_reading(Stage(otherwise=vanish), SERVICES), ("0",))
    assert (found.counts, found.doubts) == ({SERVICES: 1}, ())


@pytest.mark.parametrize("count", [499, 500, 501, 1200])
async def test_offsets_are_multiples_of_the_limit(count: int) -> None:
    project = Project(*(service([unit(0)], id=f"s{number}") for number in range(count)))
    found = await project.read()
    assert (found.counts, found.doubts) == ({SERVICES: count}, ())
    lists = [int(asked(one)["offset"]) for one in project.stage.requests if one.path.endswith("services")]
    assert sorted(lists) == [500 * page for page in range(count // 500 + 1)]


async def test_details_are_remembered_until_version_or_time_change() -> None:
    project = Project(service([unit(0)], [unit(1)]), service([unit(7)], id="s2"))
    reading = make_reading(project.stage, SERVICES)
    first = await read_users(reading, ("0",))
    project.stage.requests.clear()
    project.services["s1"]["status"] = "RUNNING"
    project.services["s2"] |= {"update_at": 1764000000001}
    again = await read_users(reading, ("0",))
    assert [one.path for one in project.stage.requests] == ["/v2/p1/services", "/v2/p1/services/s2"]
    assert {use.swr_path for use in again.in_use.uses} == {use.swr_path for use in first.in_use.uses}
    assert any("chat (RUNNING), version 1.0.0" in use.user for use in again.in_use.uses)


async def test_a_record_without_an_id_is_a_doubt() -> None:
    found = await read_users(make_reading(Stage(otherwise=Shelf([{"name": "x"}])), SERVICES), ("0",))
    assert "service 1 of the page at offset 0 cannot be used: it has no id" in found.doubts[0]
