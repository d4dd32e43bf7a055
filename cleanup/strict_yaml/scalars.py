"""Strict single values out of YAML nodes: no silent conversion; every error has its location."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeGuard, TypeVar, cast
from unicodedata import category

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from cleanup.errors import PolicyError
from cleanup.strict_yaml.document import location_of

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_TAG: Final = "tag:yaml.org,2002:"
# Numbers to YAML 1.2, which editors speak, and texts to PyYAML's YAML 1.1.
_NUMBER_TO_OTHERS = re.compile(r"[-+]?[0-9]+|0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
LARGEST: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ValueType(Generic[T_co]):
    """One kind of value: how to read it from a node, and the JSON Schema that accepts the same.

    `read` raises PolicyError with every problem it finds below the node; test files need no schema.
    """

    read: Callable[[yaml.Node], T_co]
    schema: Mapping[str, Any] = field(default_factory=dict)


def error_at(node: yaml.Node, message: str) -> PolicyError:
    """A PolicyError with one problem, at the location of this node."""
    return PolicyError([location_of(node).problem(message)])


def describe(node: yaml.Node) -> str:
    """What YAML makes of the node, in words: `a list`, `the number 1.1`, `nothing`."""
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    match node.tag.removeprefix(_TAG):
        case "str":
            return f"the text '{node.value[:60]}{'...' if len(node.value) > 60 else ''}'"
        case "null":
            return "nothing"
        case "timestamp":
            return f"the date {node.value}"
        case "bool" | "int" | "float":
            return _number_or_boolean(node)
        case _:
            return f"the YAML sign {node.value}"


def _number_or_boolean(node: yaml.ScalarNode) -> str:
    try:
        value = SafeConstructor().construct_object(node)
    except (ValueError, KeyError, OverflowError, ConstructorError):
        return "a number"
    return f"the boolean {str(value).lower()}" if isinstance(value, bool) else f"the number {value}"


def written(node: yaml.Node) -> str:
    """The node in one line, as its author wrote it but in flow style."""
    if isinstance(node, yaml.MappingNode):
        return "{" + ", ".join(f"{written(key)}: {written(value)}" for key, value in node.value) + "}"
    if isinstance(node, yaml.SequenceNode):
        return "[" + ", ".join(map(written, node.value)) + "]"
    value = " ".join(str(node.value).split())
    return f"'{value}'" if re.search(r"[,\[\]{}#]|: |^$", value) else value


def text(node: yaml.Node) -> str:
    """A text that is not blank; numbers, booleans, dates and nulls are refused, not turned into texts."""
    if not isinstance(node, yaml.ScalarNode) or (not node.value and is_a(node, "null")):
        raise error_at(node, f"a text belongs here, this is {describe(node)}")
    value = str(node.value)
    if not is_a(node, "str"):
        raise error_at(
            node, f"YAML reads {value} as {describe(node)}, a text belongs here: write '{value}' in quotes"
        )
    if _is_plain(node) and _NUMBER_TO_OTHERS.fullmatch(value):
        raise error_at(node, f"some YAML readers take {value} for a number: write '{value}' in quotes")
    if not value.strip():
        raise error_at(node, "the text is empty: write one, or leave the key out")
    if control := next((one for one in value if category(one) == "Cc" and one not in "\n\t"), None):
        raise error_at(node, f"a control character (U+{ord(control):04X}): remove it")
    return value


def line(node: yaml.Node) -> str:
    """A text on one line, without blanks around it and without characters that cannot be seen."""
    value = text(node)
    if "\n" in value or _spans_lines(cast(yaml.ScalarNode, node)):
        advice = "check the indentation of the next line, or end a block with >- instead of > or |"
        raise error_at(node, f"this text runs over several lines where one is meant: {advice}")
    if value != value.strip():
        raise error_at(node, f"'{value}' has blanks at its ends: remove them")
    if hidden := next((one for one in value if not one.isprintable()), None):
        raise error_at(node, f"a character that cannot be seen (U+{ord(hidden):04X}): type the text anew")
    return value


def line_schema(pattern: str, **more: Any) -> dict[str, Any]:
    """A text on one line; `$` alone would let a line break at the end pass in some validators."""
    return {"type": "string", "pattern": pattern, "not": {"pattern": r"[\r\n\t]"}} | more


LINE: Final = ValueType(line, line_schema(r"^\S(.*\S)?$"))
TEXT: Final = ValueType(text, {"type": "string", "pattern": r"\S"})


def boolean(node: yaml.Node) -> bool:
    """`true` or `false`, and none of the other words that YAML knows for them."""
    if is_a(node, "bool") and _is_plain(node) and node.value in ("true", "false"):
        return bool(node.value == "true")
    if is_a(node, "bool"):
        raise error_at(node, f"write {describe(node).removeprefix('the boolean ')} instead of {node.value}")
    if is_a(node, "str") and node.value.strip().lower() in ("true", "false"):
        meant = node.value.strip().lower()
        raise error_at(node, f"'{node.value}' in quotes is a text: write {meant} without quotes")
    raise error_at(node, f"true or false belongs here, this is {describe(node)}")


BOOLEAN: Final = ValueType(boolean, {"type": "boolean"})


def parsed(parse: Callable[[str], T], syntax: str) -> ValueType[T]:
    """A text with a syntax of its own; `parse` raises ValueError with what to write instead.

    A number gets the same advice, since what it lacks is rather a unit than quotes.
    """

    def read(node: yaml.Node) -> T:
        value = str(node.value) if is_a(node, "int") or is_a(node, "float") else line(node)
        try:
            return parse(value)
        except ValueError as error:
            raise error_at(node, str(error)) from None

    return ValueType(read, line_schema(syntax))


def integer(at_least: int, at_most: int = LARGEST) -> ValueType[int]:
    """A whole number in plain decimal digits, between two bounds that are included."""

    def read(node: yaml.Node) -> int:
        found = _decimal(node, "a whole number", r"-?(0|[1-9][0-9]{0,18})")
        if not at_least <= int(found) <= at_most:
            raise error_at(
                node, f"{found} is out of range: write a whole number from {at_least} to {at_most}"
            )
        return int(found)

    return ValueType(read, {"type": "integer", "minimum": at_least, "maximum": at_most})


def percent(node: yaml.Node) -> float:
    """A number from 0 to 100, with or without decimals."""
    if is_a(node, "str") and node.value.strip().endswith("%"):
        raise error_at(
            node, f"write {node.value.strip().rstrip('% ')}, without the % sign and without quotes"
        )
    found = _decimal(node, "a number", r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?")
    if not 0 <= float(found) <= 100:
        raise error_at(node, f"{found} is no percentage: write a number from 0 to 100")
    return float(found)


PERCENT: Final = ValueType(percent, {"type": "number", "minimum": 0, "maximum": 100})


def _decimal(node: yaml.Node, what: str, syntax: str) -> str:
    """The digits of a plain decimal number; refuses quotes and YAML's other ways to write numbers."""
    if is_a(node, "int") or is_a(node, "float"):
        if _is_plain(node) and re.fullmatch(syntax, node.value):
            return str(node.value)
        if _is_plain(node) and re.fullmatch(r"-?[0-9]+\.[0-9]*", node.value):
            raise error_at(node, f"{what} belongs here, {node.value} is none")
        raise error_at(
            node, f"{what} in plain digits belongs here: YAML reads {node.value} as {describe(node)}"
        )
    if is_a(node, "str") and re.fullmatch(syntax, node.value):
        raise error_at(node, f"'{node.value}' in quotes is a text: write {node.value} without quotes")
    raise error_at(node, f"{what} belongs here, this is {describe(node)}")


def is_a(node: yaml.Node, tag: str) -> TypeGuard[yaml.ScalarNode]:
    """A scalar that YAML takes for a `str`, `int`, `float`, `bool`, `null`, `timestamp` or `merge`."""
    return isinstance(node, yaml.ScalarNode) and bool(node.tag == _TAG + tag)


def _is_plain(node: yaml.ScalarNode) -> bool:
    return node.style is None


def _spans_lines(node: yaml.ScalarNode) -> bool:
    """Folded over lines without saying so, as `|` and `>` do."""
    return node.style not in ("|", ">") and bool(node.start_mark.line != node.end_mark.line)
