"""Patterns and conditions: globs, regular expressions, and Kleene's logic on what is missing."""

import fnmatch
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleanup.image import Image
from cleanup.policy.conditions import CONDITION
from cleanup.policy.language import All, AnyOf, Condition, FieldCondition, Finding, Not, Truth
from cleanup.policy.patterns import Either, regex, text_pattern
from cleanup.strict_yaml.document import parse
from cleanup.strict_yaml.location import Location

HERE = Location("f", 1, 1)


def condition(text: str) -> Condition:
    return CONDITION.read(parse(text.encode(), "f"))


def image(**fields: Any) -> Image:
    return Image(id="i", **fields)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("dev", ["dev"], ["dev-1", "xdev", "DEV", ""]),
        ("dev-*", ["dev-", "dev-1", "dev-a/b\nc"], ["dev", "a-dev-1", "Dev-1"]),
        ("*", ["", "x", "a/b"], []),
        ("*dev*", ["dev", "a-dev-b"], ["de-v"]),
        ("v?.0", ["v1.0", "vä.0", "v/.0"], ["v.0", "v10.0", "v1x0"]),
        ("[ab]-[0-9]", ["a-0", "b-9"], ["c-1", "a-10", "ab-1"]),
        ("[!ab]*", ["c", "ä", "cab"], ["a", "bc", ""]),
        ("[[]x[*]", ["[x*"], ["[xx", "x*"]),
        ("[]-]", ["]", "-"], ["x", "]-"]),
        ("[!]]", ["x"], ["]"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[\\d^&|~]", ["\\", "d", "^", "&"], ["1"]),
        ("a.b+(c)$|\\d", ["a.b+(c)$|\\d"], ["axb+(c)$|\\d", "a.b"]),
        ("{a,b}", ["{a,b}"], ["a", "b"]),
        ("]x", ["]x"], ["x"]),
    ],
)
def test_globs_match_the_whole_value(pattern: str, yes: list[str], no: list[str]) -> None:
    compiled = text_pattern(pattern, ignores_case=False, location=HERE)
    assert [value for value in [*yes, *no] if compiled.matches(value)] == yes


@given(st.text("ab-*?", max_size=8), st.text("ab-", max_size=8))
def test_stars_and_question_marks_are_those_of_every_shell(pattern: str, value: str) -> None:
    assert text_pattern(pattern, ignores_case=False, location=HERE).matches(value) == fnmatch.fnmatchcase(
        value, pattern
    )


@given(st.text(max_size=10))
@example("\uf900")  # it has another form in NFC, in which patterns and values are compared
def test_a_text_in_brackets_matches_itself_whatever_it_holds(value: str) -> None:
    escaped = re.sub(r"[*?\[]", r"[\g<0>]", value)
    compared = unicodedata.normalize("NFC", value)
    assert text_pattern(escaped, ignores_case=False, location=HERE).matches(compared)


def test_a_glob_takes_linear_time() -> None:
    assert not text_pattern("*a" * 40 + "b", ignores_case=False, location=HERE).matches("a" * 20_000)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("^pr-[0-9]+", ["pr-1", "pr-1x"], ["xpr-1", "pr-", "PR-1"]),
        ("dev", ["dev", "a-dev-b"], ["DEV"]),
        ("(?i)dev$", ["DEV", "x-dEv"], ["dev-1"]),
        ("^.$", ["ä", "x"], ["xy"]),
    ],
)
def test_regular_expressions_are_searched(pattern: str, yes: list[str], no: list[str]) -> None:
    compiled = regex(pattern, ignores_case=False, location=HERE)
    assert [value for value in [*yes, *no] if compiled.matches(value)] == yes


def test_half_a_surrogate_pair_is_no_crash() -> None:
    assert text_pattern("*", ignores_case=False, location=HERE).matches("\ud800") in (True, False)
    assert not regex("^x", ignores_case=False, location=HERE).matches("\ud800")


