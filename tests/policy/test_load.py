"""Files and folders read as one policy: order, union, the strictest limit, and everybody's problems at once."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from cleanup.errors import PolicyError, UsageError
from cleanup.policy import load
from cleanup.policy.language import EVERY_IMAGE, Clock, KeepLast, Limits, OlderThan
from cleanup.strict_yaml.location import Location

RULE = "version: 1\nrules:\n  - {{name: {}, keep_last: 1}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test is in an empty folder, so that the files in messages are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**files: str) -> None:
    for name, content in files.items():
        Path(f"{name}.yaml").write_text(content, encoding="utf-8")


def problems(*paths: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        load([Path(path) for path in paths])
    return [str(problem) for problem in raised.value.problems]


def test_a_rule_says_what_the_file_says() -> None:
    write(
        a="""version: 1
protect:
  - tag: [latest, "1.10"]
    namespace: prod-*
    because: >
      pulled
      by name
rules:
  - name: old
    description: |
      two
      lines
    match: {visibility: PRIVATE}
    older_than: {create_at: 1d12h}
    keep_last: {count: 3, per: [name, arch]}
    force: true
    limits: {max_percent: 2.5, min_remaining: 1}
  - {name: rest, older_than: 2w}
  - {name: all, delete_all: true}
limits: {max_deletes: 5}
"""
    )
    policy = load([Path("a.yaml")])
    (entry,) = policy.protect
    assert entry.text == "tag: [latest, 1.10], namespace: prod-*"
    assert entry.because == "pulled by name"
    assert entry.location == Location("a.yaml", 3, 5)
    old, rest, everything = policy.rules
    assert (old.name, old.description, old.location) == ("old", "two\nlines", Location("a.yaml", 9, 5))
    assert old.older_than == OlderThan(clock=Clock.CREATE_AT, age=timedelta(hours=36))
    assert old.keep_last == KeepLast(count=3, per=("name", "arch"))
    assert old.limits == Limits(max_percent=2.5, min_remaining=1)
    assert (old.force, old.delete_all) == (True, False)
    assert rest.older_than == OlderThan(clock=Clock.UPDATE_AT, age=timedelta(weeks=2))
    assert (rest.match, rest.keep_last, rest.force, rest.limits, rest.description) == (
        EVERY_IMAGE, None, False, None, None,
    )  # fmt: skip
    assert (everything.delete_all, everything.older_than) == (True, None)
    assert policy.limits == Limits(max_deletes=5, max_percent=50, min_remaining=None)


def test_keep_last_counts_by_namespace_and_name() -> None:
    write(a=RULE.format("a"))
    (rule,) = load([Path("a.yaml")]).rules
    assert rule.keep_last == KeepLast(count=1, per=("namespace", "name"))


def test_a_folder_is_read_in_name_order_without_what_is_no_policy(folder: Path) -> None:
    write(b=RULE.format("b"), a=RULE.format("a"))
    Path("aa.yml").write_text(RULE.format("aa"))
    for name in (".hidden.yaml", "a.test.yaml", "a.test.yml", "notes.txt", "policy.json", "a.yaml~"):
        Path(name).write_text("no policy: [")
    Path("c.yaml").mkdir()
    Path("c.yaml", "deep.yaml").write_text("kind: ConfigMap")
    Path("..data").mkdir()
    Path("..data", "older.yaml").write_text(RULE.format("older"))
    policy = load([Path()])
    assert [rule.name for rule in policy.rules] == ["a", "aa", "b"]
    assert policy.files == ("a.yaml", "aa.yml", "b.yaml")


def test_what_looks_like_a_policy_and_is_not_read_is_an_error() -> None:
    write(a=RULE.format("a"))
    Path("eu", "west").mkdir(parents=True)
    for name in ("10-PROTECT.YAML", "b.yaml.txt", "c.Yml", "eu/d.yaml", "eu/west/e.yml", "eu/f.YAML"):
        Path(name).write_text(RULE.format("x"))
    Path("eu", "g.test.yaml").write_text(RULE.format("x"))
    looks = "looks like a policy and is not read"
    assert problems(".") == [
        f"10-PROTECT.YAML:1:1: {looks}: rename it to 10-PROTECT.yaml, or move it away",
        f"b.yaml.txt:1:1: {looks}: rename it to b.yaml, or move it away",
        f"c.Yml:1:1: {looks}: rename it to c.yml, or move it away",
        f"eu/d.yaml:1:1: {looks}: name its folder, too, or move it away",
        f"eu/f.YAML:1:1: {looks}: rename it to f.yaml, or move it away",
        f"eu/west/e.yml:1:1: {looks}: name its folder, too, or move it away",
    ]


def test_a_subfolder_that_is_named_too_is_read() -> None:
    write(a=RULE.format("a"))
    Path("eu").mkdir()
    Path("eu", "b.yaml").write_text(RULE.format("b"))
    assert load([Path(), Path("eu")]).files == ("a.yaml", "eu/b.yaml")


def test_files_keep_the_order_in_which_they_are_given() -> None:
    write(a=RULE.format("a"), b=RULE.format("b"), c=RULE.format("c"))
    policy = load([Path("c.yaml"), Path("a.yaml"), Path("b.yaml")])
    assert [rule.name for rule in policy.rules] == ["c", "a", "b"]
    contents = b"".join(Path(file).read_bytes() for file in ("c.yaml", "a.yaml", "b.yaml"))
    assert policy.sha256 == hashlib.sha256(contents).hexdigest()


def test_a_file_met_twice_is_read_once(folder: Path) -> None:
    write(a=RULE.format("a"), b=RULE.format("b"))
    Path("link.yaml").symlink_to("a.yaml")
    paths = [Path("b.yaml"), Path(), folder / "a.yaml", Path("..", folder.name, "b.yaml")]
    assert load(paths).files == ("b.yaml", "a.yaml")


def test_a_file_may_have_any_name_when_it_is_named() -> None:
    Path("policy.conf").write_text(RULE.format("a"))
    assert load([Path("policy.conf")]).files == ("policy.conf",)


def test_protections_add_up_and_the_strictest_limit_counts() -> None:
    write(
        a="version: 1\nprotect: [{tag: a}]\nlimits: {max_deletes: 500, min_remaining: 1}",
        b="version: 1\nprotect: [{tag: b}, {tag: a}]\nlimits: {max_deletes: 2000, max_percent: 60}",
        c=RULE.format("c") + "limits: {min_remaining: 3, max_percent: 70.5}",
    )
    policy = load([Path()])
    assert [entry.text for entry in policy.protect] == ["tag: a", "tag: b", "tag: a"]
    assert policy.limits == Limits(max_deletes=500, max_percent=60, min_remaining=3)


def test_a_limit_above_the_default_counts_where_it_is_the_only_one() -> None:
    write(a=RULE.format("a") + "limits: {max_deletes: 5000, max_percent: 100}")
    assert load([Path("a.yaml")]).limits == Limits(max_deletes=5000, max_percent=100)


def test_all_problems_of_all_files_come_at_once() -> None:
    write(
        a="version: 1\nrules:\n  - {name: x, older_than: 90}\n  - {name: y, keep_last: 0}",
        b="version: 1\nrules:\n  - {name: x, keep_last: 1}\n  - {name: x, keep_last: 1, forse: true}",
        c="version: 1\nrules: [",
    )
    Path("d.yaml").write_bytes(b"\xff")
    assert problems("b.yaml", "missing.yaml", ".") == [
        "a.yaml:3:12: the rule name 'x' is taken already, at b.yaml:3:12: rename one",
        "a.yaml:3:27: '90' is not a valid duration: the unit is missing, write 90d for days or 90h for hours",
        "a.yaml:4:26: 0 is out of range: write a whole number from 1 to 1000000000",
        "b.yaml:4:12: the rule name 'x' is taken already, at b.yaml:3:12: rename one",
        "b.yaml:4:29: unknown key 'forse' in a rule: perhaps you meant 'force'",
        "c.yaml:2:9: the file ends inside a bracket that is never closed",
        "d.yaml:1:1: this is not UTF-8: save the file as UTF-8 text",
        "missing.yaml:1:1: no such file or folder: check the path",
    ]


def test_a_folder_without_policies_is_an_error() -> None:
    Path("empty").mkdir()
    Path("empty", "a.test.yaml").write_text("x")
    assert problems("empty") == ["empty:1:1: the folder holds no policy (*.yaml or *.yml): name a file"]


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    (problem,) = problems("loop.yaml")
    assert problem.startswith("loop.yaml:1:1: cannot be read: ")


def test_rules_are_needed_somewhere() -> None:
    write(a="version: 1\nprotect: [{tag: a}]", b=RULE.format("b"))
    assert load([Path("a.yaml"), Path("b.yaml")]).rules
    assert problems("a.yaml") == [
        "a.yaml:1:1: the policy has no rules, so it decides nothing: write one below rules:"
    ]


def test_a_part_of_a_policy_needs_no_rules() -> None:
    write(a="version: 1\nprotect: [{tag: a}]", b="version: 1")
    (entry,) = load([Path("a.yaml")], partial=True).protect
    assert entry.text == "tag: a"
    assert problems("b.yaml") == ["b.yaml:1:1: the file says nothing: write one of rules, protect, limits"]


def test_misspelt_rules_are_not_called_missing_as_well() -> None:
    write(a="version: 1\nrule: []", b="- version: 1")
    assert problems("a.yaml") == [
        "a.yaml:2:1: unknown key 'rule' in a policy file: perhaps you meant 'rules'"
    ]
    assert len(problems("b.yaml")) == 1


def test_no_path_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no policy is given"):
        load([])


def test_one_rule_used_twice_through_an_alias_has_one_name_too_often() -> None:
    write(a="version: 1\nrules:\n  - &one {name: one, keep_last: 1}\n  - *one")
    assert problems("a.yaml") == [
        "a.yaml:3:17: the rule name 'one' is taken already, at a.yaml:3:17: rename one"
    ]
