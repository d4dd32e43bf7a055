"""An answer to every "why?": explain, diff, validate's warnings and the policy tests, through the CLI."""

import json
import re
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path

import pytest

from cleanup.decision.diff import ChangeKind, changes
from cleanup.decision.explain import Explanation, explain
from cleanup.decision.select import select
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.simulator import Faults, parse_rate
from cleanup.simulator.routes import Operation
from tests.support.builders import NOW, ROOT, make_image
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
protect:
  - namespace: prod-*
    because: released by hand
rules:
  - name: builds
    match: {tag: "dev-*"}
    older_than: 90d
    keep_last: 1
    force: true
  - name: rest
    match: {namespace: "ml-*"}
    older_than: 30d
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return load([path])


def ask(image: Image, policy: Policy, *others: Image, in_use: InUse | None = None) -> Explanation:
    return explain(image, [image, *others], policy, in_use or InUse(), NOW)


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_a_result_on_half_an_inventory_says_so_itself(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, form: str
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    cloud = serve_cloud(images=20, faults=Faults([parse_rate("workflows:403=1")]))
    image = next(one["id"] for one in cloud.service.images if one.get("workspace_id", "0") == "0")
    for words in (
        ["explain", image, "-p", "policy.yaml"],
        ["diff", "-p", "policy.yaml", "-p", "policy.yaml"],
    ):
        called = cli(*words, "--format", form, *cloud.options)
        assert called.exit_code == 0, called.output
        told = json.loads(called.stdout)["warnings"][0] if form == "json" else " ".join(called.stdout.split())
        assert "the inventory is not complete, so nothing is deleted: the workflows" in told


class TestExplain:
    def test_when_it_becomes_deletable(self, policy: Policy) -> None:
        young = make_image("a", age=49)
        told = ask(young, policy, make_image("b", age=1))
        assert told.decision.reason == "too-young"
        assert told.changes_at == NOW + timedelta(days=41, milliseconds=1)
        assert told.forward == "becomes deletable on 2027-01-03 (in 41d) if nothing changes"
        later = explain(young, [young, make_image("b", age=1)], policy, InUse(), told.changes_at)
        assert later.decision.action == "delete"

    def test_old_enough_soon_but_then_still_kept(self, policy: Policy) -> None:
        told = ask(make_image("a", age=10, tag="1.0", visibility="private"), policy)
        assert told.changes_at is not None
        alone = ask(make_image("a", age=10), policy)
        assert alone.decision.reason == "keep-last"
        assert alone.changes_at is None
        assert alone.place is not None
        assert (alone.place.rank, alone.place.size) == (1, 1)

    def test_what_decided_is_marked_and_what_came_after_was_not_asked(self, policy: Policy) -> None:
        told = ask(make_image("a"), policy, make_image("b", age=1))
        assert [(rule.name, rule.decides, rule.asked) for rule in told.rules] == [
            ("builds", True, True),
            ("rest", False, False),
        ]
        assert [Path(rule.place).name for rule in told.rules] == ["policy.yaml:6", "policy.yaml:11"]
        protected = ask(make_image("a", namespace="prod-x"), policy)
        assert [entry.decides for entry in protected.protections] == [True]
        assert not any(rule.decides for rule in protected.rules)

    def test_every_condition_comes_with_the_value_met(self, policy: Policy) -> None:
        told = ask(make_image("a", tag=None), policy)
        (finding,) = told.rules[0].findings
        assert (finding.truth, finding.value) == (None, None)
        assert told.decision.reason == "unknown"

    def test_who_uses_it(self, policy: Policy) -> None:
        user = Use(user="notebook n (STOPPED)", image_id="a")
        told = ask(make_image("a"), policy, in_use=InUse([user]))
        assert told.used_by == "notebook n (STOPPED)"
        assert "notebook n (STOPPED)" in told.forward


@pytest.fixture
def cloud(serve_cloud: Serve) -> Cloud:
    return serve_cloud(images=80)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_explain_by_id_and_by_name(cli: Cli, cloud: Cloud, policy: Policy) -> None:
    for image in list(cloud.service.images)[:30]:
        if image.get("type") != "DEDICATED" or image["workspace_id"] != "0":
            continue
        told = cli("explain", image["id"], "-p", "policy.yaml", *cloud.options)
        assert told.exit_code == 0
        assert image["id"] in told.stdout
        assert "rules, in order:" in told.stdout
        label = f"{image['namespace']}/{image['name']}:{image['tag']}"
        assert image["id"] in cli("explain", label, "-p", "policy.yaml", *cloud.options).stdout
        as_json = json.loads(
            cli("explain", image["id"], "-p", "policy.yaml", "--format", "json", *cloud.options).stdout
        )
        assert as_json["images"][0]["decision"]["image"]["id"] == image["id"]
        break
    assert not cloud.deleted
    assert {one.method for one in cloud.service.requests if one.operation is not Operation.JOBS} == {"GET"}


def test_explain_what_is_not_there(cli: Cli, cloud: Cloud, policy: Policy) -> None:
    told = cli("explain", "no/such:image", "-p", "policy.yaml", *cloud.options)
    assert told.exit_code == 2
    assert "no image 'no/such:image'" in told.stderr


def test_diff_names_what_changes(cli: Cli, cloud: Cloud, policy: Policy, tmp_path: Path) -> None:
    write(tmp_path / "new.yaml", POLICY.replace("older_than: 30d", "older_than: 10d"))
    told = cli("diff", "-v", "-p", "policy.yaml", "-p", "new.yaml", *cloud.options)
    assert told.exit_code == 0
    assert "the old rule rest stands in policy.yaml:11" in told.stderr
    assert "the new rule rest stands in new.yaml:11" in told.stderr
    assert "keep too-young (rest) -> delete expired (rest)" in told.stdout
    assert re.search(r"\d+ of \d+ images changed: \d+ newly deleted", told.stdout)
    same = cli("diff", "-p", "policy.yaml", "-p", "policy.yaml", "--format", "json", *cloud.options)
    assert (json.loads(same.stdout)["changed"], json.loads(same.stdout)["images"]) == (0, [])
    assert cli("diff", "-p", "policy.yaml", *cloud.options).exit_code == 2


def test_changes_put_the_newly_deleted_first(policy: Policy, tmp_path: Path) -> None:
    images = [make_image(f"i{n}", age=n * 10, tag="1.0") for n in range(8)]
    strict = load([write(tmp_path / "strict.yaml", POLICY.replace("older_than: 30d", "older_than: 50d"))])
    before, after = (select(images, one, InUse(), NOW) for one in (strict, policy))
    found = changes(before, after)
    assert [change.kind for change in found] == [ChangeKind.NEWLY_DELETED] * 2
    assert {change.why for change in found} == {"the policy changed"}


def test_validate_warns_about_what_can_never_matter(
    cli: Cli, cloud: Cloud, policy: Policy, tmp_path: Path
) -> None:
    write(
        tmp_path / "odd.yaml",
        """\
version: 1
protect: [{namespace: no-such-team}]
rules:
  - {name: all, older_than: 1d}
  - {name: never, match: {tag: "^dev-.*"}, older_than: 1d}
""",
    )
    told = cli("validate", "odd.yaml")
    assert told.exit_code == 0
    assert "odd.yaml:5:" in told.stderr
    assert "^dev-.*" in told.stderr
    assert "no-such-team" not in told.stderr
    cli("plan", "-p", "policy.yaml", "-o", "plan.jsonl", *cloud.options)
    assert "odd.yaml:2:" in cli("validate", "odd.yaml", "--inventory", "plan.jsonl").stderr


CASES = """\
version: 1
policy: policy.yaml
now: "2026-06-01T00:00:00Z"
images:
  - {image: ml-vision/trainer:dev-1, age: 100d, expect: {action: delete, reason: expired, rule: builds}}
  - {image: ml-vision/trainer:dev-2, age: 10d, expect: keep}
  - {image: prod-x/server:dev-1, age: 100d, expect: {reason: protected}}
"""


def test_policy_tests_pass_and_fail(cli: Cli, policy: Policy, tmp_path: Path) -> None:
    write(tmp_path / "policy.test.yaml", CASES)
    told = cli("test", ".", "--junit", "results.xml")
    assert told.exit_code == 0, told.output
    assert "3 as expected, 0 otherwise" in told.stdout
    write(tmp_path / "policy.test.yaml", CASES.replace("expect: keep", "expect: delete"))
    told = cli("test", "policy.test.yaml", "--junit", "results.xml")
    assert told.exit_code == 2
    assert "policy.test.yaml:6:" in told.stdout
    assert "expected action delete; got keep" in told.stdout
    (suite,) = ET.parse(tmp_path / "results.xml").getroot()  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")


def test_policy_tests_that_test_nothing_are_errors(cli: Cli, policy: Policy, tmp_path: Path) -> None:
    assert cli("test", ".").exit_code == 2
    write(tmp_path / "policy.test.yaml", CASES.split("images:", maxsplit=1)[0] + "images: [{image: a/b:c}]\n")
    told = cli("test", ".")
    assert told.exit_code == 2
    assert "nothing is expected" in told.stderr


def test_the_examples_tests_pass(cli: Cli) -> None:
    policies = ROOT / "policies"
    told = cli("test", policies)
    assert told.exit_code == 0, told.output
    tested = {path.name.removesuffix(".test.yaml") for path in policies.glob("*.test.yaml")}
    assert tested == {path.stem for path in policies.glob("*.yaml") if not path.name.endswith(".test.yaml")}


class TestAnImageWithoutItsTag:
    """`explain namespace/name` lists what may be meant."""

    @pytest.fixture
    def cloud(self, serve_cloud: Serve, tmp_path: Path) -> Cloud:
        (tmp_path / "policy.yaml").write_text(POLICY)
        return serve_cloud(images=60)

    @pytest.mark.parametrize(
        "form", ["{}/{}", "swr.example.com/{}/{}", "{}/{}:no-such-tag", "https://swr.x.com/{}/{}"]
    )
    def test_the_candidates(self, cli: Cli, cloud: Cloud, form: str) -> None:
        own = [
            one
            for one in cloud.service.images
            if one["type"] == "DEDICATED" and one.get("workspace_id") == "0"
        ]
        first = own[0]
        alike = [one for one in own if (one["namespace"], one["name"]) == (first["namespace"], first["name"])]
        called = cli(
            "explain", form.format(first["namespace"], first["name"]), "-p", "policy.yaml", *cloud.options
        )
        assert called.exit_code == 2
        assert ("names no tag" in called.stderr) is ("no-such-tag" not in form)
        told = [one for one in alike if f"{one['name']}:{one['tag']} (id {one['id']}" in called.stderr]
        assert len(told) == min(len(alike), 10)
        assert "there is no image" not in called.stderr

    def test_nothing_alike(self, cli: Cli, cloud: Cloud) -> None:
        called = cli("explain", "nobody/nothing", "-p", "policy.yaml", *cloud.options)
        assert called.exit_code == 2
        assert "there is no image 'nobody/nothing'" in called.stderr
