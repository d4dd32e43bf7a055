"""Patterns that can never match: an error in `protect`, a warning in a rule, both with the right spelling."""
# ruff: noqa: E501 - one row a message

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.errors import PolicyError
from cleanup.policy import load
from cleanup.policy.impossible import why_impossible
from cleanup.policy.lint import lint
from cleanup.policy.patterns import regex, text_pattern
from cleanup.strict_yaml.location import Location
from tests.support.builders import make_image

HERE = Location("f", 1, 1)
LOOKS = "'{0}' looks like a regular expression and is read as a glob: write {{regex: '{0}'}}"
SEVERAL = "no {} has a comma, a brace or a blank in it, '{}' has: for several write a list, [{}]"

IMPOSSIBLE = [
    ("tag: 'v[[:digit:]]*'", "'v[[:digit:]]*': a glob has no classes such as [:digit:]: write v[0-9]*"),
    ("tag: '[[:alpha:][:digit:]]'", "'[[:alpha:][:digit:]]': a glob has no classes such as [:digit:]: write [a-zA-Z0-9]"),
    ("tag: '!dev-*'", "no tag begins with '!': for all but these write {not: dev-*}"),
    ("tag: '!*-dev'", "no tag begins with '!': for all but these write {not: '*-dev'}"),
    ("tag: '{latest,stable,v*}'", SEVERAL.format("tag", "{latest,stable,v*}", "latest, stable, v*")),
    ("tag: '{v,*-}{1, 2}'", SEVERAL.format("tag", "{v,*-}{1, 2}", "v1, v2, '*-1', '*-2'")),
    ("tag: 'latest,stable'", SEVERAL.format("tag", "latest,stable", "latest, stable")),
    ("namespace: 'prod test'", SEVERAL.format("namespace", "prod test", "prod, test")),
    ("tag: '${KEEP}'", "'${KEEP}' is not filled in here and no tag can hold it: write the value itself"),
    ("tag: 'v$VERSION'", "'$VERSION' is not filled in here and no tag can hold it: write the value itself"),
    ("tag: '{{ .Values.keep }}'", "'{{ .Values.keep }}' is not filled in here and no tag can hold it: write the value itself"),
    ("tag: '^(latest|v.*)$'", LOOKS.format("^(latest|v.*)$")),
    ("tag: '[0-9]{3}'", LOOKS.format("[0-9]{3}")),
    ("name: 'a|b'", LOOKS.format("a|b")),
    ("status: ACTIVE|ERROR", LOOKS.format("ACTIVE|ERROR")),
    ("namespace: Prod-*", "no namespace has upper case letters, 'Prod-*' has: write prod-*"),
    ("name: '*-[A-Z]'", "no name has upper case letters, '*-[A-Z]' has: write '*-[a-z]'"),
    ("name: {regex: ^Base-}", "no name has upper case letters, 'Base-' has: write base-"),
    ("tag: {regex: 'a,b'}", "no tag can hold ',', 'a,b' does: it has letters, digits and - . _"),
    ("tag: 1.4.0+build.*", "no tag can hold '+', registries write '_' for it: write 1.4.0_build.*"),
    ("tag: ml/trainer", "no tag can hold '/', 'ml/trainer' does: it has letters, digits and - . _"),
    ("namespace: ml/trainer", "no namespace can hold '/', 'ml/trainer' does: it has lower case letters, digits and - . _"),
    ("tag: '#stable'", "no tag can hold '#', '#stable' does: it has letters, digits and - . _"),
    ("tag: '-rc*'", "no tag begins with '-', '-rc*' does"),
    ("namespace: '[_-]x'", "no namespace begins with '[', '[_-]x' does"),
    ("swr_path: '*/Team/ocr:V*'", "no namespace or name has upper case letters, 'Team' has: write team"),
    ("swr_path: 'swr.example.com/team/OCR:*'", "no namespace or name has upper case letters, 'OCR' has: write ocr"),
    ("id: '{a}'", SEVERAL.format("id", "{a}", "a")),
    ("workspace_id: größe", "no workspace_id can hold 'ö', 'größe' does: it has letters, digits and - . _"),
    ("any: [{namespace: prod}, {not: {tag: [latest, '!x']}}]", "no tag begins with '!': for all but these write {not: x}"),
]  # fmt: skip


