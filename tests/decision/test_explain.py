"""What an explanation says beside the decision: all users, the reference, who shares the content, what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from cleanup.decision.explain import Explanation, explain, named
from cleanup.errors import UsageError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.reports import Format, render
from cleanup.reports.explain_view import explanation
from tests.support.builders import NOW, make_image

X = f"sha256:{'0a' * 32}"
POLICY = """\
version: 1
protect:
  - {tag: stable}
rules:
  - {name: big, match: {size: "> 10GiB"}, older_than: 90d}
  - {name: rest, older_than: 90d, keep_last: {count: 1, per: [arch]}, force: true}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return load([path])


def ask(
    policy: Policy, image: Image, *more: Image, uses: tuple[Use, ...] = (), **options: Any
) -> Explanation:
    newest = make_image("newest", age=0.5, arch="X86_64")
    return explain(image, [image, newest, *more], policy, InUse(uses), NOW, **options)


def test_every_user_is_named(policy: Policy) -> None:
    uses = (
        Use(user="notebook n", image_id="A"),
        Use(user="job j (Running)", swr_path="ml-vision/trainer:dev-a"),
    )
    told = ask(policy, make_image("a", arch="X86_64"), uses=uses)
    assert told.users == ("notebook n", "job j (Running)")
    assert told.used_by == "notebook n"
    assert told.forward == "it stays as long as it is used by notebook n, job j (Running)"


def test_the_reference_is_shown_as_it_was_read(policy: Policy) -> None:
    told = ask(
        policy, make_image("a", swr_path="10.0.0.1:20202/ML-Vision/Trainer:V1", swr_instance_id="8F1C")
    )
    assert told.reference == "8f1c/ml-vision/trainer:V1"
    assert ask(policy, make_image("a", name=None, tag=None, swr_path=None)).reference == "basic/ml-vision/?:?"


def test_who_shares_the_content_and_why(policy: Policy) -> None:
    def one(id: str, path: str | None, **fields: Any) -> Image:
        return make_image(id, swr_path=path, arch="X86_64", **fields)

    told = ask(
        policy,
        one("a", f"swr.a.com/team/ocr:1@{X}", age=200),
        one("goes", "10.0.0.1:20202/team/ocr:1", age=150),
        one("digest", f"team/ocr:2@{X}", age=10),
        one("linked", "team/ocr:2", age=20),
        one("vague", "team/ocr:", age=30, tag=None),
        one("other", "team/ocr:3", age=40),
        others=[one("elsewhere", "team/ocr:1", age=99, workspace_id="5")],
    )
    assert [(sharer.id, sharer.stays, sharer.why) for sharer in told.sharing] == [
        ("digest", True, "the same digest"),
        ("linked", True, "linked by another's digest"),
        ("vague", True, "cannot be told apart, tag not known"),
        ("elsewhere", True, "the same reference"),
        ("goes", False, "the same reference"),
    ]
    assert told.decision.force_withheld == "shared-content"
    shown = explanation([told], NOW).prose
    assert "content: basic/team/ocr:1\n" in shown
    assert (
        "ml-vision/trainer:dev-elsewhere (elsewhere) in workspace 5, stays: the same reference, team/ocr:1"
        in shown
    )


def test_what_cannot_be_told_apart_says_what_is_missing(policy: Policy) -> None:
    told = ask(
        policy,
        make_image("a"),
        make_image("b", tag=None, swr_path=None),
        make_image("c", swr_path="?", name=None, tag="dev-a"),
    )
    assert {sharer.id: sharer.why for sharer in told.sharing} == {
        "b": "cannot be told apart, tag not known",
        "c": "cannot be told apart, name not known",
    }


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"type": None}, "that its type is DEDICATED"),
        ({"tag": None}, "its tag, and 'tag: stable' does not hold for it"),
        ({"size": None}, "its size, and a match holds for it"),
        ({"status": "NEW"}, "that its status is ACTIVE, ERROR or CREATE_FAILED"),
        ({"status": "INIT"}, "that its status is ACTIVE, ERROR or CREATE_FAILED"),
        (
            {"visibility": None},
            "that its visibility is PRIVATE, or the match of rule 'rest' names visibility",
        ),
        ({"age": None}, "an update_at that lies in the past"),
        ({"age": -1}, "an update_at that lies in the past"),
        ({"arch": None}, "its arch"),
    ],
)
def test_what_the_service_would_have_to_say(policy: Policy, fields: dict[str, Any], wanted: str) -> None:
    told = ask(policy, make_image("a", **{"arch": "X86_64"} | fields))
    assert told.forward == f"it stays until the service says {wanted}"


def test_images_are_named_by_id_or_by_any_reference() -> None:
    a, b = make_image("a"), make_image("b", swr_path="swr.a.com/team/ocr:1")
    assert named("A", [a, b]) == (a,)
    assert named("ml-vision/trainer:dev-a", [a, b]) == (a,)
    assert named("10.0.0.1:20202/Team/OCR:1", [a, b]) == (b,)
    for text, why in (
        ("team/ocr", "names no tag; team/ocr has 1"),
        ("ocr:1", "there is no image"),
        ("?", "there is no image"),
    ):
        with pytest.raises(UsageError, match=why):
            named(text, [a, b])


@pytest.mark.parametrize(
    ("text", "near"), [("team/ocr", "team/ocr2, team/orc"), ("trainr", "ml-vision/trainer")]
)
def test_near_names_are_told(text: str, near: str) -> None:
    paths = ("team/ocr2:1", "team/ocr2:2", "team/orc:1", "other/thing:1")
    images = [make_image("a"), *(make_image(path, swr_path=f"swr.a.com/{path}") for path in paths)]
    with pytest.raises(UsageError, match=f"; near names are {near}: give its id"):
        named(text, images)


def test_at_most_ten_candidates_are_told() -> None:
    with pytest.raises(UsageError, match=r"has 12, the newest first: .*, and 2 more") as raised:
        named("ml-vision/trainer", [make_image(f"i{n}") for n in range(12)])
    assert str(raised.value).count("(id ") == 10


def test_the_place_in_json_is_its_number_its_group_and_how_many_that_has(policy: Policy) -> None:
    told = ask(policy, make_image("a", arch="X86_64"))
    (document,) = json.loads("".join(render([explanation([told], NOW)], Format.JSON)))["images"]
    assert document["place"] == {"rank": 2, "size": 2, "group": "x86_64"}
