"""Patterns that no value of their field can match, and what was probably meant instead.

What a field can hold is what the registry and the service accept: cleanup/modelarts/API.md.
"""

import re
import string
from collections.abc import Iterator
from typing import Final

from cleanup.errors import Problem
from cleanup.policy.language import Condition, SizeCondition, leaves_of
from cleanup.policy.patterns import Exact, Glob, Regex, SinglePattern, glob_parts, singles, text_pattern
from cleanup.strict_yaml.location import Location

_LOWER: Final = frozenset(string.ascii_lowercase + string.digits)
_WORD: Final = _LOWER | frozenset(string.ascii_uppercase)
# What each field can hold, and with what it can begin. Free texts are not listed: they can hold anything.
_CHARACTERS: Final = {
    "tag": (_WORD | set("._-"), _WORD | set("_")),
    "name": (_LOWER | set("._-/"), _LOWER),
    "namespace": (_LOWER | set("._-"), _LOWER),
    "swr_path": (_WORD | set("._-/:@$[]"), _WORD | set("[")),
    **dict.fromkeys(("id", "workspace_id"), (_WORD | set("._-"), _WORD)),
    **dict.fromkeys(("visibility", "status", "origin", "service_type", "arch"), (_WORD | set("_-"), _WORD)),
}
_CLASSES: Final = {
    "[:digit:]": "0-9",
    "[:alpha:]": "a-zA-Z",
    "[:alnum:]": "a-zA-Z0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:xdigit:]": "0-9a-fA-F",
}
_NOWHERE: Final = Location("", 1, 1)
_VARIABLE = re.compile(r"\$\{\w+[^}]*\}|\$\w+|\$\(\w+\)|\{\{.*\}\}|%\w+%")
_REGEX = re.compile(r"[\^$\\()|+]|\.\*|\{\d+(,\d*)?\}")
_BUILD_DATA = re.compile(r"[0-9A-Za-z]\+[0-9A-Za-z*?]")
_SEVERAL = re.compile(r"[,{}\s]")
# A whole part of a path between its slashes, or before its tag: namespaces and names have no upper case.
_UPPER_IN_PATH = re.compile(r"(?<![:/])/([^/:@*?\[]*[A-Z][^/:@*?\[]*)[/:]")
_META = re.compile(r"[\\.\[\](){}*+?|^$]")


def patterns_of(condition: Condition) -> Iterator[tuple[str, SinglePattern]]:
    """Every single pattern of a condition with the field that it is on."""
    for leaf in leaves_of(condition):
        if not isinstance(leaf, SizeCondition):
            yield from ((leaf.attribute, single) for single in singles(leaf.pattern))


def impossible_patterns(condition: Condition) -> Iterator[Problem]:
    """Each pattern, anywhere in the condition, that no value can match, with what to write instead."""
    for field, pattern in patterns_of(condition):
        if mistake := why_impossible(field, pattern):
            yield pattern.location.problem(mistake)


def why_impossible(field: str, pattern: SinglePattern) -> str | None:
    """Why no value of the field can match, and what to write; None where one can, or it cannot be told."""
    if field not in _CHARACTERS or not isinstance(pattern, Exact | Glob | Regex):
        return None
    if isinstance(pattern, Regex):
        return _impossible_regex(field, pattern.text)
    if field == "swr_path" and (upper := _UPPER_IN_PATH.search(pattern.text)):
        return f"no namespace or name has upper case letters, '{upper[1]}' has: write {upper[1].lower()}"
    if _can_match(field, pattern.text):
        return None
    return _advice(field, pattern.text)


def _can_match(field: str, text: str) -> bool:
    """Whether some value of the field matches this glob: every part of it must find a character."""
    allowed, first = _CHARACTERS[field]
    for number, (kind, part) in enumerate(glob_parts(text)):
        here = allowed if number else first
        if kind == "literal" and not (part[0] in here and allowed.issuperset(part)):
            return False
        if kind == "set":
            one_of = text_pattern(part, ignores_case=False, location=_NOWHERE)
            if not any(map(one_of.matches, here)):
                return False
    return True


def _advice(field: str, text: str) -> str:
    """What somebody who wrote this most likely meant."""
    if found := _VARIABLE.search(text):
        return f"'{found[0]}' is not filled in here and no {field} can hold it: write the value itself"
    if text.startswith("!"):
        return f"no {field} begins with '!': for all but these write {{not: {_quoted(text[1:])}}}"
    if classes := [name for name in _CLASSES if name in text]:
        meant = text
        for name in classes:
            meant = meant.replace(name, _CLASSES[name])
        return f"'{text}': a glob has no classes such as {classes[0]}: write {meant}"
    if _BUILD_DATA.search(text) and _can_match(field, text.replace("+", "_")):
        return f"no {field} can hold '+', registries write '_' for it: write {text.replace('+', '_')}"
    if _REGEX.search(text):
        return f"'{text}' looks like a regular expression and is read as a glob: write {{regex: '{text}'}}"
    if _SEVERAL.search(text):
        meant = ", ".join(map(_quoted, _several(text)))
        return f"no {field} has a comma, a brace or a blank in it, '{text}' has: for several write a list, [{meant}]"
    return _wrong_character(field, text)


def _wrong_character(field: str, text: str) -> str:
    allowed, _ = _CHARACTERS[field]
    if _can_match(field, text.lower()):
        return f"no {field} has upper case letters, '{text}' has: write {_quoted(text.lower())}"
    if wrong := next((one for one in text if one not in allowed and one not in "*?[]!"), None):
        others = " ".join(sorted(allowed - _WORD))
        letters = "letters" if "A" in allowed else "lower case letters"
        return f"no {field} can hold '{wrong}', '{text}' does: it has {letters}, digits and {others}"
    return f"no {field} begins with '{text[0]}', '{text}' does"


def _several(text: str) -> list[str]:
    """`{latest,v}-*` and `latest, stable` as the texts that a list would hold."""
    if found := re.fullmatch(r"(.*?)\{([^{}]*)\}(.*)", text):
        return [one for part in found[2].split(",") for one in _several(found[1] + part.strip() + found[3])]
    return [part for part in re.split(r"[,\s{}]+", text) if part]


def _quoted(text: str) -> str:
    """Quoted where YAML would not take the text as it is."""
    return text if re.match(r"[A-Za-z0-9._/]", text) else f"'{text}'"


def _impossible_regex(field: str, text: str) -> str | None:
    """Only expressions without any operator are looked at, but for `^` and `$` at the ends."""
    literal = text.removeprefix("^").removesuffix("$")
    if not literal or _META.search(literal) or _CHARACTERS[field][0].issuperset(literal):
        return None
    return _wrong_character(field, literal)
