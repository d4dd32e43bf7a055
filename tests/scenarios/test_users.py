"""Who uses images, through the CLI: each kind keeps its image and says so, and none is left out unsaid."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cleanup.simulator import PROJECT_ID, USER_ID, Service, World, user_records
from cleanup.simulator.routes import Operation
from tests.support.builders import events, lines_of, real_now
from tests.support.builders import image_record as image
from tests.support.chaos import jump
from tests.support.cloud import Cli, Cloud, Serve

DAY = 86_400_000
NOW = int(real_now().timestamp() * 1000)
POLICY = """\
version: 1
rules:
  - {name: old, older_than: 30d, force: true}
limits: {max_percent: 100, max_deletes: 10000}
"""
CLOSED = "c1" * 16
OPEN = "a1" * 16


def path(number: int) -> str:
    return f"swr.example.com/ml/trainer:v{number}"


def short(number: int) -> str:
    return f"ml/trainer:v{number}"


def service(images: list[dict[str, Any]], users: Mapping[str, Any], **options: Any) -> Service:
    contents = {one["swr_path"]: one["size"] for one in images}
    world = World(images=images, contents=contents, project_id=PROJECT_ID, user_id=USER_ID, **users)
    return Service(world, real_now, **options)


def job(name: str, phase: str, engine: dict[str, Any], **fields: Any) -> dict[str, Any]:
    record = user_records.job(
        f"job-{name}",
        NOW,
        phase=phase,
        metadata={"name": name},
        algorithm={"engine": engine},
        began=NOW - DAY,
    )
    return user_records.merged(record, fields)


def algorithm(name: str, engine: dict[str, Any]) -> dict[str, Any]:
    fields = {"metadata": {"name": name}, "job_config": {"engine": engine}}
    return user_records.algorithm(f"algorithm-{name}", NOW, **fields)


def notebook(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"nb-{number}",
        "name": f"train-{number}",
        "status": "STOPPED",
        "feature": "NOTEBOOK",
        "workspace_id": "0",
        "user_id": USER_ID,
        "image": {"id": image(number)["id"]},
    } | fields


def everybody() -> dict[str, Any]:
    """One user of each kind and form, of the images 1 to 11."""
    linked = user_records.model("m1", NOW, model_name="linked", source_copy="false", source_location=path(5))
    unsaid = user_records.model("m2", NOW, model_name="unsaid", config=json.dumps({"swr_location": short(6)}))
    copied = user_records.model("m3", NOW, model_name="copied", source_copy="true", source_location=path(12))
    by_id = {"id": image(7)["id"], "source": "IMAGE"}
    by_path = {"source": "SWR", "swr_path": path(8)}
    steps = [{"name": "train", "properties": {"spec": {"image_url": f"100.125.0.198:20202/{short(9)}"}}}]
    return {
        "notebooks": [notebook(1)],
        "jobs": [
            job("resnet-a", "Running", {"image_url": short(2)}),
            job("lately", "Completed", {"image_url": short(3)}),
            job(
                "long-ago",
                "Completed",
                {"image_url": short(13)},
                status={"start_time": NOW - 90 * DAY},
                metadata={"create_time": NOW - 91 * DAY},
            ),
            job(
                "mixed",
                "Pending",
                {"engine_id": "x"},
                kind="hetero_job",
                tasks=[{"algorithm": {"engine": {"image_url": short(10)}}}],
            ),
        ],
        "algorithms": [algorithm("finetune", {"image_url": short(4)})],
        "models": [linked, unsaid, copied],
        "services_v1": [user_records.service_v1("s1", NOW, models=[linked], service_name="online")],
        "services": [user_records.service("s2", NOW, images=[by_id, by_path], status="STOPPED", name="chat")],
        "workflows": [user_records.workflow("w1", NOW, name="retrain", steps=steps)],
    }


SENTENCES = {
    1: "used by notebook train-1 (STOPPED)",
    2: "used by training job resnet-a (Running), owner user-1",
    3: "used by training job lately (Completed), owner user-1",
    4: "used by algorithm finetune",
    5: "used by model linked 1.0.0 (source_copy false), for service online (running)",
    6: "used by model unsaid 1.0.0 (source_copy not said)",
    7: "used by service chat (STOPPED), version 1.0.0",
    8: "used by service chat (STOPPED), version 1.0.1",
    9: "used by workflow retrain",
    10: "used by training job mixed (Pending), owner user-1",
}
FREE = {"v11", "v12", "v13"}
KINDS = ("notebooks", "jobs", "algorithms", "models", "services", "workflows")


@pytest.fixture
def header(tmp_path: Path) -> Any:
    return lambda: lines_of(tmp_path / "plan.jsonl")[0]["inventory"]


def deletes(folder: Path) -> dict[str, dict[str, Any]]:
    lines = lines_of(folder / "plan.jsonl")
    return {line["image"]["tag"]: line for line in lines if line.get("action") == "delete"}


def test_each_kind_keeps_its_image_and_explain_names_the_user(
    run: Any, cli: Cli, serve_cloud: Serve, tmp_path: Path, header: Any
) -> None:
    cloud = serve_cloud(service([image(number) for number in range(1, 14)], everybody()))
    for number, sentence in SENTENCES.items():
        told = cli("explain", image(number)["id"], "-p", "policy.yaml", *cloud.options)
        assert sentence in " ".join(told.stdout.split())
    assert run("plan", cloud).exit_code == 0
    assert set(deletes(tmp_path)) == FREE
    assert header()["users"] == {
        "notebooks": 1, "jobs": 3, "algorithms": 1, "models": 2, "services": 1, "workflows": 1
    }  # fmt: skip
    assert (header()["complete"], header()["unseen"]) == (True, [])
    assert run("apply", cloud).exit_code == 0
    assert len(cloud.deleted) == len(FREE)


@pytest.mark.parametrize(
    ("kind", "call", "permission"),
    [
        ("notebooks", (Operation.NOTEBOOKS, Operation.ALL_NOTEBOOKS), "modelarts:notebook:list"),
        ("notebooks", (Operation.ALL_NOTEBOOKS,), "modelarts:notebook:listAllNotebooks"),
        ("jobs", (Operation.JOBS,), "modelarts:trainJob:list"),
        ("algorithms", (Operation.ALGORITHMS,), "modelarts:aiAlgorithm:list"),
        ("models", (Operation.MODELS,), "modelarts:model:list"),
        ("models", (Operation.MODEL,), "modelarts:model:get"),
        ("services", (Operation.SERVICES,), "modelarts:service:list"),
        ("services", (Operation.SERVICE,), "modelarts:service:get"),
        ("services", (Operation.VERSION,), "modelarts:service:get"),
        ("workflows", (Operation.WORKFLOWS,), "modelarts:workflow:list"),
    ],
)
def test_a_kind_that_may_not_be_read_stops_the_run_and_is_left_out_by_name(
    run: Any, serve_cloud: Serve, kind: str, call: tuple[Operation, ...], permission: str
) -> None:
    there = service([image(number) for number in range(1, 14)], everybody(), forbidden=call)
    cloud = serve_cloud(there)
    called = run("run", cloud)
    assert called.exit_code == 6
    assert f"get the permission {permission}," in called.stderr
    assert "403" in called.stderr
    assert cloud.deleted == {}
    rest = ",".join(other for other in KINDS if other != kind)
    assert f"--users {rest} (" in called.stderr or "--in-use own" in called.stderr
    assert run("run", cloud, "--users", rest).exit_code == 0
    assert cloud.deleted


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_a_region_does_not_offer_comes_with_the_list_to_give(
    run: Any, serve_cloud: Serve, kind: str
) -> None:
    there = service([image(11)], {}, absent={Operation(kind)})
    cloud = serve_cloud(there)
    called = run("run", cloud)
    rest = ",".join(other for other in KINDS if other != kind)
    assert called.exit_code == 6
    assert f"this region does not offer {kind}" in called.stderr
    assert f"leave them out with --users {rest} (" in called.stderr
    assert run("run", cloud, "--users", rest).exit_code == 0
    assert len(cloud.deleted) == 1


def test_two_that_are_not_offered_are_left_out_together(run: Any, serve_cloud: Serve) -> None:
    cloud = serve_cloud(service([image(11)], {}, absent={Operation.SERVICES, Operation.WORKFLOWS}))
    assert "--users notebooks,jobs,algorithms,models (" in run("run", cloud).stderr


def test_services_of_the_first_api_only_add_a_name(run: Any, serve_cloud: Serve, header: Any) -> None:
    there = service([image(5), image(11)], everybody(), absent={Operation.SERVICES_V1})
    assert run("plan", serve_cloud(there)).exit_code == 0
    assert header()["complete"] is True
    assert "the v1 services are not named" in header()["notes"][0]


@pytest.mark.parametrize(("history", "kept"), [("30d", {"v3"}), ("100d", {"v3", "v13"}), ("0s", set())])
def test_how_long_a_job_that_is_over_needs_its_image(
    run: Any, serve_cloud: Serve, tmp_path: Path, history: str, kept: set[str]
) -> None:
    cloud = serve_cloud(service([image(3), image(13)], everybody()))
    run("plan", cloud, "--job-history", history)
    assert {"v3", "v13"} - set(deletes(tmp_path)) == kept


def test_the_keys_of_a_targets_file(cli: Cli, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
    cloud = serve_cloud(service([image(2), image(3)], everybody()))
    target = (
        f"{{name: t, endpoint: '{cloud.url}', project_id: {PROJECT_ID!r}, auth: none, policies: [policy.yaml]"
    )
    (tmp_path / "plans").mkdir()

    def planned(more: str) -> Any:
        (tmp_path / "targets.yaml").write_text(f"version: 1\ntargets:\n  - {target}{more}}}\n")
        return cli("plan", "-p", "policy.yaml", "--targets", "targets.yaml", "-o", "plans")

    planned(", users: [jobs], job_history: 0s")
    [made] = (tmp_path / "plans").iterdir()
    assert lines_of(made)[0]["inventory"]["users"] == {"jobs": 2}
    bad = planned(", users: [gremlins], job_history: 30")
    assert bad.exit_code == 2
    assert "gremlins" in bad.stderr
    assert "job_history" in bad.stderr or "30" in bad.stderr


@pytest.mark.parametrize(
    "options",
    [("--users", "gremlins"), ("--users", ""), ("--job-history", "30"), ("--users", "jobs,,models")],
)
def test_options_that_make_no_sense(run: Any, serve_cloud: Serve, options: tuple[str, ...]) -> None:
    called = run("plan", serve_cloud(service([image(1)], {})), *options)
    assert called.exit_code == 2
    assert options[0] in called.stderr


class TestWorkspaces:
    def cloud(self, serve_cloud: Serve, *workspaces: dict[str, Any], **options: Any) -> Cloud:
        images = [
            image(1),
            image(2),
            image(3),
            image(21, swr_path=path(1), workspace_id=OPEN),
        ]
        users = {
            "jobs": [job("over-there", "Running", {"image_url": short(2)}, metadata={"workspace_id": OPEN})],
            "workspaces": [
                user_records.workspace("0", NOW),
                user_records.workspace(OPEN, NOW),
                *workspaces,
            ],
        }
        return serve_cloud(service(images, users, **options))

    def test_all_are_read_and_only_those_named_are_cleaned(
        self, run: Any, serve_cloud: Serve, tmp_path: Path, header: Any
    ) -> None:
        cloud = self.cloud(serve_cloud)
        assert run("plan", cloud).exit_code == 0
        found = deletes(tmp_path)
        assert {tag: line["force_withheld"] for tag, line in found.items()} == {
            "v1": "shared-content",
            "v3": None,
        }
        assert header()["images"] == 3
        assert run("apply", cloud).exit_code == 0
        assert cloud.deleted == {image(1)["id"]: False, image(3)["id"]: True}

    def test_one_that_may_not_be_entered_withholds_force(
        self, run: Any, serve_cloud: Serve, tmp_path: Path, header: Any
    ) -> None:
        locked = user_records.workspace(CLOSED, NOW, auth_type="PRIVATE", owner="somebody")
        cloud = self.cloud(serve_cloud, locked)
        planned = run("plan", cloud)
        assert planned.exit_code == 0
        assert deletes(tmp_path)["v3"]["force_withheld"] == "workspace-unseen"
        assert (header()["unseen"], header()["complete"]) == ([CLOSED], True)
        assert f"workspace {CLOSED} could not be read, so force is withheld" in planned.stderr
        assert f"(force is withheld), since it may be needed unseen: {CLOSED}" in " ".join(
            planned.stdout.split()
        )
        assert run("apply", cloud).exit_code == 0
        assert cloud.deleted[image(3)["id"]] is False

    @pytest.mark.parametrize("how", ["forbidden", "absent"])
    def test_where_they_cannot_be_listed_force_is_withheld(
        self, run: Any, serve_cloud: Serve, tmp_path: Path, header: Any, how: str
    ) -> None:
        cloud = self.cloud(serve_cloud, **{how: {Operation.WORKSPACES}})
        planned = run("plan", cloud)
        assert deletes(tmp_path)["v3"]["force_withheld"] == "workspace-unseen"
        assert header()["unseen"] == ["workspaces cannot be listed"]
        assert "workspaces cannot be listed" in planned.stderr

    def test_one_that_closes_between_plan_and_apply_takes_force_back(
        self, run: Any, serve_cloud: Serve
    ) -> None:
        cloud = self.cloud(serve_cloud)
        run("plan", cloud)
        locked = user_records.workspace(CLOSED, NOW, auth_type="PRIVATE", owner="somebody")
        cloud.service.workspaces.put(locked)
        assert run("apply", cloud).exit_code == 0
        assert cloud.deleted[image(3)["id"]] is False

    def test_a_record_that_came_elsewhere_meanwhile_keeps_the_content(
        self, run: Any, serve_cloud: Serve
    ) -> None:
        cloud = self.cloud(serve_cloud)
        run("plan", cloud)
        cloud.service.images.put(image(33, swr_path=path(3), workspace_id=OPEN))
        assert run("apply", cloud, "--max-staleness", "0s").exit_code == 0
        assert cloud.deleted[image(3)["id"]] is False


def test_the_last_look_before_a_delete_that_waited(run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
    cloud = serve_cloud(service([image(1)], {}))
    run("plan", cloud)
    assert run("apply", cloud, "--max-staleness", "0s").exit_code == 0
    looks = [one for one in cloud.service.requests if "image_id" in one.query]
    assert [(one.path.rpartition("/")[2], one.query["image_id"]) for one in looks] == [
        ("all", image(1)["id"])
    ]
    [started] = events(tmp_path / "journal.jsonl", "run.started")
    assert started["planned"] == 1


@pytest.mark.no_cover
def test_renewals_cost_the_list_pages_and_no_more(
    run: Any, cli: Cli, serve_cloud: Serve, tmp_path: Path
) -> None:
    """1,000 models and 500 services: at most a tenth of a long run's requests read users again."""
    clock = jump(cli)
    (tmp_path / "policy.yaml").write_text(POLICY.replace(", force: true", ""))
    models = [
        user_records.model(f"m{n}", NOW, source_copy="false", source_location=f"swr.example.com/other/m:v{n}")
        for n in range(1000)
    ]
    unit = {"source": "SWR", "swr_path": "swr.example.com/other/s:v1"}
    services = [user_records.service(f"s{n}", NOW, images=[unit]) for n in range(500)]
    there = service([image(number) for number in range(1200)], {"models": models, "services": services})
    there.now = clock.now
    cloud = serve_cloud(there)
    options = ("--rate", 20, "--max-staleness", "20s", "--concurrency", 4)
    assert run("run", cloud, *options).exit_code == 0
    assert len(cloud.deleted) == 1200
    requests = list(there.requests)
    of_run = requests[next(n for n, one in enumerate(requests) if one.operation is Operation.DELETE) :]
    of_images = {Operation.SHOW, Operation.DELETE}
    again = [one for one in of_run if one.operation not in of_images and "image_id" not in one.query]
    renewals = [one.operation for one in again]
    assert renewals.count(Operation.JOBS) >= 2, "it was read again"
    assert Operation.MODEL not in renewals
    assert Operation.SERVICE not in renewals
    assert len(renewals) <= len(of_run) / 10


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ((), "apply plan.jsonl"),
        (("--in-use", "off"), "apply plan.jsonl --in-use off"),
        (("--users", "jobs,notebooks"), "apply plan.jsonl --users notebooks,jobs"),
        (("--users", "notebooks", "--in-use", "off"), "apply plan.jsonl --in-use off --users notebooks"),
    ],
)
def test_a_plan_says_how_to_apply_it_with_the_same_users(
    run: Any, serve_cloud: Serve, options: tuple[str, ...], hint: str
) -> None:
    planned = run("plan", serve_cloud(service([image(11)], {})), *options)
    assert f'image-cleanup {hint}"' in planned.stderr
