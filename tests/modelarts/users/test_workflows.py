"""Workflows as users of images: any text anywhere in their free JSON, and what is unreadable."""

import json
from typing import Any

import pytest

from cleanup.image import Image
from cleanup.modelarts.http.messages import Request, Response
from cleanup.modelarts.users.kinds import UserKind
from cleanup.modelarts.users.reading import Users, read_users
from tests.support.stage import Shelf, Stage, asked, make_reading, reply

WORKFLOWS = UserKind.WORKFLOWS
ID = "c9ab2b2f-edda-4556-bdbb-494e868d043c"


def workflow(name: str = "retrain", **fields: Any) -> dict[str, Any]:
    return {"workflow_id": f"id-{name}", "name": name, "steps": [], "last_modified_at": "2026-11-01"} | fields


def listing(*records: Any) -> Shelf:
    return Shelf(
        list(records), items="items", claims=lambda page: {"total": len(records), "count": len(page)}
    )


async def read(*records: Any) -> Users:
    return await read_users(make_reading(Stage(otherwise=listing(*records)), WORKFLOWS), ("0",))


@pytest.mark.parametrize(
    "fields",
    [
        {"data": [{"type": "swr", "value": {"swr_path": "ml/a:1"}}]},
        {"data": [{"type": "image", "value": "ml/a:1"}]},
        {"data_requirements": [{"value": ["ml/a:1"]}]},
        {"steps": [{"properties": {"job": {"algorithm": {"engine": {"image_url": "ml/a:1"}}}}}]},
        {"steps": [{"properties": {"spec": json.dumps({"image": "ml/a:1"})}}]},
        {"steps": [{"properties": {"command": "docker run --rm ml/a:1 train.py"}}]},
        {"extend": {"ml/a:1": True}},
    ],
)
async def test_a_reference_anywhere(fields: dict[str, Any]) -> None:
    found = await read(workflow(**fields))
    assert ("workflow retrain", "ml/a:1") in [(use.user, use.swr_path) for use in found.in_use.uses]
    assert (found.counts, found.doubts) == ({WORKFLOWS: 1}, ())


async def test_the_id_of_an_image_anywhere() -> None:
    found = await read(workflow(data=[{"value": ID}]))
    assert [use.image_id for use in found.in_use.uses] == [ID]


@pytest.mark.parametrize(
    "text",
    [
        f"image_id:{ID}",
        f"https://modelarts.test/v1/p1/images/{ID}",
        f"https://modelarts.test/v1/p1/images/{ID}?x=1",
        f"use-{ID.upper()}.",
        f"run --image={ID} --tag=x",
        "x" * 3000 + f"/{ID}",
    ],
)
async def test_the_id_of_an_image_inside_a_text(text: str) -> None:
    found = await read(workflow(data=[{"value": text}]))
    assert ID in [(use.image_id or "").lower() for use in found.in_use.uses]


NESTED = json.dumps({"command": json.dumps("cd /work\ndocker pull team.a/ocr:1\ttrue")})


@pytest.mark.parametrize(
    "text",
    [
        "team.a/ocr:1",  # a namespace with a dot
        "docker://TEAM.A/ocr:1",
        "swr.test/team.a/ocr:1",
        "team.a/ocr@sha256:" + "5" * 64,
        "pull team.a/ocr:1&&true",
        "https://console.test/create?image=team.a/ocr:1&x=2#y",
        "\u955c\u50cf\uff1ateam.a/ocr:1\uff0c",
        "printf 'x\\nteam.a/ocr:1\\n'",
        "docker run $REGISTRY/team.a/ocr:1",
        "docker run ${REGISTRY}/team.a/ocr:1",
        "swr.test/team.a/ocr:$TAG",  # filled in later, so it may be any tag
        "swr.test/team.a/ocr:{{ tag }}",
        NESTED,
    ],
)
async def test_an_image_named_within_a_text_is_in_use(text: str) -> None:
    users = (await read(workflow(steps=[{"properties": text}]))).in_use
    assert users.of(Image(id="i1", swr_path="swr.test/team.a/ocr:1")) is not None
    assert users.of(Image(id="i2", swr_path="swr.test/team.a/other:1")) is None


@pytest.mark.parametrize("text", ['{"image": "swr.test/ml/a:1"}', "run swr.test/ml/a:1, then stop", NESTED])
async def test_a_sentence_around_a_reference_names_no_other_tag(text: str) -> None:
    users = (await read(workflow(steps=[{"properties": text}]))).in_use
    assert users.of(Image(id="i1", swr_path="swr.test/ml/a:2")) is None


async def test_all_ids_in_one_text_and_each_once() -> None:
    other = ID.replace("c9", "d0")
    found = await read(workflow(data=[{"value": f"a:{ID};b:{other}/{ID}"}]))
    assert sorted(use.image_id for use in found.in_use.uses if use.image_id) == [ID, other]


@pytest.mark.parametrize("text", ["train", "10:30", "", " ", "/", "https://", "a b", "x" * 3000 + "/y:1"])
async def test_what_names_no_image(text: str) -> None:
    assert (await read(workflow("w", data=[text, 7, None, True]))).in_use.uses == ()


async def test_they_are_asked_once_for_the_project() -> None:
    stage = Stage(otherwise=listing(workflow()))
    await read_users(make_reading(stage, WORKFLOWS), ("0", "w1"), ("w2",))
    assert [(one.path, asked(one)) for one in stage.requests] == [
        ("/v2/p1/workflows", {"sort_by": "create_time", "limit": "100", "offset": "0"})
    ]


async def test_all_pages_by_records() -> None:
    found = await read(*(workflow(f"w{number}") for number in range(250)))
    assert (found.counts, found.doubts) == ({WORKFLOWS: 250}, ())


async def test_one_that_is_listed_without_its_steps_is_looked_at_and_remembered() -> None:
    brief = {"workflow_id": "id-a", "name": "a", "last_modified_at": "2026-11-01"}

    def service(request: Request) -> Response:
        if request.path.endswith("workflows"):
            return listing(brief)(request)
        return reply(200, workflow("a", steps=[{"image_url": "ml/a:1"}]))

    stage = Stage(otherwise=service)
    reading = make_reading(stage, WORKFLOWS)
    for _ in range(2):
        found = await read_users(reading, ("0",))
        assert [use.swr_path for use in found.in_use.uses] == ["ml/a:1"]
    assert [one.path.rpartition("/")[2] for one in stage.requests] == ["workflows", "id-a", "workflows"]


async def test_one_that_can_be_neither_read_nor_looked_at_is_a_doubt() -> None:
    found = await read({"name": "a"})
    assert "workflow 1 of the page at offset 0 cannot be used: it has neither steps nor" in found.doubts[0]
    assert found.doubts[0].startswith("the workflows could not be read completely: ")


async def test_one_that_is_nested_beyond_reason_is_a_doubt() -> None:
    deep: Any = "ml/a:1"
    for _ in range(300):
        deep = [deep]
    assert "nested too deeply" in (await read(workflow(data=deep))).doubts[0]
