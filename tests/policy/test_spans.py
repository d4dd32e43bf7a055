"""What is told of many values at once is what each of them would be told."""

import re
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.policy.beginnings import begins_with, found_in_turn
from cleanup.policy.language import FieldCondition, Leaf, SizeCondition
from cleanup.policy.load import load
from cleanup.policy.match import Matcher, match_rules
from cleanup.policy.patterns import Either, Except, Pattern, Semver, regex, text_pattern
from cleanup.policy.sizes import parse_size_range
from cleanup.policy.spans import Spans
from cleanup.policy.versions import parse_range
from cleanup.strict_yaml.location import Location
from tests.support.builders import NOW, columns_of, make_image

HERE = Location("p.yaml", 1, 1)
TEXTS = [
    "a",
    "ab",
    "ab*",
    "a*",
    "b",
    "*",
    "*b",
    "a*b",
    "?b",
    "a[bc]*",
    "1.*",
    "v\U0010ffff*",
    "\U0010ffff*",
    "b\0",
]
VALUES = st.text("abv1.*\0\U0010ffff", max_size=4) | st.sampled_from(
    ["1.2.3", "v1.0.0", "0.9.0", "1.0.0-rc1"]
)
POLICY = """
version: 1
protect:
  - tag: [latest, "release-*"]
  - description: "*keep*"
  - resource_tags: {keep: "yes"}
  - name: ["*-gold", "n-1*"]
rules:
  - {name: a, match: {tag: {regex: "^pr-[0-9]+$"}, size: "> 3B"}, older_than: 7d}
  - {name: b, match: {tag: "dev-*", visibility: PRIVATE, size: "< 40B"}, older_than: 7d}
  - {name: c, match: {not: {tag: "*7*"}, namespace: ml}, older_than: 7d}
  - {name: d, match: {tag: {semver: "< 1.4.0"}}, older_than: 7d}
  - {name: e, match: {any: [{description: "ä*"}, {swr_path: "*:x*", id: "1*"}, {id: "2*"}]}, older_than: 7d}
"""


def patterns() -> st.SearchStrategy[Pattern]:
    one: st.SearchStrategy[Pattern] = st.sampled_from(
        [
            *(
                text_pattern(text, ignores_case=folded, location=HERE)
                for text, folded in product(TEXTS, (False, True))
            ),
            *(
                regex(text, ignores_case=False, location=HERE)
                for text in ("^a", "^ab+", "^a|b", "b$", "^ab.*b")
            ),
            *(Semver(text, parse_range(text), HERE) for text in ("< 1.0.0", ">= 1.0.0")),
        ]
    )
    return one | st.lists(one, min_size=1, max_size=3).map(lambda some: Either(tuple(some))) | one.map(Except)


@given(st.lists(patterns(), min_size=1, max_size=4), st.lists(VALUES | st.none(), max_size=6))
def test_a_span_of_texts_tells_what_each_of_them_would_be_told(
    found: list[Pattern], values: list[str | None]
) -> None:
    leaves: list[Leaf] = [FieldCondition("tag", pattern, "") for pattern in found]
    _told_alike(leaves, values)


@given(
    st.lists(st.sampled_from(["> 2B", "<= 2B", ">= 3B, < 5B", "> 0B"]), min_size=1),
    st.lists(st.integers(0, 6)),
)
def test_a_span_of_sizes_tells_what_each_of_them_would_be_told(found: list[str], values: list[int]) -> None:
    _told_alike([SizeCondition(parse_size_range(text), "") for text in found], [*values, None])


def _told_alike(leaves: list[Leaf], values: "list[str | None] | list[int | None]") -> None:
    spans = Spans(leaves)
    for value, code in zip(values, spans.codes(values), strict=True):
        for leaf, told in zip(leaves, spans.truths[code], strict=True):
            assert told is ... or told == (None if value is None else leaf.judge(value))


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (text_pattern("ab*", ignores_case=False, location=HERE), [False, True, False, None]),
        (text_pattern("ab", ignores_case=False, location=HERE), [False, False, False, None]),
        (text_pattern("a*b", ignores_case=False, location=HERE), [..., ..., False, None]),
        (Except(text_pattern("ab*", ignores_case=False, location=HERE)), [True, False, True, None]),
        (Semver("< 2", parse_range("< 2.0.0"), HERE), [False, False, False, None]),
    ],
    ids=["beginning", "whole", "both ends", "except", "version"],
)
def test_most_need_not_be_asked_for_themselves(condition: Pattern, told: list[object]) -> None:
    spans = Spans([FieldCondition("tag", condition, "")])
    assert [spans.truths[code][0] for code in spans.codes(["a", "abc", "b", None])] == told


@given(st.sampled_from([text for text in TEXTS if "?" not in text and "[" not in text]), VALUES)
def test_a_glob_without_sets_is_found_by_comparing(text: str, value: str) -> None:
    wanted = re.fullmatch(".*".join(map(re.escape, text.split("*"))), value, re.DOTALL) is not None
    assert text_pattern(text, ignores_case=False, location=HERE).matches(value) is wanted
    if "*" in text:
        assert found_in_turn(text.split("*"))(value) is wanted
    assert begins_with(text)(value) is value.startswith(text)


@pytest.mark.parametrize("few", [True, False], ids=["few values", "many values"])
def test_many_images_are_asked_what_each_would_be(few: bool, tmp_path: Path) -> None:
    policy = load([_written(tmp_path)])
    tags = ["latest", "dev-{}", "pr-{}", "release-{}", "1.{}.0", "v1.3.0-{}", "x{}", "pr-x{}", "ä-{}", None]
    images = [
        make_image(
            f"{number:x}",
            tag=tag and tag.format(number % 3 if few else number),
            name=f"n-{number % 7}" if number % 50 else None,
            namespace=("ml", "prod")[number % 2],
            description=(None, "", "keep it", "a\u0308 b", f"text {0 if few else number}")[number % 5],
            size=number % 50 if number % 49 else None,
            resource_tags=(None, {}, {"keep": "yes"}, {"k": "v"})[number % 4] if few else {"k": str(number)},
            updated_at=NOW - timedelta(days=number),
        )
        for number, tag in enumerate(tags * 30)
    ]
    wanted = [match_rules(image, policy) for image in images]
    for held in (images, columns_of(images)):
        assert Matcher(policy, lambda image, match: match, ()).each(held) == wanted


def _written(folder: Path) -> Path:
    path = folder / "p.yaml"
    path.write_text(POLICY)
    return path
