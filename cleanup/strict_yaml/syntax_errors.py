"""PyYAML's syntax errors as advice: what to write instead, and where."""

import re
from typing import Final

import yaml

from cleanup.errors import Problem
from cleanup.strict_yaml.location import Location

# PyYAML's complaint, and what to say. {opened} is the line where the construct began, {text} what
# stands in the file from there to the end of the value, {first} its first character.
_LEFT_OVER: Final = (
    "something is left over after the value: a text with quotes or brackets in it needs quotes around "
    "the whole, a quote inside single quotes is written twice"
)
_ADVICE: Final = (
    (
        r"undefined alias|scanning an (?:alias|anchor)",
        "a text that starts with {first} needs quotes: write '{text}'",
    ),
    (r"scanning a block scalar", "a text that starts with {first} needs quotes: write '{text}'"),
    (r"found character '\\t'", "a tab: YAML wants spaces, for indentation and after a colon"),
    (
        r"cannot start any token|scanning a directive",
        "a text that starts with {first} needs quotes: write '{text}'",
    ),
    (
        r"mapping values are not allowed",
        "a colon where no key can be: a key needs a space after its colon and the indentation of its "
        "neighbours, a text with ': ' in it needs quotes",
    ),
    (
        r"unknown escape character|expected escape sequence",
        "inside double quotes a backslash starts an escape: use single quotes around this text",
    ),
    (r"quoted scalar found unexpected", "the quote opened in line {opened} is never closed"),
    (r"flow node .*'<(?:stream|document) end>'", "the file ends inside a bracket that is never closed"),
    (r"but (?:got|found) '<(?:stream|document) end>'", "the bracket opened in line {opened} is never closed"),
    (
        r"expected the node content",
        "a value is missing here, or a text that starts with {first} needs quotes",
    ),
    (
        r"parsing a flow (?:mapping|sequence)",
        "inside brackets a text with [ ] {{ }} ? , or ': ' in it needs quotes, and entries need commas between",
    ),
    (r"expected <block end>, but found '(?:<scalar>|[\]},])'", _LEFT_OVER),
    (
        r"expected <block end>|block sequence start",
        "the indentation does not fit what begins in line {opened}: neighbours start in the same column",
    ),
    (
        r"sequence entries are not allowed",
        "a list starts on a line of its own below the key, or is written [a, b]",
    ),
    (r"mapping keys are not allowed", "a text that starts with {first} needs quotes: write '{text}'"),
    (r"could not find expected ':'", "a key without its ': ', or a text that needs quotes"),
    (r"duplicate anchor", "an anchor of this name was set before: give each anchor a name of its own"),
    (r"tag", "a text that starts with ! needs quotes, and 'all but these' is written {{not: ...}}"),
    (r"expected '<document start>'", "nothing may follow after the end of the document"),
)
_FROM_ITS_START = re.compile(
    r"scanning (?:a block scalar|an alias|an anchor|a directive|a quoted)|(?:stream|document) end>"
)


def syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    """What is wrong, and where: one problem, since nothing can be said about what follows it."""
    complaint = " ".join(filter(None, (error.context, error.problem)))
    mark = error.problem_mark
    if mark is None or (error.context_mark and _FROM_ITS_START.search(complaint)):
        mark = error.context_mark
    if mark is None:
        raise error
    if "alias" in complaint and text[mark.index - 1 : mark.index] in ("]", "}"):
        return location_at(mark).problem(_LEFT_OVER)  # [abc]* without quotes
    return location_at(mark).problem(
        _explain(complaint, _value_at(text, mark.index), error.context_mark or mark)
    )


def _explain(complaint: str, value: str, opened: yaml.Mark) -> str:
    for sign, advice in _ADVICE:
        if re.search(sign, complaint):
            return advice.format(first=value[:1], text=value, opened=opened.line + 1)
    return f"not valid YAML: {complaint}"


def location_at(mark: yaml.Mark) -> Location:
    """PyYAML counts lines and columns from 0, people from 1."""
    return Location(mark.name, mark.line + 1, mark.column + 1)


def _value_at(text: str, index: int) -> str:
    """The rest of the value that starts there: to the end of the line, or to a comment or bracket."""
    line = text[index:].splitlines()[0] if index < len(text) else ""
    value = re.split(r"\s#|[,\]}](?=[\s,\]}]|$)", line, maxsplit=1)[0].strip()
    return value or line.strip()
