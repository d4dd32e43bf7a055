"""Policy unit tests: the short form of images, what is expected of them, and how differences read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cleanup.decision.cases import CaseFile, case_files, compare, load_cases
from cleanup.decision.select import select
from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.errors import PolicyError
from cleanup.image import Image
from cleanup.policy import load
from cleanup.policy.load import policy_files
from cleanup.strict_yaml.location import Location
from tests.support.builders import ROOT

POLICIES = ROOT / "policies"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = 'version: 1\npolicy: p.yaml\nnow: "2026-06-01T00:00:00Z"\n'


def cases(folder: Path, text: str) -> CaseFile:
    path = folder / "p.test.yaml"
    path.write_text(text, encoding="utf-8")
    return load_cases(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        cases(folder, text)
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in raised.value.problems]


@pytest.mark.parametrize("path", policy_files(POLICIES), ids=lambda path: path.name)
def test_every_example_policy_passes_its_own_tests(path: Path) -> None:
    tests = load_cases(path.with_suffix(".test.yaml"))
    decisions = select(tests.images, load(tests.policies), tests.in_use, tests.now)
    assert compare(tests, decisions) == ()
    tested = {decision.rule for decision in decisions if decision.action is Action.DELETE}
    assert tested >= {rule.name for rule in load([path]).rules}


def test_a_folder_holds_test_files(tmp_path: Path) -> None:
    for name in ("b.test.yaml", "a.test.yml", "a.yaml", "c.test.json"):
        (tmp_path / name).touch()
    assert [path.name for path in case_files(tmp_path)] == ["a.test.yml", "b.test.yaml"]
    assert case_files(tmp_path / "a.yaml") == (tmp_path / "a.yaml",)


def test_the_short_form_has_believable_defaults(tmp_path: Path) -> None:
    tests = cases(tmp_path, HEAD + "images:\n  - {image: ml/trainer:1.10, age: 100d, expect: delete}")
    assert tests.images == (
        Image(
            id="image-1",
            namespace="ml",
            name="trainer",
            tag="1.10",
            swr_path="swr.example.com/ml/trainer:1.10",
            type="DEDICATED",
            visibility="PRIVATE",
            status="ACTIVE",
            origin="CUSTOMIZE",
            service_type="UNKNOWN",
            arch="X86_64",
            workspace_id="0",
            description="",
            size=1 << 30,
            resource_tags={},
            created_at=NOW - timedelta(days=100),
            updated_at=NOW - timedelta(days=100),
        ),
    )
    assert tests.policies == (tmp_path / "p.yaml",)
    assert tests.now == NOW


def test_any_field_can_be_said_or_taken_away(tmp_path: Path) -> None:
    tests = cases(
        tmp_path,
        HEAD
        + """images:
  - {image: a/b/c:d, id: x, size: 10GB, create_age: 9d, age: 2d, resource_tags: {k: "1"}, expect: keep}
  - {namespace: a, name: null, tag: "1", size: 5, create_at: null, update_at: "2026-05-01T02:00:00+02:00"}
  - {image: a/b:c, tag: null, swr_path: other/path, status: null, resource_tags: null, description: null}
""",
    )
    first, second, third = tests.images
    assert (first.id, first.name, first.size, first.resource_tags) == ("x", "b/c", 10**10, {"k": "1"})
    assert (first.created_at, first.updated_at) == (NOW - timedelta(days=9), NOW - timedelta(days=2))
    assert (second.id, second.name, second.swr_path, second.size) == ("image-2", None, None, 5)
    assert (second.created_at, second.updated_at) == (None, datetime(2026, 5, 1, tzinfo=UTC))
    assert (third.tag, third.swr_path) == (None, "other/path")
    assert (third.status, third.resource_tags, third.description) == (None, None, None)


def test_images_in_use_are_named_by_id_name_or_path(tmp_path: Path) -> None:
    tests = cases(
        tmp_path,
        HEAD
        + """notebooks: [x, a/b:2]
pins: [swr.example.com/a/b:3, gone.example.com/x/y:1]
images:
  - {image: a/b:1, id: x, expect: keep}
  - {image: a/b:2}
  - {image: a/b:3}
  - {image: a/b:4}
  - {image: a/b:5, swr_path: swr.example.com/a/b:1}
""",
    )
    users = [use.user if (use := tests.in_use.of(image)) else None for image in tests.images]
    assert users == ["notebook", "notebook", "pin", None, "notebook"]


def test_expectations(tmp_path: Path) -> None:
    tests = cases(
        tmp_path,
        HEAD
        + """images:
  - {image: a/b:1, expect: delete}
  - {image: a/b:2}
  - {image: a/b:3, expect: {reason: keep-last, rule: r}}
  - {image: a/b:4, expect: {action: delete, force: false, force_withheld: shared-content}}
  - {image: a/b:5, expect: {reason: expired}}
""",
    )
    first, third, fourth, fifth = tests.expectations
    assert (first.image_id, first.action, first.reason) == ("image-1", Action.DELETE, None)
    assert first.location == Location(str(tmp_path / "p.test.yaml"), 5, 5)
    assert (third.image_id, third.action, third.reason, third.rule) == (
        "image-3",
        Action.KEEP,
        Reason.KEEP_LAST,
        "r",
    )
    assert (fourth.force, fourth.force_withheld) == (False, Withheld.SHARED_CONTENT)
    assert (fifth.action, fifth.reason) == (Action.DELETE, Reason.EXPIRED)


def test_differences_say_what_was_expected_and_why_it_was_not_so(tmp_path: Path) -> None:
    tests = cases(
        tmp_path,
        HEAD
        + """images:
  - {image: a/b:1, expect: delete}
  - {image: a/b:2, expect: {reason: expired, rule: x, force: true}}
  - {image: a/b:3, expect: {reason: too-young, rule: r}}
