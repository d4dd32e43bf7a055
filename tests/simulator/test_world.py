"""The seeded world: repeatable, believable, and with every oddity of the real service in it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cleanup.simulator import OTHER_WORKSPACE, USER_ID, World, build_world
from cleanup.simulator.messages import Record

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = int(NOW.timestamp() * 1000)
DAY = 24 * 3600 * 1000


@pytest.fixture(scope="module", params=[1, 7, 2026])
def world(request: pytest.FixtureRequest) -> World:
    return build_world(request.param, 500, NOW)


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
    ages = sorted((TODAY - image["create_at"]) / DAY for image in own(world))
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
    for image in world.images:
        assert image["swr_path"] == f"swr.example.com/{image['namespace']}/{image['name']}:{image['tag']}"


def test_pairs_of_records_share_one_content(world: World) -> None:
    paths = Counter(image["swr_path"] for image in own(world))
    assert sum(1 for count in paths.values() if count == 2) >= 3
    assert max(paths.values()) == 2


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
