"""All kinds together: which are asked, what a refusal elsewhere means, and that a later reading sees what came."""

from collections.abc import Mapping
from typing import Any

import anyio
import msgspec
import pytest

from cleanup.errors import AccessDenied, CredentialsLost
from cleanup.modelarts.http.messages import Request, Response
from cleanup.modelarts.users.kinds import PERMISSIONS, Scope, UserKind
from cleanup.modelarts.users.reading import read_users
from tests.support.stage import Shelf, Stage, asked, error, make_reading, reply

EMPTY = {"data": [], "items": [], "models": [], "services": [], "total": 0, "total_count": 0, "count": 0}
PATHS = {
    UserKind.NOTEBOOKS: "notebooks/all",
    UserKind.JOBS: "training-job-searches",
    UserKind.ALGORITHMS: "algorithms",
    UserKind.MODELS: "models",
    UserKind.SERVICES: "services",
    UserKind.WORKFLOWS: "workflows",
}


def workspace(request: Request) -> str:
    return str(asked(request).get("workspace_id", "-"))


async def test_every_kind_in_every_workspace_and_workflows_once() -> None:
    stage = Stage(otherwise=reply(200, EMPTY))
    found = await read_users(make_reading(stage), ("0", "w1"), ("w2",))
    assert found.counts == dict.fromkeys(UserKind, 0)
    paths = {(one.path.split("/", 3)[3], workspace(one)) for one in stage.requests}
    everywhere = {(path, each) for path in PATHS.values() for each in ("0", "w1", "w2")}
    assert paths == {one for one in everywhere if one[0] != "workflows"} | {("workflows", "-")}


@pytest.mark.parametrize("kind", UserKind)
async def test_only_what_is_asked(kind: UserKind) -> None:
    stage = Stage(otherwise=reply(200, EMPTY))
    found = await read_users(make_reading(stage, kind), ("0",))
    assert found.counts == {kind: 0}
    assert {one.path.split("/", 3)[3] for one in stage.requests} == {PATHS[kind]}


async def test_notebooks_that_are_off_are_not_asked() -> None:
    stage = Stage(otherwise=reply(200, EMPTY))
    found = await read_users(make_reading(stage, scope=Scope.OFF), ("0",))
    assert UserKind.NOTEBOOKS not in found.counts
    assert not any("notebooks" in one.path for one in stage.requests)


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind not in ("notebooks", "workflows")])
async def test_a_refusal_elsewhere_is_a_workspace_unseen(kind: UserKind) -> None:
    refused = error(403, "ModelArts.0112")
    stage = Stage(otherwise=lambda one: refused if workspace(one) == "w2" else reply(200, EMPTY))
    found = await read_users(make_reading(stage, kind), ("0",), ("w1", "w2"))
    assert (found.unseen, found.doubts) == (("w2",), ())
    assert found.notes[0].startswith(f"workspace w2: its {kind} cannot be seen (")


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind != "notebooks"])
async def test_a_refusal_in_a_workspace_to_clean_is_a_doubt(kind: UserKind) -> None:
    stage = Stage(otherwise=error(403, "ModelArts.0108"))
    found = await read_users(make_reading(stage, kind, UserKind.JOBS), ("0",))
    assert found.unseen == ()
    assert any(f"get the permission {PERMISSIONS[kind][0]}, or" in doubt for doubt in found.doubts)


async def test_other_failures_elsewhere_are_doubts() -> None:
    stage = Stage(otherwise=lambda one: error(500, "x") if workspace(one) == "w2" else reply(200, EMPTY))
    found = await read_users(make_reading(stage, UserKind.JOBS), ("0",), ("w2",))
    assert found.unseen == ()
    assert found.doubts[0].startswith("the jobs of workspace w2 could not be read completely: POST https://")


@pytest.mark.parametrize(("answer", "kind"), [(reply(200, EMPTY), CredentialsLost), (None, AccessDenied)])
async def test_refused_credentials_end_the_reading(answer: Response | None, kind: type[Exception]) -> None:
    refused = error(401, "ModelArts.0201")
    reading = make_reading(Stage(otherwise=refused), UserKind.JOBS)
    reading.client.has_read = answer is not None
    with pytest.raises(kind, match="the credentials were refused"):
        await read_users(reading, ("0",))


async def test_a_404_of_a_proxy_is_no_word_that_the_region_lacks_it() -> None:
    stage = Stage(otherwise=reply(404, b"<html>not here</html>"))
    found = await read_users(make_reading(stage, UserKind.MODELS), ("0",))
    assert found.doubts[0].startswith("the models of workspace 0 could not be read completely: ")


async def test_no_more_requests_at_once_than_allowed() -> None:
    under_way, most = 0, 0

    async def slow(request: Request) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        under_way -= 1
        return reply(200, EMPTY)

    reading = make_reading(Stage(otherwise=slow), at_once=3)
    await read_users(reading, ("0", "w1", "w2"))
    assert most == 3


