"""The seeded world: repeatable, believable, and with every oddity of the real service in it."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cleanup.simulator import (
    CLOSED_WORKSPACE,
    OTHER_WORKSPACE,
    USER_ID,
    World,
    build_world,
    with_closed_workspace,
)
from cleanup.simulator.messages import Record
from cleanup.simulator.references import content_key

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = int(NOW.timestamp() * 1000)
DAY = 24 * 3600 * 1000


@pytest.fixture(scope="module", params=[1, 7, 2026])
def world(request: pytest.FixtureRequest) -> World:
    return build_world(request.param, 500, NOW)


def age(image: Record) -> float:
    """In days."""
    return float(TODAY - image["create_at"]) / DAY


def own(world: World) -> list[Record]:
    return [image for image in world.images if image["type"] == "DEDICATED" and image["workspace_id"] == "0"]


def test_the_same_seed_number_and_time_give_the_same_world() -> None:
    assert build_world(3, 200, NOW) == build_world(3, 200, NOW)
    assert build_world(3, 200, NOW) != build_world(4, 200, NOW)


@pytest.mark.parametrize("count", [0, 1, 7, 60, 500])
def test_images_counts_the_dedicated_ones_of_workspace_0(count: int) -> None:
    world = build_world(1, count, NOW)
    kinds = Counter((image["type"], image["workspace_id"]) for image in world.images)
    assert kinds["DEDICATED", "0"] == count
    assert kinds["DEDICATED", OTHER_WORKSPACE] == count // 8
    assert kinds["BUILD_IN", "0"] == 24


def test_ids_are_uuids_and_unique(world: World) -> None:
    ids = [record["id"] for record in (*world.images, *world.notebooks)]
    assert len(set(ids)) == len(ids)
    assert all(str(UUID(each)) == each for each in ids)


def test_ages_reach_over_400_days_most_are_younger_and_some_are_of_today(world: World) -> None:
    ages = sorted(age(image) for image in own(world))
    assert ages[0] < 1
    assert ages[-1] > 400
    assert ages[len(ages) // 2] < 200
    assert all(age >= 0 for age in ages)


def test_every_tag_style_of_every_team_is_there(world: World) -> None:
    tags = [image["tag"] for image in own(world)]
    for start in ("dev-2", "pr-", "nightly-2", "save-", "latest", "stable", "1.", "v2.0.0-rc"):
        assert any(tag.startswith(start) for tag in tags), start
    assert any(tag.split(".")[1:2] == ["10"] for tag in tags), "1.10.0 sorts before 1.9.0 as text"
    assert {"ml-vision", "ml-nlp", "prod-serving", "sandbox", "research-llm"} <= {
        image["namespace"] for image in own(world)
    }


def test_paths_say_namespace_name_and_tag(world: World) -> None:
    hosts = Counter[str]()
    for image in world.images:
        host, _, rest = image["swr_path"].partition("/")
        hosts[host] += 1
        assert rest == f"{image['namespace']}/{image['name']}:{image['tag']}"
    assert hosts["swr.example.com"] > 0.98 * len(world.images)
    assert hosts.keys() == {"swr.example.com", "swr.example.com:443", "10.125.0.198:20202"}


def test_pairs_of_records_share_one_content(world: World) -> None:
    contents = Counter(content_key(image["swr_path"]) for image in own(world))
    assert sum(1 for count in contents.values() if count == 2) >= 3
    assert max(contents.values()) == 2


def test_a_stale_image_has_a_young_twin_by_another_host(world: World) -> None:
    [young] = [image for image in own(world) if image["swr_path"].startswith("10.") and age(image) < 9]
    [old] = [
        image
        for image in own(world)
        if image is not young and content_key(image["swr_path"]) == content_key(young["swr_path"])
    ]
    assert age(old) > 120
    assert (old["visibility"], old["namespace"]) == ("PRIVATE", young["namespace"])


def test_what_is_being_saved_has_no_size_yet_and_what_failed_says_why(world: World) -> None:
    by_status: dict[str, list[Record]] = {}
    for image in own(world):
        by_status.setdefault(image["status"], []).append(image)
    saving = by_status.get("INIT", []) + by_status.get("CREATING", [])
    assert saving
    assert all("size" not in image and image["swr_path"] not in world.contents for image in saving)
    assert all(image["status_message"] for image in by_status["CREATE_FAILED"] + by_status["ERROR"])


@pytest.mark.parametrize("field", ["update_at", "size", "visibility"])
def test_fields_are_missing_here_and_there(world: World, field: str) -> None:
    missing = [image for image in own(world) if image["status"] == "ACTIVE" and field not in image]
    assert 0 < len(missing) < 25


def test_odd_values_are_there(world: World) -> None:
    images = own(world)
    assert {"x86_64", "X86_64"} <= {image["arch"] for image in images}
    assert {"PRIVATE", "PUBLIC", "private", "SHARED"} <= {image.get("visibility") for image in images}
    assert "ARCHIVED" in {image["status"] for image in images}
    assert any(image.get("update_at") == 0 for image in images)
    assert any(image.get("update_at", 0) > TODAY for image in images)
    assert any("lifecycle" in image for image in images)
    assert any(image.get("tags") == [] for image in images)
    assert any(image.get("tags") and image["tags"][0]["key"] == "team" for image in images)


def test_most_images_are_private_and_of_known_status(world: World) -> None:
    images = own(world)
    assert sum(image.get("visibility") == "PRIVATE" for image in images) > 0.8 * len(images)
    assert sum(image["status"] == "ACTIVE" for image in images) > 0.9 * len(images)


def test_built_in_images_have_no_visibility(world: World) -> None:
    built_in = [image for image in world.images if image["type"] == "BUILD_IN"]
    assert all("visibility" not in image and "show_name" in image for image in built_in)


def test_notebooks_come_in_every_state_feature_and_workspace_and_belong_to_several_users(
    world: World,
) -> None:
    notebooks = world.notebooks
    states = Counter(notebook["status"] for notebook in notebooks)
    assert {"RUNNING", "STOPPED", "FROZEN", "DELETED", "CREATE_FAILED"} <= states.keys()
    assert {notebook["feature"] for notebook in notebooks} == {"NOTEBOOK", "DEFAULT"}
    assert {notebook["workspace_id"] for notebook in notebooks} == {"0", OTHER_WORKSPACE}
    assert USER_ID in {notebook["user_id"] for notebook in notebooks}
    assert len({notebook["user_id"] for notebook in notebooks}) > 2


def test_notebooks_name_their_image_by_id_or_by_path_only(world: World) -> None:
    by_id = [notebook["image"] for notebook in world.notebooks if "id" in notebook["image"]]
    assert 0 < len(by_id) < len(world.notebooks)
    assert all("swr_path" in notebook["image"] for notebook in world.notebooks)
    held = {image["id"]: image for image in world.images}
    assert any(image["id"] in held and held[image["id"]]["type"] == "DEDICATED" for image in by_id)


def test_the_world_moves_with_the_clock() -> None:
    later = build_world(1, 100, NOW + timedelta(days=30))
    assert [i["create_at"] - 30 * DAY for i in own(later)] == [
        i["create_at"] for i in own(build_world(1, 100, NOW))
    ]


def by_name(records: Sequence[Record], *path: str) -> dict[str, Record]:
    """Records by a name that stands at a path within them."""
    named = {}
    for record in records:
        value: Any = record
        for name in path:
            value = value[name]
        named[value] = record
    return named


def is_stale(world: World, reference: str) -> bool:
    """Whether a reference names one image, which is old and which nothing but its user keeps."""
    images = [image for image in own(world) if content_key(image["swr_path"]) == content_key(reference)]
    return (
        len(images) == 1 and age(images[0]) > 120 and images[0]["tag"].startswith(("dev-", "pr-", "nightly-"))
    )


def test_jobs_of_every_kind_and_state_need_stale_images(world: World) -> None:
    jobs = by_name(world.jobs, "metadata", "name")
    needed = {
        name: jobs[name]["algorithm"]["engine"]["image_url"]
        for name in ("resnet-a", "resnet-b", "resnet-c", "nightly-eval", "last-spring", "tune-llm")
    }
    needed["mixed-fleet"] = jobs["mixed-fleet"]["tasks"][1]["algorithm"]["engine"]["image_url"]
    assert all(is_stale(world, reference) for reference in needed.values())
    assert len({content_key(reference) for reference in needed.values()}) == 7
    assert "." not in needed["resnet-a"].partition("/")[0]
    assert needed["resnet-b"].startswith("10.125.0.198:20202/")
    assert "@sha256:" in needed["resnet-c"]
    assert jobs["mixed-fleet"]["kind"] == "hetero_job"
    assert "ftjob_config" in jobs["tune-llm"]
    assert jobs["by-algorithm"]["algorithm"].keys() == {"id", "name"}
    assert jobs["train-emea"]["metadata"]["workspace_id"] == OTHER_WORKSPACE
    phases = {job["status"]["phase"] for job in world.jobs}
    assert {"Running", "Pending", "Completed", "Failed", "Terminated", "Abnormal", "Hibernating"} <= phases


@pytest.mark.parametrize(("name", "days"), [("nightly-eval", 10), ("last-spring", 60), ("mixed-fleet", 5)])
def test_jobs_ended_within_and_beyond_a_month(world: World, name: str, days: int) -> None:
    status = by_name(world.jobs, "metadata", "name")[name]["status"]
    assert status["start_time"] + status["duration"] == TODAY - days * DAY


def test_algorithms_models_services_and_workflows_need_stale_images(world: World) -> None:
    algorithms = by_name(world.algorithms, "metadata", "name")
    assert is_stale(world, algorithms["finetune"]["job_config"]["engine"]["image_url"])
    assert "image_url" not in algorithms["preset-engine"]["job_config"]["engine"]
    models = by_name(world.models, "model_name")
    copies = {name: models[name].get("source_copy") for name in ("linked", "unsaid", "copied")}
    assert copies == {"linked": "false", "unsaid": None, "copied": "true"}
    assert all(is_stale(world, models[name]["source_location"]) for name in copies)
    assert "source_location" not in models["by-config"]
    assert is_stale(world, json.loads(models["by-config"]["config"])["swr_location"])
    chat = by_name(world.services, "name")["chat"]
    old, current = chat["deployments"][0]["versions"]
    assert chat["status"] == "STOPPED"
    assert is_stale(world, old["unit_configs"][0]["image"]["swr_path"])
    assert old["unit_configs"][0]["image"]["id"] in {image["id"] for image in own(world)}
    assert chat["version"]["instance_groups"][0]["unit_configs"] == current["unit_configs"]
    workflows = by_name(world.workflows, "name")
    assert is_stale(world, workflows["release-pipeline"]["data"][0]["value"]["swr_path"])
    spec = workflows["retrain"]["steps"][0]["properties"]["job_spec"]
    assert is_stale(world, spec["algorithm"]["engine"]["image_url"])
    served = {part["model_id"] for service in world.services_v1 for part in service["config"]}
    assert served == {models["linked"]["model_id"], models["unsaid"]["model_id"]}


@pytest.mark.parametrize("count", [1, 7, 60, 199])
def test_small_worlds_have_users_of_their_newest_images_only(count: int) -> None:
    world = build_world(1, count, NOW)
    newest = sorted(own(world), key=age)[: max(3, count // 5)]
    held = {content_key(image["swr_path"]) for image in newest}
    urls = [job["algorithm"].get("engine", {}).get("image_url") for job in world.jobs]
    here = [url for url in urls if url and "-emea/" not in url and not url.endswith("-gone")]
    assert here
    assert {content_key(url) for url in here} <= held
    assert {image["swr_path"].partition("/")[0] for image in world.images} == {"swr.example.com"}


def test_nobody_uses_images_of_an_empty_world() -> None:
    world = build_world(1, 0, NOW)
    kinds = (world.jobs, world.algorithms, world.models, world.services_v1, world.services, world.workflows)
    assert not any(kinds)
    assert [workspace["id"] for workspace in world.workspaces] == ["0"]


def test_workspaces_are_open_and_one_is_closed_where_asked_for() -> None:
    plain = build_world(7, 500, NOW)
    closed = with_closed_workspace(plain)
    assert [workspace["id"] for workspace in plain.workspaces] == ["0", OTHER_WORKSPACE]
    assert {workspace["auth_type"] for workspace in plain.workspaces} == {"PUBLIC"}
    [more] = [each for each in closed.workspaces if each not in plain.workspaces]
    assert (more["id"], more["auth_type"]) == (CLOSED_WORKSPACE, "PRIVATE")
    hidden = [image for image in closed.images if image["workspace_id"] == CLOSED_WORKSPACE]
    assert {image["swr_path"] for image in hidden} == {image["swr_path"] for image in own(closed)[:3]}
    assert [image for image in closed.images if image not in hidden] == list(plain.images)
