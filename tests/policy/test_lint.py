"""Warnings: rules that cannot decide, protections that protect nothing, and globs that look like regexes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.image import Image
from cleanup.policy import load
from cleanup.policy.conditions import CONDITION
from cleanup.policy.coverage import covers
from cleanup.policy.language import EVERY_IMAGE, Condition, Policy
from cleanup.policy.lint import lint, lint_against
from cleanup.policy.load import policy_files
from cleanup.strict_yaml.document import parse
from tests.support.builders import ROOT

POLICIES = ROOT / "policies"


def policy(folder: Path, *, protect: tuple[str, ...] = (), rules: tuple[str, ...] = ()) -> Policy:
    """Protect entries from line 3 on, then `rules:`, then one rule a line; each a match in flow style."""
    lines = ["version: 1", "protect:", *(f"- {entry}" for entry in (*protect, "{id: never}"))]
    matches = [f"match: {match}, " if match else "" for match in rules or ("{id: ever}",)]
    lines += ["rules:", *(f"- {{name: r{n}, {match}keep_last: 1}}" for n, match in enumerate(matches))]
    path = folder / "p.yaml"
    path.write_text("\n".join(lines))
    return load([path])


def warnings(folder: Path, **parts: tuple[str, ...]) -> list[str]:
    return [
        f"{problem.line}:{problem.column}: {problem.message}" for problem in lint(policy(folder, **parts))
    ]


@pytest.mark.parametrize("path", [*policy_files(POLICIES), POLICIES], ids=lambda path: path.name)
def test_the_example_policies_have_no_warnings(path: Path) -> None:
    assert lint(load([path])) == ()


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("{tag: x}", "{tag: x}"),
        ("{tag: x}", "{tag: x, name: y}"),
        ("{tag: x, name: y}", "{name: y, tag: x, size: '> 1GB'}"),
        ("{tag: [x, y]}", "{tag: x}"),
        ("{tag: [x, y]}", "{tag: [y, x]}"),
        ("{tag: '*'}", "{tag: {regex: x}}"),
        ("{tag: '*'}", "{tag: {not: x}}"),
        ("{tag: dev-*}", "{tag: 'dev-a-?'}"),
        ("{tag: '*-dev-*'}", "{tag: 'a-dev-[0-9]*'}"),
        ("{tag: 'dev-?'}", "{tag: dev-1}"),
        ("{tag: {regex: ^v}}", "{tag: v1}"),
        ("{tag: {semver: '< 2.0.0'}}", "{tag: 1.0.0}"),
        ("{tag: {not: dev-1}}", "{tag: {not: dev-*}}"),
        ("{tag: {not: dev-*}}", "{tag: prod}"),
        ("{visibility: private}", "{visibility: PRIVATE}"),
        ("{not: {tag: x, name: y}}", "{not: {tag: x}}"),
        ("{any: [{tag: x}, {name: y}]}", "{name: y}"),
        ("{any: [{tag: x}, {name: y}]}", "{any: [{name: y, id: z}, {tag: x}]}"),
        ("{all: [{tag: x}]}", "{tag: x}"),
        ("{size: '> 1GB'}", "{size: '>= 2GB, < 3GB'}"),
        ("{size: '>= 1001B'}", "{size: '> 1KB'}"),
        ("{resource_tags: {a: x*}}", "{resource_tags: {a: xy, b: z}}"),
    ],
)
def test_what_covers_what(outer: str, inner: str) -> None:
    assert covers(condition(outer), condition(inner))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("{tag: x}", "{name: x}"),
        ("{tag: x, name: y}", "{tag: x}"),
        ("{tag: x}", "{tag: [x, y]}"),
        ("{tag: 'dev-?'}", "{tag: dev-*}"),
        ("{tag: '*b]'}", "{tag: '[ab]'}"),
        ("{tag: dev-*}", "{tag: '*'}"),
        ("{tag: Dev}", "{tag: dev}"),
        ("{tag: {not: dev-*}}", "{tag: {not: dev-1}}"),
        ("{not: {tag: x}}", "{not: {tag: x, name: y}}"),
        ("{any: [{tag: x}, {name: y}]}", "{any: [{tag: x}, {id: z}]}"),
        ("{size: '> 2GB'}", "{size: '> 1GB'}"),
        ("{size: '< 2GB'}", "{size: '> 1GB'}"),
        ("{resource_tags: {a: x}}", "{resource_tags: {b: x}}"),
    ],
)
def test_what_does_not_cover_what(outer: str, inner: str) -> None:
    assert not covers(condition(outer), condition(inner))


def condition(text: str) -> Condition:
    return CONDITION.read(parse(text.encode(), "f"))


PATTERNS = st.recursive(
    st.sampled_from(["a", "b", "a*", "'*b'", "'?'", "'[ab]'", "'*'", "{regex: ^a}"]),
    lambda inner: st.one_of(
        inner.map(lambda part: f"{{not: {part}}}"),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: f"[{', '.join(parts)}]"),
    ),
    max_leaves=3,
)
LEAVES = st.one_of(
    PATTERNS.map("{{tag: {}}}".format),
    PATTERNS.map("{{resource_tags: {{k: {}}}}}".format),
    st.sampled_from(["{size: '> 1B'}", "{size: '>= 2B'}", "{size: '< 3B'}", "{visibility: private}"]),
)
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda part: f"{{not: {part}}}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{all: [{', '.join(parts)}]}}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{any: [{', '.join(parts)}]}}"),
    ),
    max_leaves=6,
)
IMAGES = st.builds(
    lambda tag, size, tags, visibility: Image(
        id="i", tag=tag, size=size, resource_tags=tags, visibility=visibility
    ),
    st.sampled_from([None, "", "a", "b", "ab", "ba", "c"]),
    st.sampled_from([None, 0, 1, 2, 3]),
    st.sampled_from([None, {}, {"k": "a"}, {"k": "ab"}, {"k": "c"}]),
    st.sampled_from([None, "PRIVATE", "PUBLIC"]),
)


@given(TEXTS, TEXTS, st.lists(IMAGES, min_size=20, max_size=20))
def test_covering_is_never_claimed_falsely(outer: str, inner: str, images: list[Image]) -> None:
    wide, narrow = condition(outer), condition(inner)
    if covers(wide, narrow):
        for image in images:
            assert not (narrow.evaluate(image) is True and wide.evaluate(image) is not True)
            assert not (wide.evaluate(image) is False and narrow.evaluate(image) is not False)


def test_everything_is_covered_by_every_image() -> None:
    assert covers(EVERY_IMAGE, condition("{tag: x}"))
    assert not covers(condition("{tag: '*'}"), EVERY_IMAGE)


def test_a_rule_behind_a_wider_one_never_decides(tmp_path: Path) -> None:
    assert warnings(tmp_path, rules=("{tag: dev-*}", "{tag: dev-1*, name: x}", "", "{size: '> 1GB'}")) == [
        f"6:3: the rule 'r1' can never decide: 'r0' ({tmp_path}/p.yaml:5:3) is asked first and takes every image "
        "in its scope; put the narrower rule first, or remove one",
        f"8:3: the rule 'r3' can never decide: 'r2' ({tmp_path}/p.yaml:7:3) is asked first and takes every image "
        "in its scope; put the narrower rule first, or remove one",
    ]


def test_a_rule_whose_scope_is_protected_or_unfinished_never_deletes(tmp_path: Path) -> None:
    found = warnings(tmp_path, protect=("{tag: x*}",), rules=("{tag: xy}", "{status: [init, CREATING]}"))
    assert found == [
        f"6:3: the rule 'r0' can never delete: all in its scope is protected by 'tag: x*' ({tmp_path}/p.yaml:3:3)",
        "7:3: the rule 'r1' can never delete: images that are still being saved are never deleted anyway",
    ]


def test_a_rule_that_deletes_everything_is_worth_a_word(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nrules: [{name: all, delete_all: true}]")
    (found,) = lint(load([path]))
    assert found.message == (
        "the rule 'all' deletes every image of the project that nothing protects: give it a match"
    )


def test_a_protection_within_another_protects_nothing(tmp_path: Path) -> None:
    found = warnings(tmp_path, protect=("{tag: xy}", "{tag: x*}", "{tag: x*}", "{status: INIT}"))
    assert found == [
        f"3:3: 'tag: xy' protects nothing more than 'tag: x*' ({tmp_path}/p.yaml:4:3): remove it",
        f"5:3: 'tag: x*' protects nothing more than 'tag: x*' ({tmp_path}/p.yaml:4:3): remove it",
        "6:3: 'status: INIT' protects nothing: images that are still being saved are never deleted anyway",
    ]


def test_another_file_may_protect_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rule = f"version: 1\nprotect: [{{tag: x}}]\nrules: [{{name: {name}, match: {{id: {name}}}, keep_last: 1}}]"
        (tmp_path / f"{name}.yaml").write_text(rule)
    assert lint(load([tmp_path])) == ()


@pytest.mark.parametrize(
    "text",
    [
        "^dev-.*",
        "^dev",
        "dev$",
        "dev-.*",
        ".*-dev",
        "dev.*",
        "pr-[0-9]+",
        "\\d*",
        "pr-\\d",
        "(a|b)*",
        "a|b",
        "v(1)",
    ],
)
def test_a_glob_that_looks_like_a_regex(tmp_path: Path, text: str) -> None:
    looks = f"'{text}' looks like a regular expression and is read as a glob: write {{regex: '{text}'}}"
    assert warnings(tmp_path, rules=(f"{{tag: '{text}'}}",)) == [f"5:27: {looks}"]


@pytest.mark.parametrize("text", ["dev-.*", "dev.*"])
def test_a_glob_that_looks_like_a_regex_and_may_match_is_a_warning_in_protect_too(
    tmp_path: Path, text: str
) -> None:
    looks = f"'{text}' looks like a regular expression and is read as a glob: write {{regex: '{text}'}}"
    assert warnings(tmp_path, protect=(f"{{not: {{name: ['{text}']}}}}",)) == [f"3:17: {looks}"]


@pytest.mark.parametrize(
    "match",
    [
        "{tag: '1.4.*'}",
        "{tag: v1.*}",
        "{tag: '*.dev'}",
        "{tag: '[0-9]*'}",
        "{tag: {regex: '^dev-.*$'}}",
        "{description: 'costs 5$, (really) a lot + more'}",
        "{resource_tags: {owner: 'a|b c, {d}'}}",
        "{swr_path: 'swr.example.com:5000/a/b:*'}",
        "{visibility: [private, PUBLIC], status: '*ERR*', arch: {regex: x}}",
    ],
)
def test_good_patterns_have_no_warnings(tmp_path: Path, match: str) -> None:
    assert warnings(tmp_path, rules=(match,)) == []


@pytest.mark.parametrize("text", ["^demo", "demo$", "a\\d", ".*demo", "demo.*"])
def test_free_texts_are_asked_only_what_is_plain(tmp_path: Path, text: str) -> None:
    (found,) = warnings(tmp_path, rules=(f"{{description: '{text}'}}",))
    assert "looks like a regular expression" in found


def test_words_that_the_api_does_not_document(tmp_path: Path) -> None:
    found = warnings(tmp_path, rules=("{visibility: PRIVTE, status: [ACTIVE, BROKEN], origin: 'save*'}",))
    assert found == [
        "5:34: the API documents no visibility 'PRIVTE': perhaps you meant 'PRIVATE'",
        "5:59: the API documents no status 'BROKEN': known are ACTIVE, CREATE_FAILED, ERROR, INIT, CREATING, DELETED",
        "5:76: the API documents no origin 'save*': known are CUSTOMIZE, IMAGE_SAVE",
    ]


def test_what_an_inventory_does_not_know(tmp_path: Path) -> None:
    images = [Image(id="1", tag="dev-1", name="a"), Image(id="2", tag="dev-2", name="b")]
    tested = policy(
        tmp_path,
        protect=("{tag: prod}", "{namespace: x}"),
        rules=("{tag: x}", "{tag: dev-*}", "{name: a}", "{size: '> 1B'}"),
    )
    assert [problem.message for problem in lint_against(tested, images)] == [
        "'tag: prod' protects none of the 2 images",
        "'id: never' protects none of the 2 images",
        "the rule 'r0' matches none of the 2 images",
        "the rule 'r2' decides on none of the 1 images it matches: earlier rules take them all",
        "the rule 'r3' decides on none of the 2 images it matches: earlier rules take them all",
    ]
    assert lint_against(tested, []) == ()


def test_a_semver_that_protects_says_which_tags_it_cannot_read(tmp_path: Path) -> None:
    tags = ("1.0.0", "1.4.0_build.7", "v2.0.0", "latest", "1.0", "dev-1", "dev-2", None)
    images = [Image(id=str(number), tag=tag, name="x") for number, tag in enumerate(tags)]
    images.append(Image(id="another", tag="other", name="y"))
    entries = (
        "{tag: {semver: '>= 1.0.0'}, name: x}",
        "{any: [{name: z}, {tag: [latest, {semver: '< 9.0.0'}]}]}",
        "{not: {tag: {semver: '>= 3.0.0'}}}",
        "{tag: {semver: '>= 1.0.0'}, name: z}",
    )
    found = lint_against(policy(tmp_path, protect=entries), images)
    assert [str(problem).split("p.yaml:")[1] for problem in found if "no versions" in problem.message] == [
        "3:3: 4 of 7 tags are no versions, so '{semver: >= 1.0.0}' does not protect them: "
        "1.0, dev-1, dev-2 and 1 more",
        "4:3: 4 of 8 tags are no versions, so '[latest, {semver: < 9.0.0}]' does not protect them: "
        "1.0, dev-1, dev-2 and 1 more",
    ]