def protecting(folder: Path, condition: str) -> Path:
    path = folder / "p.yaml"
    path.write_text(
        f"version: 1\nprotect:\n- {{{condition}}}\nrules: [{{name: r, keep_last: 1}}]", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize(("condition", "message"), IMPOSSIBLE)
def test_what_can_never_match_is_an_error_in_protect_and_a_warning_in_a_rule(
    tmp_path: Path, condition: str, message: str
) -> None:
    with pytest.raises(PolicyError) as raised:
        load([protecting(tmp_path, condition)])
    assert [problem.message for problem in raised.value.problems] == [message]
    assert raised.value.problems[0].line == 3
    path = tmp_path / "rule.yaml"
    path.write_text(
        f"version: 1\nrules: [{{name: r, keep_last: 1, match: {{{condition}}}}}]", encoding="utf-8"
    )
    assert message in [problem.message for problem in lint(load([path]))]


def test_every_mistake_of_an_entry_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as raised:
        load([protecting(tmp_path, "tag: ['!a', 'b,c', d], namespace: E")])
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize("character", ["\ufeff", "\u200b", "\u2060", "\u00ad", "\u00a0"])
def test_characters_that_cannot_be_seen_are_errors_everywhere(tmp_path: Path, character: str) -> None:
    with pytest.raises(PolicyError) as raised:
        load([protecting(tmp_path, f"tag: 'lat{character}est'")])
    assert f"U+{ord(character):04X}" in raised.value.problems[0].message


@pytest.mark.parametrize(
    "text", ["version: 1\n\ufeffprotect: []\nrules: [{name: r, keep_last: 1}]", "\ufeff\ufeffversion: 1"]
)
def test_a_byte_order_mark_within_a_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as raised:
        load([path])
    (problem,) = raised.value.problems
    assert (
        problem.message
        == "a byte order mark (U+FEFF) within the file, as when files are put together: remove it"
    )


@pytest.mark.parametrize(
    "condition",
    [
        "tag: [latest, v*, '[0-9]*', V1, 1.4.0_build, '*', '?', '[!a]*', {regex: '[[:digit:]]+'}, {regex: '(?i)^V'}]",
        "namespace: [prod-*, my.org, a_b]",
        "name: [team/img, '*/deep', '[a-zA-Z]*']",
        "swr_path: ['SWR.example.com:443/a/b:V1@sha256:0a', '*/a/*', 'https://SWR.example.com/*', '*/a*B:*']",
        "visibility: [private, Public], status: [ACTIVE, NEW-STATE]",
        "description: 'a, {b} [[:digit:]] ^$', resource_tags: {Owner: '!x, Größe'}",
        "tag: {semver: '>= 1.0.0+x'}, size: '> 1GB'",
    ],
)
def test_what_can_match_is_no_error(tmp_path: Path, condition: str) -> None:
    assert load([protecting(tmp_path, condition)]).protect


GLOBS = st.lists(
    st.sampled_from(["a", "B", "-", ".", "/", "7", "*", "?", "[A-Z]", "[!a]", "[-.]", "+", "[x"]), min_size=1
)


@given(GLOBS, st.sampled_from(["tag", "name", "namespace"]), st.text("aB-./7_x", min_size=1, max_size=4))
def test_a_pattern_that_matches_a_value_is_never_called_impossible(
    parts: list[str], field: str, value: str
) -> None:
    text = "".join(parts)
    lower = field != "tag"
    if value[0] in "-./_" or (lower and value != value.lower()) or ("/" in value and field != "name"):
        return
    try:
        pattern = text_pattern(text, ignores_case=False, location=HERE)
    except ValueError:
        return
    assert why_impossible(field, pattern) is None or not pattern.matches(value)
    if field == "tag":
        assert why_impossible(field, regex("^a$", ignores_case=False, location=HERE)) is None


def test_texts_are_compared_in_composed_form(tmp_path: Path) -> None:
    composed, decomposed = "Gr\u00f6\u00dfe", "Gro\u0308\u00dfe"
    for written, met in ((composed, decomposed), (decomposed, composed)):
        (entry,) = load(
            [protecting(tmp_path, f"description: '*{written}', resource_tags: {{{written}: {written}}}")]
        ).protect
        assert entry.match.evaluate(make_image(description=f"x {met}", resource_tags={met: met})) is True
