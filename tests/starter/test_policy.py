"""The starter policy: whatever the inventory, it is valid, its test passes, and nothing dear is deleted."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanup.decision.cases import compare, load_cases
from cleanup.decision.select import select
from cleanup.decision.types import Action
from cleanup.in_use import InUse, Use
from cleanup.policy import load
from cleanup.policy.lint import lint
from cleanup.policy.versions import parse_version
from cleanup.reports.formatting import plain
from cleanup.starter.families import Answers
from cleanup.starter.policy import Shown, Words, starter
from tests.support.builders import NOW, make_image

ASKED: list[tuple[str, ...]] = [(), ("team", "te-*"), ("prod", "t*")]
WORDS = Words(plain, lambda images: f"{len(images)}")
NAMES = st.sampled_from(["team", "prod-a", "x\nrules: []", "\u2028# 'y'", "a: {b"]) | st.text(max_size=12)
TAGS = st.sampled_from(
    [
        "latest",
        "1.4.0",
        "dev-1",
        "pr-1",
        "nightly-2",
        "v1.0.0-dev",
        "build-1",
        "build-2",
        "build-3",
        "build-1.0",
        "rc-7",
    ]
) | st.text(max_size=8)
ONE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "namespace": NAMES | st.none(),
        "name": st.sampled_from(["app", "web"]),
        "tag": TAGS | st.none(),
        "status": st.sampled_from(["ACTIVE", "ERROR", "CREATING"]),
        "origin": st.sampled_from(["CUSTOMIZE", "IMAGE_SAVE"]),
        "visibility": st.sampled_from(["PRIVATE", "PUBLIC"]),
        "age": st.integers(0, 400),
        "swr_path": st.none(),
    }
)


@settings(max_examples=40, deadline=None)
@given(found=st.lists(ONE, max_size=12), used=st.integers(0, 11), untouchable=st.sampled_from(ASKED))
def test_whatever_the_inventory(
    tmp_path_factory: Any, found: list[dict[str, Any]], used: int, untouchable: tuple[str, ...]
) -> None:
    answers = Answers(untouchable, 7 if untouchable else 90, 1 if untouchable else 5)
    images = [make_image(f"id-{number}", **fields) for number, fields in enumerate(found)]
    folder: Path = tmp_path_factory.mktemp("starter")
    in_use = InUse([Use(user="notebook", image_id=f"id-{used}")])
    made = starter(Shown(images, in_use, NOW), "policy.yaml", WORDS, answers)
    (folder / "policy.yaml").write_text(made.policy, encoding="utf-8")
    (folder / "policy.test.yaml").write_text(made.test, encoding="utf-8")
    policy, cases = load([folder / "policy.yaml"]), load_cases(folder / "policy.test.yaml")
    assert not lint(policy)
    assert not compare(cases, select(cases.images, policy, cases.in_use, cases.now))
    for decision in select(images, policy, in_use, NOW):
        if decision.action is Action.DELETE:
            image = decision.image
            assert image.is_private
            assert image.id != f"id-{used}"
            assert image.tag != "latest"
            assert parse_version(image.tag or "") is None
            assert "prod" not in (image.namespace or "")
            assert not (untouchable and image.namespace == "team")
            assert not decision.force


def test_tags_that_share_a_beginning_are_a_family() -> None:
    shared = [f"build-{number}" for number in range(3)] + ["build-0a1b2c3", "build-1.0", "build-fix"]
    few, dear = ["x-1", "x-2"], [f"release-{number}" for number in range(9)]
    images = [
        make_image(
            f"id-{number}", tag=tag, namespace="ml-team", name="net", age=100 + number, origin="CUSTOMIZE"
        )
        for number, tag in enumerate([*shared, *few, *dear])
    ]
    made = starter(Shown(images, InUse(), NOW), "policy.yaml", WORDS, Answers())
    assert "- name: builds\n" in made.policy
    assert "^build-(" in made.policy
    assert "In scope today: 4." in made.policy
    assert "Days since the last change: 100 to 103, half over 102." in made.policy
    assert "x-" not in made.policy
    assert "release-(" not in made.policy
    assert "ml-team/net:build-0, age: 1d" in made.test


def test_a_rule_is_called_after_its_family_and_no_two_alike() -> None:
    beginnings = ["exp-", "Exp_", "failed-", "feature_x-", "night-build-"]
    tags = [f"{beginning}{number}" for beginning in beginnings for number in range(3)]
    images = [make_image(tag, tag=tag, origin="CUSTOMIZE", age=100) for tag in tags]
    made = starter(Shown(images, InUse(), NOW), "policy.yaml", WORDS, Answers())
    names = re.findall(r"^  # One goes when .*\n(?:  # .*\n)*  - name: (.*)$", made.policy, re.MULTILINE)
    assert sorted(names) == [
        "exp-builds",
        "exp-builds-2",
        "failed-builds-2",
        "feature-x-builds",
        "night-builds",
    ]
    assert names == re.findall(r"- name: (.*)", made.policy)
