"""The decision, by goldens: inventory + policy + now -> decisions with reasons; and the ties, one by one.

Each golden is a YAML file with `policy`, `images` and `others` (the fields that differ from an ordinary
image), `unseen`, `in_use` and `expect`. UPDATE_GOLDENS=1 writes down what is decided now.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanup.decision.select import select
from cleanup.decision.types import Decision
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.policy import load
from cleanup.policy.language import Policy
from tests.support.builders import GOLDENS, NOW, make_image

CASES = sorted((GOLDENS / "decisions").glob("*.yaml"))


def policy_of(text: str, folder: Path) -> Policy:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return load([path])


def shown(decision: Decision) -> dict[str, Any]:
    line: dict[str, Any] = {"action": str(decision.action), "reason": str(decision.reason)}
    if decision.rule:
        line["rule"] = decision.rule
    if decision.force:
        line["force"] = True
    if decision.force_withheld:
        line["force_withheld"] = str(decision.force_withheld)
    return line | {"detail": decision.detail}


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_golden(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    images = [make_image(id_, **fields) for id_, fields in case["images"].items()]
    in_use = InUse(Use(**use) for use in case.get("in_use", []))
    others = [make_image(id_, **fields) for id_, fields in case.get("others", {}).items()]
    decisions = select(
        images,
        policy_of(case["policy"], tmp_path),
        in_use,
        NOW,
        others=others,
        unseen=case.get("unseen", ()),
    )
    found = {decision.image.id: shown(decision) for decision in decisions}
    if os.environ.get("UPDATE_GOLDENS"):
        written = path.read_text(encoding="utf-8").split("expect:")[0]
        expect = yaml.safe_dump({"expect": found}, sort_keys=False, width=110, allow_unicode=True)
        path.write_text(written + expect, encoding="utf-8")
    assert found == case["expect"]


def test_there_is_a_golden_for_each_reason() -> None:
    reasons = {
        line["reason"]
        for path in CASES
        for line in yaml.safe_load(path.read_text(encoding="utf-8"))["expect"].values()
    }
    assert reasons == {
        "built-in",
        "busy",
        "protected",
        "in-use",
        "no-rule",
        "unknown",
        "public",
        "keep-last",
        "too-young",
        "expired",
    }


OLD = """\
version: 1
rules:
  - name: old
    older_than: 90d
"""


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(days=90), "too-young"),
        (timedelta(days=90, milliseconds=1), "expired"),
        (timedelta(days=89), "too-young"),
        (timedelta(0), "too-young"),
        (timedelta(milliseconds=-1), "unknown"),
        (timedelta(days=365 * 30), "unknown"),
    ],
)
def test_the_edges_of_age(age: timedelta, reason: str, tmp_path: Path) -> None:
    image = make_image("a", updated_at=NOW - age)
    (decision,) = select([image], policy_of(OLD, tmp_path), InUse(), NOW)
    assert decision.reason == reason


KEEP = """\
version: 1
rules:
  - name: newest
    keep_last: 2
"""


def kept(images: list[Image], folder: Path) -> set[str]:
    decisions = select(images, policy_of(KEEP, folder), InUse(), NOW)
    return {decision.image.id for decision in decisions if decision.reason == "keep-last"}


def test_equal_update_times_are_told_apart_by_creation_then_by_id(tmp_path: Path) -> None:
    images = [
        make_image("b"),
        make_image("a"),
        make_image("c", created_at=NOW - timedelta(days=50)),
    ]
    assert kept(images, tmp_path) == {"c", "a"}


def test_equal_tags_are_two_images(tmp_path: Path) -> None:
    images = [
        make_image("a", tag="1.0"),
        make_image("b", tag="1.0", age=50),
        make_image("c", tag="1.0", age=10),
    ]
    assert kept(images, tmp_path) == {"b", "c"}


def test_images_without_a_name_are_no_group(tmp_path: Path) -> None:
    images = [make_image(id_, name=None) for id_ in "abc"]
    decisions = select(images, policy_of(KEEP, tmp_path), InUse(), NOW)
    assert {(decision.action, decision.reason) for decision in decisions} == {("keep", "unknown")}


@pytest.mark.parametrize(
    "fields", [{"status": "ERROR"}, {"updated_at": None}, {"updated_at": NOW + timedelta(1)}]
)
def test_what_is_not_active_or_not_datable_takes_no_place(fields: dict[str, Any], tmp_path: Path) -> None:
    images = [make_image("odd", age=1, **fields), make_image("b", age=10), make_image("c", age=20)]
    assert kept(images, tmp_path) == {"b", "c"}


def test_an_image_that_an_earlier_rule_deletes_takes_no_place(tmp_path: Path) -> None:
    policy = policy_of(
        """\
version: 1
rules:
  - name: builds
    match: {tag: "dev-*"}
    older_than: 1d
  - name: newest
    keep_last: 1
""",
        tmp_path,
    )
    images = [make_image("a", tag="dev-1", age=2), make_image("b", tag="1.0", age=30)]
    decisions = {decision.image.id: decision.reason for decision in select(images, policy, InUse(), NOW)}
    assert decisions == {"a": "expired", "b": "keep-last"}


def test_groups_by_an_enumerated_field_ignore_its_case(tmp_path: Path) -> None:
    policy = policy_of(
        """\
version: 1
rules:
  - {name: newest, keep_last: {count: 1, per: [arch]}}
""",
        tmp_path,
    )
    images = [make_image("a", arch="X86_64", age=1), make_image("b", arch="x86_64", age=2)]
    reasons = {decision.image.id: decision.reason for decision in select(images, policy, InUse(), NOW)}
    assert reasons == {"a": "keep-last", "b": "expired"}


@pytest.mark.parametrize("unknown", ["tag", "name", "namespace"])
def test_a_staying_record_that_says_neither_path_nor_all_of_its_name_may_need_any_content(
    unknown: str, tmp_path: Path
) -> None:
    policy = policy_of(OLD + "    force: true\n", tmp_path)
    fields: dict[str, Any] = {"tag": "v1", "swr_path": None, unknown: None}
    staying = make_image("busy", status="CREATING", **fields)
    going = make_image("a", tag="v1")
    elsewhere = make_image("b", namespace="x", name="y", tag="z")
    decisions = {d.image.id: d for d in select([staying, going, elsewhere], policy, InUse(), NOW)}
    assert decisions["a"].force_withheld == "shared-content"
    assert decisions["b"].force is True
