"""Training jobs as users of images: paging by page numbers, phases, times, forms of a job, and what is unreadable."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from cleanup.modelarts.users.kinds import UserKind
from cleanup.modelarts.users.reading import Users, read_users
from tests.support.stage import NOW, Shelf, Stage, asked, error, make_reading

MS = int(NOW.timestamp() * 1000)
DAY = 86_400_000
JOBS = UserKind.JOBS


def job(name: str = "a", phase: object = "Running", **fields: Any) -> dict[str, Any]:
    status = {"phase": phase} | fields.pop("status", {})
    metadata = {"id": f"id-{name}", "name": name} | fields.pop("metadata", {})
    engine = {"engine": {"image_url": f"ml/{name}:1"}}
    return {"kind": "job", "metadata": metadata, "status": status, "algorithm": engine, **fields}


def claims(records: list[Any]) -> Any:
    return lambda _: {"total": len(records), "count": len(records)}


def shelf(records: list[Any], **wrong: Any) -> Shelf:
    return Shelf(records, items="items", numbered=True, claims=wrong.pop("claims", claims(records)), **wrong)


async def read(*records: Any, kinds: tuple[UserKind, ...] = (JOBS,), **options: Any) -> Users:
    stage = Stage(otherwise=options.pop("shelf", None) or shelf(list(records)))
    return await read_users(make_reading(stage, *kinds, **options), ("0",))


def used(found: Users) -> list[str | None]:
    return [use.swr_path for use in found.in_use.uses]


async def test_what_is_asked_for() -> None:
    stage = Stage(otherwise=shelf([]))
    await read_users(make_reading(stage, JOBS), ("0", "w1"))
    assert [(one.method, one.path, one.query) for one in stage.requests] == [
        ("POST", "/v2/p1/training-job-searches", ())
    ] * 2
    assert [asked(one) for one in stage.requests] == [
        {
            "sort_by": "create_time",
            "order": "desc",
            "workspace_id": workspace,
            "unified_jobs": True,
            "limit": 50,
            "offset": 0,
        }
        for workspace in ("0", "w1")
    ]


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 149, 500])
async def test_offsets_are_page_numbers(count: int) -> None:
    stage = Stage(otherwise=shelf([job(f"j{number}") for number in range(count)]))
    found = await read_users(make_reading(stage, JOBS), ("0",))
    assert (found.counts, found.doubts) == ({JOBS: count}, ())
    assert sorted(asked(one)["offset"] for one in stage.requests) == list(range(count // 50 + 1))


@pytest.mark.parametrize("cap", [7, 20])
async def test_a_service_that_caps_the_page(cap: int) -> None:
    records = [job(f"j{number}") for number in range(60)]
    found = await read(shelf=shelf(records, cap=cap))
    assert (found.counts, found.doubts) == ({JOBS: 60}, ())


async def test_a_total_over_all_workspaces_misleads_nobody() -> None:
    records = [job("a"), job("b")]
    found = await read(shelf=shelf(records, claims=lambda _: {"total": 9, "count": 2}))
    assert (found.counts, found.doubts) == ({JOBS: 2}, ())


async def test_a_count_of_the_page_alone_is_no_total() -> None:
    records = [job(f"j{number}") for number in range(120)]
    found = await read(shelf=shelf(records, claims=lambda page: {"total": 120, "count": len(page)}))
    assert (found.counts, found.doubts) == ({JOBS: 120}, ())


@pytest.mark.parametrize("count", [0, 1, 20, 45, 60])
async def test_nor_is_it_where_no_total_stands_beside_it(count: int) -> None:
    records = [job(f"j{number}") for number in range(count)]
    found = await read(shelf=shelf(records, cap=20, claims=lambda page: {"count": len(page)}))
    assert (found.counts, found.doubts) == ({JOBS: count}, ())


async def test_a_count_of_all_without_a_total_is_one() -> None:
    records = [job(f"j{number}") for number in range(45)]
    found = await read(shelf=shelf(records, claims=lambda _: {"count": 45}))
    assert (found.counts, found.doubts) == ({JOBS: 45}, ())
    found = await read(shelf=shelf(records[1:], claims=lambda _: {"count": 45}))
    assert "44 records were found where the service claims 45" in found.doubts[0]


async def test_a_count_that_is_never_reached_is_a_doubt() -> None:
    found = await read(shelf=shelf([job()], claims=lambda _: {"total": 3, "count": 3}))
    assert found.doubts == (
        "the jobs of workspace 0 are not clear: 1 records were found where the service claims 3",
    )


@pytest.mark.parametrize(
    "phase", ["Creating", "Pending", "Running", "Terminating", "Abnormal", "Hibernating", "", None, 7]
)
async def test_what_is_not_over_needs_its_image_however_old(phase: object) -> None:
    found = await read(job(phase=phase, metadata={"create_time": MS - 900 * DAY}))
    assert used(found) == ["ml/a:1"]


@pytest.mark.parametrize("phase", ["Completed", "Failed", "Terminated", "COMPLETED"])
@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ({}, True),  # nobody knows when
        ({"create_time": MS - 29 * DAY}, True),
        ({"create_time": MS - 31 * DAY}, False),
        ({"create_time": 0}, True),
        ({"create_time": (MS - 90 * DAY) // 1000}, True),  # seconds make no sense
        ({"create_time": MS - 90 * DAY, "start_time": MS - 80 * DAY, "duration": 60 * DAY}, True),
        ({"create_time": MS - 90 * DAY, "start_time": MS - 80 * DAY, "duration": 40 * DAY}, False),
        ({"create_time": MS - 90 * DAY, "start_time": MS - 20 * DAY}, True),
        ({"create_time": MS + DAY}, True),
    ],
)
async def test_what_is_over_needs_its_image_for_a_while(
    phase: str, times: Mapping[str, int], kept: bool
) -> None:
    status = {name: value for name, value in times.items() if name != "create_time"}
    metadata = {name: value for name, value in times.items() if name == "create_time"}
    found = await read(job(phase=phase, status=status, metadata=metadata))
    assert used(found) == ["ml/a:1"] * kept


async def test_the_window_can_be_set() -> None:
    old = job(phase="Completed", metadata={"create_time": MS - 60 * DAY})
    assert used(await read(old, job_history=timedelta(days=90))) == ["ml/a:1"]
    assert used(await read(old, job_history=timedelta(0))) == []


async def test_the_user_for_people() -> None:
    found = await read(job("resnet-a", metadata={"user_name": "user-1"}), job("b", phase=None))
    assert [use.user for use in found.in_use.uses] == [
        "training job resnet-a (Running), owner user-1",
        "training job b (phase unknown)",
    ]


async def test_all_tasks_of_a_heterogeneous_job() -> None:
    tasks = [{"algorithm": {"engine": {"image_url": url}}} for url in ("ml/x:1", "ml/y:2")]
    found = await read(job(kind="hetero_job", algorithm={"id": "21ef"}, tasks=tasks))
    assert (used(found), found.doubts) == (["ml/x:1", "ml/y:2"], ())


@pytest.mark.parametrize(
    "engine",
    [{"engine_id": "pytorch"}, {"engine_name": "PyTorch"}, {"engine_id": "pytorch", "image_url": None}],
)
async def test_a_preset_engine_is_no_image_of_ours(engine: dict[str, object]) -> None:
    found = await read(job(algorithm={"engine": engine}))
    assert (used(found), found.counts, found.doubts) == ([], {JOBS: 0}, ())


@pytest.mark.parametrize(
    "fields",
    [
        {"algorithm": None},
        {"algorithm": {}},
        {"algorithm": {"engine": None}},
        {"algorithm": {"engine": {}}},
        {"algorithm": {"engine": {"engine_id": None, "engine_version": "2.1", "image_url": ""}}},
        {"algorithm": {"engine": {"image_url": 7}}},
        {"algorithm": {"engine": {"image_repo_id": "r1"}}},
        {"kind": "federated_pool_job", "algorithm": None},
        {"kind": None, "algorithm": 7},
    ],
)
async def test_a_job_that_does_not_say_may_use_any_image(fields: dict[str, Any]) -> None:
    found = await read(job("b"), job("vague", **fields))
    [doubt] = found.doubts
    assert doubt.startswith(
        "the jobs of workspace 0 could not be read completely: training job 2 of the page at"
    )
    assert "training job vague (Running)" in doubt
    assert doubt.endswith(
        "try again, or leave them out with --users notebooks --in-use off (`users:` in a targets file)"
    )


@pytest.mark.parametrize(("days", "doubts"), [(29, 1), (31, 0)])
async def test_one_that_was_over_long_ago_need_not_say(days: int, doubts: int) -> None:
    old: dict[str, Any] = {"phase": "Failed", "metadata": {"create_time": MS - days * DAY}}
    found = await read(job(algorithm=None, **old), job("b", algorithm={"id": "gone"}, **old))
    assert (used(found), len(found.doubts)) == ([], doubts)


TASKS = [{"algorithm": {"engine": {"image_url": "ml/x:1"}}}, {"role": "w"}]


@pytest.mark.parametrize("whole", [None, {}, {"engine": None}, {"engine": {}}])
@pytest.mark.parametrize("tasks", [TASKS, TASKS[::-1], [*TASKS[:1], None]])
async def test_so_may_one_of_whose_tasks_only_some_say(whole: object, tasks: list[object]) -> None:
    found = await read(job("mix", kind="hetero_job", algorithm=whole, tasks=tasks))
    assert "training job mix (Running) does not say which image it uses" in found.doubts[0]


@pytest.mark.parametrize(
    ("whole", "images"),
    [
        ({"engine": {"image_url": "ml/y:1"}}, ["ml/y:1", "ml/x:1"]),
        ({"engine": {"engine_id": "pytorch"}}, ["ml/x:1"]),
    ],
)
async def test_a_task_that_says_nothing_has_what_the_job_says(whole: object, images: list[str]) -> None:
    found = await read(job(kind="hetero_job", algorithm=whole, tasks=TASKS))
    assert (used(found), found.doubts) == (images, ())


@pytest.mark.parametrize("kind", ["visualization_job", "autosearch_job", "diag_job", "MRS_JOB"])
async def test_the_services_own_jobs_need_no_image_of_ours(kind: str) -> None:
    found = await read(job(kind=kind, algorithm=None))
    assert (used(found), found.doubts) == ([], ())


@pytest.mark.parametrize("record", [None, 7, "job", [], {}])
async def test_a_record_that_is_no_job_is_a_doubt(record: object) -> None:
    assert "training job 1 of the page at offset 0 cannot be used" in (await read(record)).doubts[0]


class TestByAlgorithm:
    """A job of a saved algorithm that names no image itself."""

    def stage(self, *algorithms: Any) -> Stage:
        jobs = [job("by", algorithm={"id": "al-1"}), job("old", phase="Failed", algorithm={"id": "al-1"})]
        lists = {
            "training-job-searches": shelf(jobs[:1]),
            "algorithms": Shelf(list(algorithms), items="items", claims=claims(list(algorithms))),
        }
        return Stage(otherwise=lambda request: lists[request.path.rpartition("/")[2]](request))

    async def test_it_needs_the_algorithms_image(self) -> None:
        listed = {"metadata": {"id": "al-1"}, "job_config": {"engine": {"image_url": "ml/x:1"}}}
        reading = make_reading(self.stage(listed), JOBS, UserKind.ALGORITHMS)
        found = await read_users(reading, ("0",))
        assert [(use.user, use.swr_path) for use in found.in_use.uses] == [
            ("algorithm al-1", "ml/x:1"),
            ("training job by (Running)", "ml/x:1"),
        ]
        assert found.doubts == ()

    async def test_or_none_where_the_algorithm_has_a_preset_engine(self) -> None:
        listed = {"metadata": {"id": "al-1"}, "job_config": {"engine": {"engine_id": "pytorch"}}}
        found = await read_users(make_reading(self.stage(listed), JOBS, UserKind.ALGORITHMS), ("0",))
        assert (found.in_use.uses, found.doubts) == ((), ())

    async def test_so_does_a_task_that_says_nothing(self) -> None:
        mixed = job("mix", kind="hetero_job", algorithm={"id": "al-2"}, tasks=TASKS)
        found = await read(mixed)
        assert used(found) == ["ml/x:1"]
        assert "training job mix (Running) names no image but the algorithm al-2" in found.doubts[0]

    async def test_an_algorithm_that_is_not_listed_is_a_doubt(self) -> None:
        found = await read_users(make_reading(self.stage(), JOBS, UserKind.ALGORITHMS), ("0",))
        assert found.doubts == (
            "training job by (Running) names no image but the algorithm al-1, which is not listed: it may use any "
            "image; wait until it is over and older than --job-history, or leave jobs out with --users algorithms "
            "(`users:` in a targets file)",
        )

    async def test_so_is_one_that_is_not_asked(self) -> None:
        found = await read_users(make_reading(self.stage(), JOBS), ("0",))
        assert "and algorithms are not asked (--users)" in found.doubts[0]

    async def test_a_failure_of_the_algorithms_is_said_once(self) -> None:
        refused = error(403, "ModelArts.0108")
        jobs = shelf([job("by", algorithm={"id": "al-1"})])
        stage = Stage(otherwise=lambda request: refused if "algorithms" in request.path else jobs(request))
        found = await read_users(make_reading(stage, JOBS, UserKind.ALGORITHMS), ("0",))
        [doubt] = found.doubts
        assert "get the permission modelarts:aiAlgorithm:list, or leave them out with --users jobs (" in doubt