@pytest.mark.parametrize(
    ("text", "fields", "truth"),
    [
        ("visibility: private", {"visibility": "PRIVATE"}, True),
        ("status: CREATE_*", {"status": "create_failed"}, True),
        ("arch: {regex: ^x86}", {"arch": "X86_64"}, True),
        ("origin: [CUSTOMIZE, image_save]", {"origin": "IMAGE_SAVE"}, True),
        ("service_type: {not: train}", {"service_type": "TRAIN"}, False),
        ("namespace: ML-*", {"namespace": "ml-x"}, False),
        ("namespace: [ml-*, sandbox]", {"namespace": "sandbox"}, True),
        ("tag: {any: [dev-*, {regex: ^pr-}]}", {"tag": "pr-1"}, True),
        ("tag: {not: {any: [dev-*, {regex: ^pr-}]}}", {"tag": "pr-1"}, False),
        ("tag: [{not: x}, x]", {"tag": "x"}, True),
        ("tag: {semver: '>= 1.0.0, < 2.0.0'}", {"tag": "v1.10.0"}, True),
        ("tag: {semver: '< 2.0.0'}", {"tag": "latest"}, False),
        ("tag: {not: {semver: '< 2.0.0'}}", {"tag": "latest"}, True),
        ("workspace_id: '0'", {"workspace_id": "0"}, True),
        ("description: ''", {}, "error"),
        ("description: '*demo*'", {"description": "A demo, old"}, True),
        ("description: '*'", {"description": ""}, True),
        ("size: '> 1GB, < 2GB'", {"size": 1_500_000_000}, True),
        ("size: '> 1GB'", {"size": 0}, False),
        ("resource_tags: {team: vision-*}", {"resource_tags": {"team": "vision-3d"}}, True),
        ("resource_tags: {team: vision-*}", {"resource_tags": {"Team": "vision-3d"}}, False),
        ("resource_tags: {team: {not: x}}", {"resource_tags": {}}, False),
        ("not: {resource_tags: {team: '*'}}", {"resource_tags": {}}, True),
        ("resource_tags: {a: x, b: y}", {"resource_tags": {"a": "x", "b": "z"}}, False),
        ("{tag: a, name: b}", {"tag": "a", "name": "b"}, True),
        ("{tag: a, name: b}", {"tag": "a", "name": "c"}, False),
    ],
)
def test_conditions_on_what_is_known(text: str, fields: dict[str, Any], truth: Any) -> None:
    if truth == "error":
        with pytest.raises(Exception, match="the text is empty"):
            condition(text)
    else:
        assert condition(text).evaluate(image(**fields)) is truth


@pytest.mark.parametrize(
    "text",
    [
        "tag: '*'",
        "tag: {not: x}",
        "tag: {not: {not: x}}",
        "tag: [x, {not: x}]",
        "tag: {semver: '< 1.0.0'}",
        "size: '> 0B'",
        "resource_tags: {team: x}",
        "not: {visibility: PUBLIC}",
        "any: [{tag: x}, {namespace: other}]",
        "all: [{tag: x}, {namespace: ml}]",
        "{tag: x, namespace: ml}",
    ],
)
def test_what_is_missing_makes_no_condition_true_or_false(text: str) -> None:
    assert condition(text).evaluate(image(namespace="ml")) is None


def test_a_missing_field_does_not_matter_where_another_decides() -> None:
    assert condition("any: [{tag: x}, {namespace: ml}]").evaluate(image(namespace="ml")) is True
    assert condition("{tag: x, namespace: other}").evaluate(image(namespace="ml")) is False


# Three images' worth of truth in one: `name` is x, `namespace` is y, `tag` is missing.
PROBE = image(name="x", namespace="y")
LEAVES: dict[Truth, Condition] = {
    True: FieldCondition("name", text_pattern("x", ignores_case=False, location=HERE), "name: x"),
    False: FieldCondition("namespace", text_pattern("x", ignores_case=False, location=HERE), "namespace: x"),
    None: FieldCondition("tag", text_pattern("x", ignores_case=False, location=HERE), "tag: x"),
}
TRUTHS: list[Truth] = [False, None, True]  # in Kleene's order
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from(TRUTHS).map(LEAVES.__getitem__),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=12,
)