""",
    )
    decisions = [
        Decision(image=image, action=Action.KEEP, reason=Reason.TOO_YOUNG, detail="updated 3d ago", rule="r")
        for image in tests.images
    ]
    name = tmp_path / "p.test.yaml"
    assert [str(difference) for difference in compare(tests, reversed(decisions))] == [
        f"{name}:5:5: a/b:1: expected action delete; got keep (keep as too-young by rule 'r': updated 3d ago)",
        f"{name}:6:5: a/b:2: expected action delete, reason expired, rule x, force true; got keep, too-young, r, "
        "false (keep as too-young by rule 'r': updated 3d ago)",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("policy: p.yaml\nimages: [{image: a/b:c, expect: keep}]", [
            "1:1: a test file needs the key 'version': 1, the version of the language",
            "1:1: a test file needs the key 'now': the time of the decision, in quotes",
        ]),
        ("version: 1\npolicy: []\nnow: 2026-06-01\nimages: []", [
            "2:9: policy is an empty list: write an entry, or leave the key out",
            "3:6: YAML reads 2026-06-01 as the date 2026-06-01, a text belongs here: write '2026-06-01' in quotes",
            "4:9: images is an empty list: write an entry, or leave the key out",
        ]),
        ('version: 1\npolicy: p\nnow: "2026-06-01T00:00:00"\nimages: [{image: a/b:c, expect: keep}]', [
            "3:6: '2026-06-01T00:00:00' has no time zone: write 2026-06-01T00:00:00Z for UTC",
        ]),
        ('version: 1\npolicy: p\nnow: "June"\nimages: [{image: a/b:c, expect: keep}]', [
            "3:6: 'June' is no time: write it like '2026-06-01T00:00:00Z'",
        ]),
        (HEAD + "images: [{image: a/b:c}]", [
            "4:9: nothing is expected of any image: give one at least an expect, such as expect: delete",
        ]),
        (HEAD + "image: []\nimages: [{image: a/b:c, expect: keep}]", [
            "4:1: unknown key 'image' in a test file: perhaps you meant 'images'",
        ]),
    ],
)  # fmt: skip
def test_a_wrong_file_shows_all_its_problems(tmp_path: Path, text: str, found: list[str]) -> None:
    assert problems(tmp_path, text) == found


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("{image: b:c}", "4:18: 'b:c' is not of the form namespace/name:tag"),
        ("{image: a/b}", "4:18: 'a/b' is not of the form namespace/name:tag"),
        ("{tag: x, name: y}",
         "4:10: an image needs image: namespace/name:tag, or its namespace (null where missing)"),
        ("{image: a/b:c, tga: x}", "4:25: unknown key 'tga' in an image: perhaps you meant 'tag'"),
        ("{image: a/b:c, age: 100}",
         "4:30: '100' is not a valid duration: the unit is missing, write 100d for days or 100h for hours"),
        (
            '{image: a/b:c, age: 1d, update_at: "2026-01-01T00:00:00Z"}',
            "4:34: update_at and age say the same in two ways: keep one",
        ),
        ("{image: a/b:c, size: 10}", None),
        ("{image: a/b:c, size: 10 gb}", "4:31: '10 gb' is no size: write 10GB"),
        ("{image: a/b:c, size: }", "4:30: a text belongs here, this is nothing"),
        ("{image: a/b:c, workspace_id: 0}",
         "4:39: YAML reads 0 as the number 0, a text belongs here: write '0' in quotes"),
        ("{image: a/b:c, resource_tags: [x]}",
         "4:40: resource_tags is written as keys and texts, {team: vision}, this is a list"),
        ("{image: a/b:c, expect: remove}", "4:33: 'remove' is no action: known are delete, keep"),
        ("{image: a/b:c, expect: {reason: to-young}}", "4:42: 'to-young' is no reason: perhaps you meant 'too-young'"),
        ("{image: a/b:c, expect: {}}", "4:33: nothing is expected: write delete, keep, or {reason: ...}"),
        (
            "{image: a/b:c, expect: {action: delete, reason: too-young}}",
            "4:33: the reason too-young is one to keep, not to delete",
        ),
        ("{image: a/b:c, id: one}", "4:10: the id 'one' is taken already, in line 5"),
    ],
)  # fmt: skip
def test_a_wrong_image_is_told_so(tmp_path: Path, entry: str, found: str | None) -> None:
    rest = "{image: a/b:d, id: one, expect: keep}"
    text = HEAD + f"images: [{entry},\n  {rest}]"
    if found is None:
        assert cases(tmp_path, text).images[0].size == 10
    elif "taken already" in found:
        assert problems(tmp_path, text) == ["5:3: the id 'one' is taken already, in line 4"]
    else:
        assert problems(tmp_path, text) == [found]


def test_a_reference_to_no_image_is_a_mistake(tmp_path: Path) -> None:
    text = HEAD + "notebooks: [a/b:x]\npins: [nobody]\nimages: [{image: a/b:c, expect: keep}]"
    advice = "write an id, namespace/name:tag or a path"
    assert problems(tmp_path, text) == [
        f"4:13: the notebook 'a/b:x' is none of the images: {advice}",
        f"5:8: the pin 'nobody' is none of the images: {advice}",
    ]
