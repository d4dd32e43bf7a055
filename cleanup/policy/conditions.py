"""Conditions and patterns as they are written: YAML nodes in, values of the language out."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

import yaml

from cleanup.policy import sizes, versions
from cleanup.policy.language import (
    All,
    AnyOf,
    Condition,
    FieldCondition,
    Not,
    ResourceTagCondition,
    SizeCondition,
)
from cleanup.policy.patterns import Either, Except, Pattern, Semver, regex, text_pattern
from cleanup.strict_yaml.document import location_of
from cleanup.strict_yaml.mappings import Key, MappingReader, each, mapping_schema, sequence
from cleanup.strict_yaml.scalars import LINE, ValueType, describe, error_at, line, parsed, written

# The words that the API documents for each enumerated field; others are accepted, since new ones
# appear without notice. Their patterns ignore case, because the API's own spelling drifts.
ENUMERATED: Final = {
    "visibility": ("PRIVATE", "PUBLIC"),
    "status": ("ACTIVE", "CREATE_FAILED", "ERROR", "INIT", "CREATING", "DELETED"),
    "origin": ("CUSTOMIZE", "IMAGE_SAVE"),
    "service_type": ("COMMON", "INFERENCE", "TRAIN", "DEV", "UNKNOWN"),
    "arch": ("X86_64", "AARCH64"),
}
_TEXT_FIELDS: Final = {
    "id": "the image's id, a UUID",
    "name": "the image's name",
    "namespace": "the organization in SWR that holds the image",
    "tag": "the image's tag, such as 1.4.0; {semver: '< 1.4.0'} compares versions",
    "swr_path": "the whole path in the registry: <registry>/<namespace>/<name>:<tag>",
    "visibility": "PRIVATE or PUBLIC",
    "status": "ACTIVE, CREATE_FAILED or ERROR; images that are still being saved are never deleted",
    "origin": "CUSTOMIZE (registered or built) or IMAGE_SAVE (saved from a notebook)",
    "service_type": "COMMON, INFERENCE, TRAIN, DEV or UNKNOWN",
    "arch": "X86_64 or AARCH64",
    "workspace_id": "the workspace, '0' is the default one; in quotes",
    "description": "the image's description",
}

_GLOB_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "description": "a glob over the whole value: * any characters, ? one, [abc], [!abc]",
    "allOf": [LINE.schema, {"pattern": r"^(?:[^\[]|\[!?(?:\][^\]]*|[^\]^][^\]]*)\])*$"}],
}


class _Patterns:
    """How the patterns of one kind of field are written; `definition` names their JSON Schema."""

    def __init__(self, definition: str, *, ignores_case: bool = False, versions: bool = False) -> None:
        self._ignores_case = ignores_case
        self.shape: ValueType[Pattern] = ValueType(self._read, {"$ref": f"#/$defs/{definition}"})
        self._several = sequence(self.shape, "any")
        self._keys: dict[str, Key] = {
            "regex": Key(ValueType(self._regex, LINE.schema), "an RE2 expression, searched in the value"),
            "not": Key(ValueType(lambda node: Except(self._read(node)), self.shape.schema), "all but these"),
            "any": Key(ValueType(self._either, self._several.schema), "at least one of these"),
        }
        if versions:
            about = "bounds on a semantic version: '>= 1.0.0, < 2.0.0'"
            self._keys["semver"] = Key(ValueType(self._semver, _SEMVER.schema), about)

    @property
    def schema(self) -> dict[str, Any]:
        """What `shape` refers to: a glob, a list of patterns, or a mapping with one key."""
        mapping = mapping_schema(self._keys, maxProperties=1)
        return {"anyOf": [_GLOB_SCHEMA, self._several.schema, mapping]}

    def _read(self, node: yaml.Node) -> Pattern:
        if isinstance(node, yaml.MappingNode):
            return self._one_way(node)
        if isinstance(node, yaml.SequenceNode):
            return self._either(node)
        return self._compiled(node, text_pattern, "glob")

    def _one_way(self, node: yaml.MappingNode) -> Pattern:
        fields = MappingReader(node, "a pattern", self._keys, _PATTERN_HINTS)
        if len(fields.nodes) > 1:
            fields.error_at(
                None, f"one of {', '.join(self._keys)} is meant: give several under any:, in a list"
            )
        if not node.value:
            fields.error_at(None, f"the pattern is empty: write a text, or one of {', '.join(self._keys)}")
        (pattern,) = fields.values().values()
        return cast(Pattern, pattern)

    def _either(self, node: yaml.Node) -> Either:
        return Either(self._several.read(node))

    def _regex(self, node: yaml.Node) -> Pattern:
        return self._compiled(node, regex, "regex")

    def _semver(self, node: yaml.Node) -> Semver:
        return Semver(written(node), _SEMVER.read(node), location_of(node))

    def _compiled(self, node: yaml.Node, compile_: Callable[..., Pattern], what: str) -> Pattern:
        value = line(node)
        try:
            return compile_(value, ignores_case=self._ignores_case, location=location_of(node))
        except ValueError as error:
            raise error_at(node, f"'{value}' is no valid {what}: {error}") from None


_SEMVER: Final = parsed(versions.parse_range, versions.RANGE_SYNTAX)
_SIZES: Final = parsed(sizes.parse_size_range, sizes.RANGE_SYNTAX)
_PATTERN_HINTS: Final = {
    "semver": "only 'tag' can be compared as a version",
    "all": "put several conditions on one field under all: in the match",
    "glob": "a text without regex: is a glob already",
    "exact": "a text without wildcards is matched exactly already",
}
_TEXTS: Final = _Patterns("textPattern")
_WORDS: Final = _Patterns("textPattern", ignores_case=True)
_TAGS: Final = _Patterns("tagPattern", versions=True)


def _field(name: str, about: str) -> Key:
    patterns = _TAGS if name == "tag" else _WORDS if name in ENUMERATED else _TEXTS

    def read(node: yaml.Node) -> Condition:
        return FieldCondition(name, patterns.shape.read(node), f"{name}: {written(node)}")

    return Key(ValueType(read, patterns.shape.schema), about)


def _size(node: yaml.Node) -> Condition:
    return SizeCondition(_SIZES.read(node), f"size: {written(node)}")


def _resource_tags(node: yaml.Node) -> Condition:
    if not isinstance(node, yaml.MappingNode):
        raise error_at(
            node,
            f"resource_tags is written as keys and patterns, {{team: 'vision-*'}}, this is {describe(node)}",
        )
    if not node.value:
        raise error_at(node, "resource_tags is empty: write a key and a pattern, {team: 'vision-*'}")
    names = each((key for key, _ in node.value), line)
    keys = {name: Key(ValueType(partial(_resource_tag, name), _TEXTS.shape.schema), "") for name in names}
    return all_of(MappingReader(node, "resource_tags", keys).values().values())


def _resource_tag(name: str, node: yaml.Node) -> Condition:
    return ResourceTagCondition(name, _TEXTS.shape.read(node), f"resource_tags: {{{name}: {written(node)}}}")


def all_of(parts: Iterable[Condition]) -> Condition:
    """One condition that holds when all of these do; there must be one at least."""
    first, *more = parts
    return All((first, *more)) if more else first


def _condition(node: yaml.Node) -> Condition:
    fields = MappingReader(node, "a condition", CONDITION_KEYS, CONDITION_HINTS)
    if not node.value:
        fields.error_at(None, "the condition is empty: write one, such as namespace: dev-*")
    return all_of(fields.values().values())


CONDITION: Final[ValueType[Condition]] = ValueType(_condition, {"$ref": "#/$defs/condition"})
_ALL: Final = sequence(CONDITION, "all")
_ANY: Final = sequence(CONDITION, "any")


def _not(node: yaml.Node) -> Condition:
    if isinstance(node, yaml.SequenceNode):
        raise error_at(node, "not takes one condition: for none of several write not: {any: [...]}")
    return Not(_condition(node))


CONDITION_KEYS: Final[dict[str, Key]] = {
    **{name: _field(name, about) for name, about in _TEXT_FIELDS.items()},
    "size": Key(ValueType(_size, _SIZES.schema), "bounds on the size: '> 10GiB', or '>= 1GB, < 2GB'"),
    "resource_tags": Key(
        ValueType(
            _resource_tags,
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": LINE.schema,
                "additionalProperties": _TEXTS.shape.schema,
            },
        ),
        "patterns by resource tag: {team: 'vision-*'}; an image without the tag does not match",
    ),
    "all": Key(ValueType(lambda node: All(_ALL.read(node)), _ALL.schema), "every one of these must hold"),
    "any": Key(ValueType(lambda node: AnyOf(_ANY.read(node)), _ANY.schema), "one of these must hold"),
    "not": Key(ValueType(_not, CONDITION.schema), "this must not hold"),
}
CONDITION_HINTS: Final = {
    **dict.fromkeys(
        ("older_than", "keep_last", "delete_all", "force", "limits"), "it belongs to the rule, beside match"
    ),
    **dict.fromkeys(
        ("age", "update_at", "updated_at", "create_at", "created_at", "last_updated"),
        "ages are no conditions, write older_than in the rule, beside match",
    ),
    **{key: "it belongs below a field, as in tag: {" + key + ": ...}" for key in ("regex", "semver", "glob")},
    "tags": "perhaps you meant 'tag' (the image's tag) or 'resource_tags'",
    "labels": "perhaps you meant 'resource_tags'",
    "type": "not needed, images that are not DEDICATED are never deleted",
    "and": "perhaps you meant 'all'",
    "or": "perhaps you meant 'any'",
    "none": "perhaps you meant 'not'",
    "image": "write namespace, name and tag",
    "repository": "write namespace and name",
    "path": "perhaps you meant 'swr_path'",
    "workspace": "perhaps you meant 'workspace_id'",
}
DEFINITIONS: Final = {
    "condition": mapping_schema(CONDITION_KEYS),
    "textPattern": _TEXTS.schema,
    "tagPattern": _TAGS.schema,
}