@given(st.lists(CONDITIONS, min_size=1, max_size=4))
def test_all_is_the_least_truth_and_any_the_greatest(parts: list[Condition]) -> None:
    ranks = [TRUTHS.index(part.evaluate(PROBE)) for part in parts]
    assert All(tuple(parts)).evaluate(PROBE) is TRUTHS[min(ranks)]
    assert AnyOf(tuple(parts)).evaluate(PROBE) is TRUTHS[max(ranks)]


@given(CONDITIONS, CONDITIONS)
def test_de_morgan_and_double_negation_hold(left: Condition, right: Condition) -> None:
    both, neither = Not(All((left, right))), AnyOf((Not(left), Not(right)))
    assert both.evaluate(PROBE) is neither.evaluate(PROBE)
    assert Not(Not(left)).evaluate(PROBE) is left.evaluate(PROBE)


@given(CONDITIONS, st.sampled_from(["x", "z"]))
def test_learning_a_missing_field_never_turns_a_verdict(tested: Condition, tag: str) -> None:
    before = tested.evaluate(PROBE)
    if before is not None:
        assert tested.evaluate(image(name="x", namespace="y", tag=tag)) is before


@given(CONDITIONS)
def test_a_trace_starts_with_the_whole_and_ends_with_every_leaf(tested: Condition) -> None:
    head, *rest = tested.trace(PROBE)
    assert head.truth is tested.evaluate(PROBE)
    assert head.depth == 0
    assert all(finding.depth >= 1 for finding in rest)


def test_a_trace_shows_each_condition_as_it_was_written() -> None:
    tested = condition(
        "{namespace: [ml-*, sandbox], tag: {any: [dev-*, {regex: '^pr-[0-9]+'}]}, not: {size: '> 10GiB'},"
        " any: [{resource_tags: {team: x, owner: y}}, {visibility: PRIVATE}]}"
    )
    found = image(namespace="sandbox", tag="pr-7", size=5, resource_tags={"team": "x"})
    assert tested.trace(found) == (
        Finding("all", "", None, 0),
        Finding("namespace: [ml-*, sandbox]", "sandbox", True, 1),
        Finding("tag: {any: [dev-*, {regex: '^pr-[0-9]+'}]}", "pr-7", True, 1),
        Finding("not", "", True, 1),
        Finding("size: > 10GiB", "5 bytes", False, 2),
        Finding("any", "", None, 1),
        Finding("all", "", False, 2),
        Finding("resource_tags: {team: x}", "x", True, 3),
        Finding("resource_tags: {owner: y}", "no owner", False, 3),
        Finding("visibility: PRIVATE", None, None, 2),
    )


def test_equal_texts_make_equal_conditions_wherever_they_stand() -> None:
    text = "{tag: [dev-*, {regex: x}], not: {size: '> 1GB'}}"
    assert condition(text) == condition("\n" + text)
    assert hash(condition(text)) == hash(condition("\n" + text))
    assert condition("tag: x") != condition("name: x")


QUANTIFIED = st.builds(
    "^{}{}{}{}".format,
    st.sampled_from(["", "a", "ab", "pr-", "a-b"]),
    st.sampled_from(["", "*", "+", "?", "{0,1}", "{2}"]),
    st.sampled_from(["", "[0-9]+", "b", ".", "|b", "$", "(?i)B"]),
    st.sampled_from(["", "$", "b*"]),
)


@given(QUANTIFIED, st.text("abpr-12B", max_size=6))
def test_a_shortcut_by_the_beginning_of_a_regex_changes_nothing(text: str, value: str) -> None:
    try:
        pattern = regex(text, ignores_case=False, location=HERE)
    except ValueError:
        return
    assert pattern.matches(value) == (pattern.compiled.search(value.encode()) is not None)
    either = Either((pattern, text_pattern("a*", ignores_case=False, location=HERE)))
    assert either.matches(value) == (pattern.matches(value) or value.startswith("a"))
