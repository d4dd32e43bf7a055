"""Never lose an image: use by notebooks and pins, a proven inventory, limits again at apply, through the CLI."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanup.simulator import OTHER_WORKSPACE, PROJECT_ID, USER_ID, Faults, Service, World, parse_rate
from cleanup.simulator.faults import Step
from cleanup.simulator.references import INSTANCE_HOST
from tests.support.builders import events, lines_of, real_now
from tests.support.builders import image_record as image
from tests.support.cloud import Serve

DAY = 86_400_000
POLICY = """\
version: 1
rules:
  - {name: old, older_than: 30d, force: true}
limits: {max_percent: 100}
"""


def notebook(number: int, **fields: Any) -> dict[str, Any]:
    base = {
        "id": f"10000000-0000-0000-0000-{number:012}",
        "name": f"nb-{number}",
        "status": "RUNNING",
        "feature": "NOTEBOOK",
        "workspace_id": "0",
        "user_id": USER_ID,
        "image": {},
    }
    return base | fields


def service(
    images: list[dict[str, Any]], notebooks: list[dict[str, Any]] | None = None, **options: Any
) -> Service:
    world = World(
        images=tuple(images),
        notebooks=tuple(notebooks or ()),
        contents={one["swr_path"]: one["size"] for one in images if "swr_path" in one},
        project_id=PROJECT_ID,
        user_id=USER_ID,
    )
    return Service(world, real_now, **options)


def reasons(path: Path) -> dict[str, str]:
    return {line["image"]["tag"]: line["reason"] for line in lines_of(path) if line["kind"] == "decision"}


class TestInUse:
    @pytest.mark.parametrize(
        "status", ["RUNNING", "STOPPED", "FROZEN", "CREATE_FAILED", "ERROR", "SOMETHING_NEW"]
    )
    @pytest.mark.parametrize("feature", ["NOTEBOOK", "DEFAULT"])
    def test_any_notebook_that_is_not_deleted(
        self, run: Any, serve_cloud: Serve, tmp_path: Path, status: str, feature: str
    ) -> None:
        book = notebook(1, status=status, feature=feature, image={"id": image(1)["id"]})
        cloud = serve_cloud(service([image(1), image(2)], [book]))
        assert run("plan", cloud).exit_code == 0
        assert reasons(tmp_path / "plan.jsonl") == {"v1": "in-use", "v2": "expired"}

    def test_a_deleted_notebook_needs_nothing(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        book = notebook(1, status="DELETED", image={"id": image(1)["id"]})
        run("plan", serve_cloud(service([image(1)], [book])))
        assert reasons(tmp_path / "plan.jsonl") == {"v1": "expired"}

    def test_by_path_only_and_on_a_late_page(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        others = [notebook(n, image={"id": f"other-{n}"}) for n in range(120)]
        book = notebook(500, user_id="f" * 32, image={"swr_path": "swr.example.com/ml/trainer:v1"})
        cloud = serve_cloud(service([image(1), image(2)], [book, *others]))
        run("plan", cloud)
        assert reasons(tmp_path / "plan.jsonl") == {"v1": "in-use", "v2": "expired"}
        limits = {r.query.get("limit") for r in cloud.service.requests if "notebooks" in r.path}
        assert limits == {"50"}

    def test_a_notebook_that_does_not_say_what_it_uses_stops_everything(
        self, run: Any, serve_cloud: Serve
    ) -> None:
        cloud = serve_cloud(service([image(1)], [notebook(7, image={})]))
        called = run("run", cloud)
        assert called.exit_code == 6
        assert "nb-7" in called.stderr
        assert cloud.deleted == {}

    def test_other_users_notebooks_that_cannot_be_seen(
        self, run: Any, serve_cloud: Serve, tmp_path: Path
    ) -> None:
        books = [
            notebook(1, image={"id": image(1)["id"]}),
            notebook(2, user_id="f" * 32, image={"id": image(2)["id"]}),
        ]
        cloud = serve_cloud(service([image(1), image(2), image(3)], books, sees_all=False))
        planned = run("plan", cloud)
        assert planned.exit_code == 0
        assert "other users' notebooks were not visible" in planned.stderr
        assert lines_of(tmp_path / "plan.jsonl")[0]["inventory"]["complete"] is False
        assert run("apply", cloud).exit_code == 6
        assert run("run", cloud).exit_code == 6
        assert cloud.deleted == {}
        assert run("plan", cloud, "--in-use", "own").exit_code == 0
        assert reasons(tmp_path / "plan.jsonl")["v1"] == "in-use"
        assert run("apply", cloud).exit_code == 6
        assert run("apply", cloud, "--in-use", "own").exit_code == 0
        assert image(1)["id"] not in cloud.deleted

    def test_notebooks_that_cannot_be_read_mean_no_plan_to_apply(
        self, run: Any, serve_cloud: Serve, tmp_path: Path
    ) -> None:
        faults = Faults([parse_rate("notebooks:403=1"), parse_rate("all-notebooks:403=1")])
        cloud = serve_cloud(service([image(1)]), faults=faults)
        called = run("plan", cloud)
        assert called.exit_code == 0
        assert (
            "get the permission modelarts:notebook:list, or leave them out with --users jobs,"
            in called.stderr
        )
        assert lines_of(tmp_path / "plan.jsonl")[0]["inventory"]["complete"] is False
        assert run("apply", cloud).exit_code == 6
        assert cloud.deleted == {}
        assert run("plan", cloud, "--in-use", "off").exit_code == 0

    @pytest.mark.parametrize(
        "pin",
        [
            "ml/trainer:v1@sha256:0123",
            "https://swr.example.com/ml/trainer:v1@sha256:0123",
            "swr.elsewhere.example/ml/trainer:v1",
            "00000000-0000-0000-0000-000000000001",
            "ml/trainer:v1",
            "swr.example.com/ml/trainer:v1",
        ],
    )
    def test_pins_of_each_kind(self, run: Any, serve_cloud: Serve, tmp_path: Path, pin: str) -> None:
        (tmp_path / "pins.txt").write_text(f"# training jobs\n\n{pin}  # job 7\n")
        cloud = serve_cloud(service([image(1), image(2)]))
        run("plan", cloud, "--pins", "pins.txt")
        assert reasons(tmp_path / "plan.jsonl") == {"v1": "in-use", "v2": "expired"}
        run("plan", cloud)
        assert run("apply", cloud, "--pins", "pins.txt").exit_code == 0
        outcomes = {
            line["tag"]: line["outcome"] for line in events(tmp_path / "journal.jsonl", "delete.result")
        }
        assert outcomes == {"v1": "drifted", "v2": "deleted"}

    @pytest.mark.parametrize(
        "bad",
        ["ml/trainer", "docker://swr.example.com/ml/trainer:v1", "swr.example.com/ml/trainer@sha256:0123"],
    )
    def test_a_bad_pin_is_named(self, run: Any, serve_cloud: Serve, tmp_path: Path, bad: str) -> None:
        (tmp_path / "pins.txt").write_text(f"ml/trainer:v1\n{bad}\n")
        called = run("plan", serve_cloud(service([image(1)])), "--pins", "pins.txt")
        assert called.exit_code == 2
        assert "pins.txt:2:1" in called.stderr


class TestRegistries:
    """One image old, one that stays: the same repository and tag, as the API tells the registry of each."""

    @pytest.mark.parametrize(
        ("host", "instance", "shared"),
        [
            (INSTANCE_HOST, "8f1c", False),
            ("swr.elsewhere.example.com", None, True),
            ("swr.example.com", "8f1c", True),
        ],
    )
    def test_whose_content_may_go(
        self, run: Any, serve_cloud: Serve, host: str, instance: str | None, shared: bool
    ) -> None:
        there = {"swr_path": f"{host}/ml/trainer:v1", "swr_instance_id": instance}
        young = image(2, tag="v1", update_at=int(real_now().timestamp() * 1000), **there)
        cloud = serve_cloud(service([image(1), young]))
        assert run("run", cloud).exit_code == 0
        assert cloud.deleted == {image(1)["id"]: not shared}
        assert young["swr_path"] in cloud.service.contents
        assert (image(1)["swr_path"] in cloud.service.contents) is shared


class TestInventory:
    @pytest.mark.parametrize("fault", ["list:wrong-total=1", "list:shift-add=1"])
    def test_one_that_stays_unclear_plans_with_a_warning_and_never_applies(
        self, run: Any, serve_cloud: Serve, tmp_path: Path, fault: str
    ) -> None:
        images = [image(number) for number in range(450)]
        cloud = serve_cloud(service(images), faults=Faults([parse_rate(fault)]))
        planned = run("plan", cloud)
        assert planned.exit_code == 0
        header = lines_of(tmp_path / "plan.jsonl")[0]
        assert header["inventory"]["complete"] is False
        assert header["inventory"]["doubts"]
        assert "not complete" in planned.stderr
        assert run("apply", cloud).exit_code == 6
        assert run("run", cloud).exit_code == 6
        assert cloud.deleted == {}

    def test_one_that_moves_once_is_read_again(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        images = [image(number) for number in range(450)]
        script = [Step(fault="shift-delete", calls="list", nth=2)]
        run("plan", serve_cloud(service(images), faults=Faults(script=script)))
        header = lines_of(tmp_path / "plan.jsonl")[0]
        assert header["inventory"]["complete"] is True
        assert header["inventory"]["images"] == 449

    def test_a_page_that_fails_for_good(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        images = [image(number) for number in range(450)]
        script = [Step(fault="500", calls="list", after=1)]
        cloud = serve_cloud(service(images), faults=Faults(script=script))
        called = run("plan", cloud)
        assert called.exit_code == 6
        assert cloud.url in called.stderr
        assert not (tmp_path / "plan.jsonl").exists()

    def test_all_pages_all_workspaces_no_built_in(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        cloud = serve_cloud(images=901)
        run("plan", cloud, "--workspace", "0", "--workspace", OTHER_WORKSPACE)
        own = {one["id"] for one in cloud.service.images if one["type"] == "DEDICATED"}
        seen = [
            line["image"]["id"] for line in lines_of(tmp_path / "plan.jsonl") if line["kind"] == "decision"
        ]
        assert len(seen) == len(set(seen))
        assert set(seen) == own


@pytest.mark.parametrize(("ahead", "complete"), [(0, True), (600, True), (3600, False), (-3600, False)])
def test_a_clock_that_is_wrong_makes_no_plan_to_apply(
    run: Any, serve_cloud: Serve, tmp_path: Path, ahead: int, complete: bool
) -> None:
    there = service([image(1)])
    there.now = lambda: real_now() - timedelta(seconds=ahead)
    cloud = serve_cloud(there)
    planned = run("plan", cloud)
    assert lines_of(tmp_path / "plan.jsonl")[0]["inventory"]["complete"] is complete
    assert ("set the clock right" in planned.stderr) is not complete
    assert (run("apply", cloud).exit_code == 0) is complete
    assert bool(cloud.deleted) is complete


class TestTheJournalsPlace:
    @pytest.mark.parametrize("content", ["precious notes", '{"kind":"plan"}\n'])
    def test_nothing_is_appended_to_what_is_no_journal(
        self, run: Any, serve_cloud: Serve, tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "journal.jsonl").write_text(content)
        cloud = serve_cloud(service([image(1)]))
        called = run("run", cloud)
        assert called.exit_code == 2
        assert "nothing is appended" in called.stderr
        assert (tmp_path / "journal.jsonl").read_text() == content
        assert cloud.deleted == {}

    def test_a_journal_is_appended_to(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        cloud = serve_cloud(service([image(1)]))
        assert run("run", cloud).exit_code == 0
        assert run("run", cloud).exit_code == 0
        assert len(events(tmp_path / "journal.jsonl", "run.started")) == 2


class TestLimitsAtApply:
    def test_a_project_that_shrank_meanwhile(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        now = int(real_now().timestamp() * 1000)
        images = [image(n) for n in range(4)] + [image(n, update_at=now) for n in range(10, 20)]
        (tmp_path / "policy.yaml").write_text(POLICY.replace("100", "40"))
        cloud = serve_cloud(service(images))
        run("plan", cloud)
        for one in images[4:12]:
            cloud.service.images.take(one["id"])
        called = run("apply", cloud)
        assert called.exit_code == 4
        assert "max_percent 40" in called.stderr
        assert cloud.deleted == {}

    def test_min_remaining(self, run: Any, serve_cloud: Serve, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(
            POLICY.replace("max_percent: 100", "max_percent: 100, min_remaining: 1")
        )
        cloud = serve_cloud(service([image(1), image(2)]))
        assert run("plan", cloud).exit_code == 0
        called = run("apply", cloud)
        assert called.exit_code == 4
        assert "ml/trainer with 0 ACTIVE" in called.stderr
        assert cloud.deleted == {}