def user_of(kind: UserKind, number: int) -> dict[str, Any]:
    """One record of a list, whose image is ml/a:<number>; a service's is in its detail."""
    metadata, engine = {"id": f"u{number}"}, {"engine": {"image_url": f"ml/a:{number}"}}
    if kind is UserKind.JOBS:
        return {"metadata": metadata, "status": {"phase": "Running"}, "algorithm": engine}
    if kind is UserKind.ALGORITHMS:
        return {"metadata": metadata, "job_config": engine}
    return {"id": f"{number}", "version_count": 1}


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("kind", [UserKind.JOBS, UserKind.ALGORITHMS, UserKind.SERVICES])
async def test_no_older_user_is_lost_where_one_goes_and_one_comes(kind: UserKind, at_once: int) -> None:
    """After the first page the first record of it goes and a new one is made: all totals are the same."""
    records = [user_of(kind, number) for number in range(220)]
    gone: list[dict[str, Any]] = []

    def service(request: Request) -> Response:
        if not request.path.endswith(PATHS[kind]):
            unit = {"image": {"swr_path": f"ml/a:{request.path.rpartition('/')[2]}"}}
            return reply(200, {"version": {"instance_groups": [{"unit_configs": [unit]}]}})
        told = asked(request)
        newest_first = str(told.get("order") or told.get("sort_dir")).lower() == "desc"
        page = Shelf(
            records[::-1] if newest_first else list(records),
            items="data" if kind is UserKind.SERVICES else "items",
            numbered=kind is UserKind.JOBS,
            claims=lambda _: {"total": 220, "count": 220},
            cap=50,
        )(request)
        if not gone:
            gone.append(records.pop(-1 if newest_first else 0))
            records.append(user_of(kind, 220))
        return page

    reading = make_reading(Stage(otherwise=service), kind, at_once=at_once)
    found = await read_users(reading, ("0",))
    assert found.doubts == ()
    assert {use.swr_path for use in found.in_use.uses} >= {f"ml/a:{number}" for number in range(1, 219)}


LISTS = ("data", "items", "models", "services")
TOTALS = ("total", "total_count", "count")


@pytest.mark.parametrize("kind", UserKind)
@pytest.mark.parametrize(
    ("lists", "total", "doubtful"),
    [
        (dict.fromkeys(LISTS), 0, False),
        ({}, 0, False),
        (dict.fromkeys(LISTS), 3, True),
        ({}, 3, True),
        (dict.fromkeys(LISTS), None, True),
        ({key: [] for key in LISTS}, 3, True),
    ],
)
async def test_a_list_that_is_null_or_left_out(
    kind: UserKind, lists: dict[str, object], total: int | None, doubtful: bool
) -> None:
    stage = Stage(otherwise=reply(200, lists | dict.fromkeys(TOTALS, total)))
    found = await read_users(make_reading(stage, kind), ("0",))
    assert (found.in_use.uses, bool(found.doubts)) == ((), doubtful)


RECORDS: Mapping[UserKind, dict[str, Any]] = {
    UserKind.NOTEBOOKS: {"id": "n", "image": {"swr_path": "ml/a:1"}},
    UserKind.JOBS: {"metadata": {"id": "j"}, "algorithm": {"engine": {"image_url": "ml/a:1"}}},
    UserKind.ALGORITHMS: {"metadata": {"id": "a"}, "job_config": {"engine": {"image_url": "ml/a:1"}}},
    UserKind.MODELS: {"model_id": "m", "source_copy": "false", "source_location": "ml/a:1"},
    UserKind.WORKFLOWS: {"workflow_id": "w", "steps": ["ml/a:1"]},
}
ODD = [b'"\\ud800"', b"NaN", b"-Infinity", b"1e400", b"1" + b"0" * 400, b"9" * 5000]


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("odd", [*ODD, b"[" * 100_000 + b"]" * 100_000], ids=[*map(str, range(7))])
async def test_one_odd_value_in_a_record_hides_no_use(kind: UserKind, odd: bytes) -> None:
    record = RECORDS[kind] | {"name": msgspec.Raw(odd), "zz": msgspec.Raw(odd)}
    listed = {key: [record] for key in LISTS} | dict.fromkeys(TOTALS, 1)
    shown = RECORDS[kind].get("model_id", "-")
    stage = Stage(otherwise=lambda one: reply(200, record if one.path.endswith(f"/{shown}") else listed))
    found = await read_users(make_reading(stage, kind, scope=Scope.ALL), ("0",))
    uses = {use.swr_path for use in found.in_use.uses}
    assert "ml/a:1" in uses or found.doubts
    assert (odd in ODD) is not bool(found.doubts)
