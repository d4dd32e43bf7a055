"""Strict lists and mappings out of YAML nodes: unknown and repeated keys, and all problems at once."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from cleanup.errors import PolicyError, Problem
from cleanup.strict_yaml.document import location_of
from cleanup.strict_yaml.scalars import ValueType, describe, error_at, is_a, line

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping: the shape of its value, and what it is for, shown by editors."""

    shape: ValueType[Any]
    about: str
    required: bool = False


Keys = Mapping[str, Key]


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one most likely is a misspelling of, if any is near."""
    words = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.strip().casefold().replace("-", "_"), words, n=1, cutoff=0.6)
    return words[near[0]] if near else None


def suggestion(word: str, known: Collection[str]) -> str:
    """`perhaps you meant 'older_than'`, or the known words where none is near."""
    near = closest(word, known)
    return f"perhaps you meant '{near}'" if near else f"known are {', '.join(known)}"


def attempt(items: Iterable[S], read: Callable[[S], T]) -> tuple[list[T], list[Problem]]:
    """Read every item, in spite of PolicyErrors: what could be read, and every problem."""
    values: list[T] = []
    problems: list[Problem] = []
    for item in items:
        try:
            values.append(read(item))
        except PolicyError as error:
            problems += error.problems
    return values, problems


def each(nodes: Iterable[yaml.Node], read: Callable[[yaml.Node], T]) -> tuple[T, ...]:
    """Read every node; raises PolicyError with the problems of all of them together."""
    values, problems = attempt(nodes, read)
    if problems:
        raise PolicyError(problems)
    return tuple(values)


def sequence(of: ValueType[T], what: str, *, least: int = 1) -> ValueType[tuple[T, ...]]:
    """A list with at least `least` (0 or 1) entries; `what` names it in messages."""

    def read(node: yaml.Node) -> tuple[T, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise error_at(node, f"{what} is a list, this is {describe(node)}: start each entry with '- '")
        if len(node.value) < least:
            raise error_at(node, f"{what} is an empty list: write an entry, or leave the key out")
        return each(node.value, of.read)

    return ValueType(read, {"type": "array", "items": of.schema, "minItems": least})


def choice(words: Iterable[T], what: str) -> ValueType[T]:
    """One of a closed set of words; `what` names it in messages."""
    known = {str(word): word for word in words}

    def read(node: yaml.Node) -> T:
        word = line(node)
        if word not in known:
            raise error_at(node, f"'{word}' is no {what}: {suggestion(word, known)}")
        return known[word]

    return ValueType(read, {"enum": list(known)})


class MappingReader:
    """One mapping, read key by key; problems are gathered until `values` is asked for.

    `what` names the mapping in messages; `hints` says, for keys that do not exist, what to do.
    """

    def __init__(
        self, node: yaml.Node, what: str, keys: Keys, hints: Mapping[str, str] | None = None
    ) -> None:
        if not isinstance(node, yaml.MappingNode):
            some = f"{', '.join(list(keys)[:4])}{', ...' if len(keys) > 4 else ''}"
            raise error_at(node, f"{what} is written as keys with values ({some}), this is {describe(node)}")
        self.node = node
        self.nodes: dict[str, yaml.Node] = {}
        self._guessed: set[str | None] = set()  # known keys that misspelt ones seem to mean
        self._key_nodes: dict[str, yaml.Node] = {}
        self._values: dict[str, Any] = {}
        self._problems: list[Problem] = []
        for key_node, value_node in node.value:
            self._take(key_node, value_node, what, keys, hints or {})
        for name, key in keys.items():
            if key.required and not self.given(name):
                self.error_at(None, f"{what} needs the key '{name}': {key.about}")

    def _take(
        self, key_node: yaml.Node, value_node: yaml.Node, what: str, keys: Keys, hints: Mapping[str, str]
    ) -> None:
        name = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
        if trouble := self._key_trouble(key_node, name, what, keys, hints):
            self._problems.append(location_of(key_node).problem(trouble))
        if name not in keys and name not in hints:
            self._guessed.add(closest(name, keys))
        if name not in keys or name in self.nodes:
            return
        self.nodes[name], self._key_nodes[name] = value_node, key_node
        try:
            self._values[name] = keys[name].shape.read(value_node)
        except PolicyError as error:
            self._problems += error.problems

    def _key_trouble(
        self, node: yaml.Node, name: str, what: str, keys: Keys, hints: Mapping[str, str]
    ) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            return f"a key is one word, this is {describe(node)}"
        if is_a(node, "merge"):
            return "merge keys (<<) are no part of the language: write the keys out"
        if name in self.nodes:
            first = location_of(self._key_nodes[name]).line
            return f"the key '{name}' is given twice, first in line {first}: keep one"
        if name not in keys:
            return f"unknown key '{name}' in {what}: {hints.get(name) or suggestion(name, keys)}"
        return None

    def error_at(self, name: str | None, message: str) -> None:
        """Note a problem at one of the keys, or at the mapping as a whole."""
        node = self._key_nodes[name] if name else self.node
        self._problems.append(location_of(node).problem(message))

    def given(self, name: str) -> bool:
        """The key is there, or a misspelt one that seems to be meant: a problem that is noted already."""
        return name in self.nodes or name in self._guessed

    def unread(self, name: str) -> bool:
        """The key is there, and its value is wrong: a problem that is noted already."""
        return name in self.nodes and name not in self._values

    def values(self) -> dict[str, Any]:
        """The values by key, in the order written; raises PolicyError if anything was wrong."""
        if self._problems:
            raise PolicyError(self._problems)
        return self._values


def mapping_schema(keys: Keys, **more: Any) -> dict[str, Any]:
    """The JSON Schema of a mapping with these keys and no others."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: {**key.shape.schema, "description": key.about} for name, key in keys.items()},
        "additionalProperties": False,
        "minProperties": 1,
    }
    if required := [name for name, key in keys.items() if key.required]:
        schema["required"] = required
    return schema | more
