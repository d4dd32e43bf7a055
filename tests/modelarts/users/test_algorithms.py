"""Algorithms as users of images: both readings of the offset, proven by the count, and what is unreadable."""

from typing import Any

import pytest

from cleanup.modelarts.users.kinds import UserKind
from cleanup.modelarts.users.reading import Users, read_users
from tests.support.stage import Shelf, Stage, asked, make_reading

ALGORITHMS = UserKind.ALGORITHMS


def algorithm(number: int, **fields: Any) -> dict[str, Any]:
    engine = {"image_url": f"ml/al:{number}"}
    return {
        "metadata": {"id": f"al-{number}", "name": f"al{number}"},
        "job_config": {"engine": engine},
    } | fields


def claims(count: int, **more: object) -> Any:
    return lambda _: {"total": count, "count": count} | more


async def read(shelf: Shelf) -> tuple[Users, list[int]]:
    stage = Stage(otherwise=shelf)
    found = await read_users(make_reading(stage, ALGORITHMS), ("0",))
    return found, [int(asked(one)["offset"]) for one in stage.requests]


def of(count: int, **wrong: Any) -> Shelf:
    wrong.setdefault("claims", claims(count))
    return Shelf([algorithm(number) for number in range(count)], items="items", **wrong)


@pytest.mark.parametrize("count", [0, 3, 49, 50, 51, 120, 400])
@pytest.mark.parametrize("numbered", [False, True])
async def test_whatever_the_offset_counts_all_are_found(count: int, numbered: bool) -> None:
    found, _ = await read(of(count, numbered=numbered))
    assert (found.counts, found.doubts) == ({ALGORITHMS: count}, ())
    assert {use.swr_path for use in found.in_use.uses} == {f"ml/al:{number}" for number in range(count)}


async def test_a_short_list_takes_one_request() -> None:
    stage = Stage(otherwise=of(3))
    await read_users(make_reading(stage, ALGORITHMS), ("0",))
    assert [asked(one) for one in stage.requests] == [
        {"sort_by": "create_time", "order": "desc", "workspace_id": "0", "limit": "50", "offset": "0"}
    ]
    assert stage.requests[0].path == "/v2/p1/algorithms"


async def test_neither_reading_reaches_the_count() -> None:
    found, _ = await read(of(120, claims=claims(121)))
    assert {doubt.partition(": ")[0] for doubt in found.doubts} == {
        "the algorithms of workspace 0 are not clear"
    }
    assert "where the service claims 121" in " ".join(found.doubts)


@pytest.mark.parametrize("numbered", [False, True])
async def test_without_any_count_nothing_is_proven(numbered: bool) -> None:
    found, _ = await read(of(120, numbered=numbered, claims=lambda _: {}))
    assert found.doubts


@pytest.mark.parametrize("numbered", [False, True])
async def test_a_count_of_the_page_alone_proves_nothing(numbered: bool) -> None:
    found, _ = await read(of(45, numbered=numbered, cap=20, claims=lambda page: {"count": len(page)}))
    assert found.doubts


async def test_a_total_over_all_workspaces() -> None:
    found, _ = await read(of(3, claims=claims(3, total=9)))
    assert (found.counts, found.doubts) == ({ALGORITHMS: 3}, ())


async def test_the_user_for_people() -> None:
    found, _ = await read(of(1))
    assert [use.user for use in found.in_use.uses] == ["algorithm al0"]


@pytest.mark.parametrize("engine", [{}, {"engine_id": "pytorch"}, {"image_url": ""}])
async def test_an_engine_without_an_image_is_a_preset(engine: dict[str, str]) -> None:
    records = [algorithm(0, job_config={"engine": engine})]
    found, _ = await read(Shelf(records, items="items", claims=claims(1)))
    assert (found.in_use.uses, found.counts, found.doubts) == ((), {ALGORITHMS: 0}, ())


@pytest.mark.parametrize(
    "fields",
    [
        {"job_config": None},
        {"job_config": {}},
        {"job_config": {"engine": {"image_repo_id": "r"}}},
        {"job_config": 7},
    ],
)
async def test_one_that_does_not_say_may_use_any_image(fields: dict[str, Any]) -> None:
    records = [algorithm(0), algorithm(1, **fields)]
    found, _ = await read(Shelf(records, items="items", claims=claims(2)))
    assert "algorithm 2 of the page at offset 0 cannot be used: algorithm al1 does not say" in found.doubts[0]
