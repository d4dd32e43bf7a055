"""What is no YAML document of the language: syntax, encodings, aliases, depth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.errors import PolicyError
from cleanup.policy.rules import policy_file
from cleanup.strict_yaml.document import parse
from cleanup.strict_yaml.mappings import attempt
from tests.support.builders import bundled

GOOD = list(bundled("good-policies.txt").values())
SIGNS = "\n\t :-[]{}'\"*&!|>%@`#,?\\=<~.019ab\u00e9\u2028\x85\x00"

QUOTES = "a text that starts with {} needs quotes: write '{}'"
COLON = (
    "a colon where no key can be: a key needs a space after its colon and the indentation of its neighbours, "
    "a text with ': ' in it needs quotes"
)
LEFT_OVER = (
    "something is left over after the value: a text with quotes or brackets in it needs quotes around the whole, "
    "a quote inside single quotes is written twice"
)
IN_BRACKETS = (
    "inside brackets a text with [ ] { } ? , or ': ' in it needs quotes, and entries need commas between"
)
INDENTATION = "the indentation does not fit what begins in line {}: neighbours start in the same column"
TAB = "a tab: YAML wants spaces, for indentation and after a colon"
ESCAPE = "inside double quotes a backslash starts an escape: use single quotes around this text"
TAGGED = (
    "the YAML tag '{}' has no meaning here: a text that starts with ! needs quotes, "
    "and 'all but these' is written {{not: ...}}"
)
DEEP = "nested more than 40 levels deep: write it flatter, or as several rules"
EMPTY = "the file is empty: it must start with version: 1"
TWO = "one file holds one document: remove the line ---, or make it two files"

SYNTAX = [
    ("a: *dev", "1:4", QUOTES.format("*", "*dev")),
    ("a: [x, *-dev]", "1:8", QUOTES.format("*", "*-dev")),
    ("a: *", "1:4", QUOTES.format("*", "*")),
    ("a: **/x # all", "1:4", QUOTES.format("*", "**/x")),
    ("a: [abc]*", "1:9", LEFT_OVER),
    ("a: > 10GiB", "1:4", QUOTES.format(">", "> 10GiB")),
    ("a: >= 10GiB # big", "1:4", QUOTES.format(">", ">= 10GiB")),
    ("a: {size: > 10GiB}", "1:11", QUOTES.format(">", "> 10GiB")),
    ("a: |b", "1:4", QUOTES.format("|", "|b")),
    ("a: ? x", "1:4", QUOTES.format("?", "? x")),
    ("a: @x", "1:4", QUOTES.format("@", "@x")),
    ("a: `x`", "1:4", QUOTES.format("`", "`x`")),
    ("a: %x", "1:4", QUOTES.format("%", "%x")),
    ("a: !x-*", "1:4", TAGGED.format("!x-*")),
    ("a: !!set {b}", "1:4", TAGGED.format("!!set")),
    ("a: !a!b", "1:4", "a text that starts with ! needs quotes, and 'all but these' is written {not: ...}"),
    ("a: {regex: ^pr-[0-9]+}", "1:16", IN_BRACKETS),
    ("a: [b?, c]", "1:6", IN_BRACKETS),
    ('a: "\\d+"', "1:6", ESCAPE),
    ("a: 'x\nb: 1", "1:4", "the quote opened in line 1 is never closed"),
    ("a: [x,\n y\nb: 1", "3:2", IN_BRACKETS),
    ("a: [\n\n", "3:1", "the file ends inside a bracket that is never closed"),
    ("a: {x: y", "1:4", "the bracket opened in line 1 is never closed"),
    ("a: 'it's'", "1:8", LEFT_OVER),
    ("a: {x: y}}", "1:10", LEFT_OVER),
    ("a: ]", "1:4", "a value is missing here, or a text that starts with ] needs quotes"),
    ("a: b: c", "1:5", COLON),
    ("a:b\nc: d", "2:2", COLON),
    ("- a: x\n   b: y", "2:5", COLON),
    ("a:\n  b: 1\n c: 2", "3:2", INDENTATION.format(1)),
    ("- a\nb: 1", "2:1", INDENTATION.format(1)),
    ("a: - b", "1:4", "a list starts on a line of its own below the key, or is written [a, b]"),
    ("\ta: b", "1:1", TAB),
    ("a:\tb", "1:3", TAB),
    ("a: &x b\nc: &x d", "2:4", "an anchor of this name was set before: give each anchor a name of its own"),
    ("a: b\n...\nfoo", "3:1", "nothing may follow after the end of the document"),
    ("a: \x07", "1:4", "the control character U+0007: remove it"),
    ("a: b\nc: d\x00", "2:5", "the control character U+0000: remove it"),
    ("", "1:1", EMPTY),
    ("# only a comment\n", "1:1", EMPTY),
    ("---\n", "1:1", EMPTY),
    ("a: b\n---\nc: d", "3:1", TWO),
    ("a: b\n---\n", "3:1", TWO),
    ("a: &b [*b]", "1:4", "an alias inside its own anchor has no end: write the value out"),
    ("a: &b {c: {d: *b}}", "1:4", "an alias inside its own anchor has no end: write the value out"),
    ("[" * 41 + "]" * 41, "1:41", DEEP),
]


@pytest.mark.parametrize(("content", "place", "message"), SYNTAX, ids=[repr(row[0]) for row in SYNTAX])
def test_what_is_no_document_is_explained(content: str, place: str, message: str) -> None:
    assert problems(content.encode()) == [f"f:{place}: {message}"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a: \xff", "1:4"),
        (b"a: b\nc: \xe9t\xe9", "2:4"),
        ("a: ä\nb: ö".encode() + b"\xff", "2:5"),
        ("a: b".encode("utf-16"), "1:1"),
    ],
)
def test_other_encodings_are_refused(content: bytes, place: str) -> None:
    assert problems(content) == [f"f:{place}: this is not UTF-8: save the file as UTF-8 text"]


def test_nesting_that_no_reader_could_follow_is_refused_too() -> None:
    (problem,) = problems(b"[" * 100_000)
    assert problem.endswith(DEEP)


def test_aliases_may_not_multiply() -> None:
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = problems("\n".join(lines).encode())
    assert problem == "f:1:1: more than 250000 values, aliases followed: write less"


@pytest.mark.parametrize(
    "content", ["a: b", "\ufeffa: b", "%YAML 1.1\n---\na: b\n", "a: b\n...\n", "a: b\r\n"]
)
def test_one_document_is_read(content: str) -> None:
    root = parse(content.encode(), "f")
    assert [(key.value, value.value) for key, value in root.value] == [("a", "b")]


def test_no_text_holds_what_a_terminal_would_obey() -> None:
    text = b'version: 1\nrules: [{name: a, keep_last: 1, description: "a\\e[2Jb"}]'
    with pytest.raises(PolicyError, match=r"f:2:46: a control character \(U\+001B\): remove it"):
        policy_file(parse(text, "f"))


def test_messages_hold_nothing_that_a_terminal_would_obey() -> None:
    with pytest.raises(PolicyError) as raised:
        policy_file(parse(b'"\\e[2J\\n": |\n  x\n  y\nversion: |\n  1\n', "f"))
    assert all(str(problem).isprintable() for problem in raised.value.problems)


@given(st.data())
def test_no_damage_is_anything_but_a_problem_with_a_place(data: st.DataObject) -> None:
    """Characters lost, doubled or mistyped anywhere in a good policy: a policy still, or a PolicyError."""
    text = data.draw(st.sampled_from(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        upto = min(len(text), at + data.draw(st.integers(0, 5)))
        text = text[:at] + data.draw(st.sampled_from(["", *SIGNS])) + text[upto:]
    _, found = attempt([text.encode()], lambda content: policy_file(parse(content, "f")))
    assert all(problem.line >= 1 and problem.column >= 1 for problem in found)
    assert all(str(problem).isprintable() for problem in found)


def problems(content: bytes) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        parse(content, "f")
    return [str(problem) for problem in raised.value.problems]
