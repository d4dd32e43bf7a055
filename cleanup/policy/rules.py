"""Rules, protections and limits as they are written, and the file that holds them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import yaml

from cleanup import durations
from cleanup.policy import conditions
from cleanup.policy.conditions import CONDITION, CONDITION_HINTS, CONDITION_KEYS, all_of
from cleanup.policy.language import (
    EVERY_IMAGE,
    Clock,
    Condition,
    KeepLast,
    Limits,
    OlderThan,
    Protection,
    Rule,
)
from cleanup.strict_yaml.document import location_of
from cleanup.strict_yaml.mappings import Key, MappingReader, choice, mapping_schema, sequence
from cleanup.strict_yaml.scalars import (
    BOOLEAN,
    LINE,
    PERCENT,
    TEXT,
    ValueType,
    error_at,
    integer,
    parsed,
    written,
)

GROUP_FIELDS: Final = (
    "namespace",
    "name",
    "tag",
    "workspace_id",
    "arch",
    "visibility",
    "origin",
    "service_type",
)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What one file says; `limits` is None where it says nothing about them."""

    rules: tuple[Rule, ...]
    protect: tuple[Protection, ...]
    limits: Limits | None


def _age(text: str) -> timedelta:
    age = durations.parse_duration(text)
    if not age:
        raise ValueError(f"'{text}' is no age: write 1s or more, or delete_all: true for whatever age")
    return age


_DURATION = parsed(_age, durations.SYNTAX)
_AGE: Final = ValueType(
    _DURATION.read, {**_DURATION.schema, "minLength": 2, "not": {"pattern": r"[\r\n\t]|^([0wdhms])*$"}}
)
_CLOCK_KEYS: Final = {
    Clock.UPDATE_AT.value: Key(_AGE, "since the image was last updated"),
    Clock.CREATE_AT.value: Key(_AGE, "since the image was created"),
}


def _older_than(node: yaml.Node) -> OlderThan:
    if not isinstance(node, yaml.MappingNode):
        return OlderThan(clock=Clock.UPDATE_AT, age=_AGE.read(node))
    fields = MappingReader(node, "older_than", _CLOCK_KEYS)
    if len(fields.nodes) > 1 or not node.value:
        fields.error_at(None, "older_than has one clock: either {update_at: 90d} or {create_at: 90d}")
    ((clock, age),) = fields.values().items()
    return OlderThan(clock=Clock(clock), age=age)


OLDER_THAN: Final = ValueType(
    _older_than, {"anyOf": [_AGE.schema, mapping_schema(_CLOCK_KEYS, maxProperties=1)]}
)


_PER: Final = sequence(choice(GROUP_FIELDS, "field to group by"), "per")


def _per(node: yaml.Node) -> tuple[str, ...]:
    fields = _PER.read(node)
    if len(set(fields)) < len(fields):
        raise error_at(node, f"per names a field twice: {written(node)}")
    return fields


_COUNT: Final = integer(1)
_KEEP_LAST_KEYS: Final = {
    "count": Key(_COUNT, "how many of each group to keep, the newest ones", required=True),
    "per": Key(
        ValueType(_per, {**_PER.schema, "uniqueItems": True}),
        "the fields that make a group; [namespace, name] where left out",
    ),
}


def _keep_last(node: yaml.Node) -> KeepLast:
    if isinstance(node, yaml.MappingNode):
        return KeepLast(**MappingReader(node, "keep_last", _KEEP_LAST_KEYS).values())
    if isinstance(node, yaml.ScalarNode) and re.fullmatch(durations.SYNTAX, node.value) and node.value:
        raise error_at(node, f"keep_last counts images: for an age write older_than: {node.value}")
    return KeepLast(count=_COUNT.read(node))


KEEP_LAST: Final = ValueType(_keep_last, {"anyOf": [_COUNT.schema, mapping_schema(_KEEP_LAST_KEYS)]})

LIMITS_KEYS: Final = {
    "max_deletes": Key(integer(0), "how many images one run may delete; over it, nothing is deleted"),
    "max_percent": Key(PERCENT, "which share of the project's own images one run may delete, 0 to 100"),
    "min_remaining": Key(integer(0), "how many ACTIVE images each namespace/name must be left with"),
}


def _limits(node: yaml.Node) -> Limits:
    fields = MappingReader(node, "limits", LIMITS_KEYS)
    if not node.value:
        fields.error_at(None, f"limits is empty: write one of {', '.join(LIMITS_KEYS)}, or leave it out")
    return Limits(**fields.values())


LIMITS: Final = ValueType(_limits, {"$ref": "#/$defs/limits"})

_PROTECTION_KEYS: Final = {
    **CONDITION_KEYS,
    "because": Key(TEXT, "why, for people: shown wherever the entry decides"),
}
_PROTECTION_HINTS: Final = {
    **CONDITION_HINTS,
    "match": "a protect entry is the condition itself, write its keys without match",
    "reason": "perhaps you meant 'because'",
}


def _protection(node: yaml.Node) -> Protection:
    fields = MappingReader(node, "a protect entry", _PROTECTION_KEYS, _PROTECTION_HINTS)
    if all(key.value == "because" for key, _ in node.value):
        fields.error_at(None, "a protect entry needs a condition, such as namespace: prod-*")
    values = fields.values()
    because = values.pop("because", None)
    return Protection(
        match=all_of(values.values()),
        text=", ".join(f"{key}: {written(fields.nodes[key])}" for key in values),
        because=" ".join(because.split()) if because else None,
        location=location_of(node),
    )


PROTECTION: Final = ValueType(_protection, {"$ref": "#/$defs/protection"})


def _match(node: yaml.Node) -> Condition:
    if isinstance(node, yaml.SequenceNode):
        raise error_at(node, "match is a mapping of conditions, this is a list: put it below all: or any:")
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise error_at(
            node,
            "match has no condition: write one, such as namespace: dev-*, "
            "or leave match out to take in every image of the project",
        )
    return CONDITION.read(node)


RULE_KEYS: Final = {
    "name": Key(LINE, "a name of its own, shown in plans, journals and reports", required=True),
    "description": Key(TEXT, "what the rule is for"),
    "match": Key(
        ValueType(_match, CONDITION.schema),
        "the rule's scope: every condition must hold; without match, every image of the project",
    ),
    "older_than": Key(OLDER_THAN, "delete only what is older: 90d by update_at, or {create_at: 90d}"),
    "keep_last": Key(KEEP_LAST, "keep the newest of each namespace and name, whatever their age"),
    "delete_all": Key(BOOLEAN, "true: delete everything in scope, whatever its age and number"),
    "force": Key(BOOLEAN, "true: also delete the content in SWR, which cannot be undone"),
    "limits": Key(LIMITS, "limits on what this rule alone may delete"),
}
_RULE_HINTS: Final = {
    **dict.fromkeys(CONDITION_KEYS.keys() - RULE_KEYS.keys(), "it is a condition, put it below match"),
    **dict.fromkeys(LIMITS_KEYS, "put it below limits"),
    **dict.fromkeys(("age", "ttl", "older", "expire_after"), "perhaps you meant 'older_than'"),
    **dict.fromkeys(("filter", "filters", "selector", "where", "when", "scope"), "perhaps you meant 'match'"),
    **dict.fromkeys(
        ("action", "actions"), "a rule deletes; what to keep is said by protect, keep_last and older_than"
    ),
    "protect": "it stands beside rules, not in one",
}


def _rule(node: yaml.Node) -> Rule:
    fields = MappingReader(node, "a rule", RULE_KEYS, _RULE_HINTS)
    _check_what_goes(fields)
    values = fields.values()
    return Rule(
        name=values["name"],
        description=values.get("description", "").strip() or None,
        match=values.get("match", EVERY_IMAGE),
        older_than=values.get("older_than"),
        keep_last=values.get("keep_last"),
        delete_all=values.get("delete_all", False),
        force=values.get("force", False),
        limits=values.get("limits"),
        location=location_of(node),
    )


def _check_what_goes(fields: MappingReader) -> None:
    """A rule says which images of its scope go: by age, by number, or in so many words all."""
    given = [key for key in ("older_than", "keep_last") if fields.given(key)]
    everything = "delete_all" in fields.nodes and fields.nodes["delete_all"].value == "true"
    if everything and given:
        fields.error_at(
            "delete_all",
            f"delete_all: true takes everything in scope: remove it, or remove {' and '.join(given)}",
        )
    if not everything and not given and not fields.unread("delete_all"):
        fields.error_at(
            None,
            "a rule needs older_than or keep_last; to delete everything in its scope write delete_all: true",
        )


RULE: Final = ValueType(_rule, {"$ref": "#/$defs/rule"})


def _version(node: yaml.Node) -> int:
    version = integer(0).read(node)
    if version != 1:
        raise error_at(node, f"version {version} is not known here: write version: 1")
    return version


VERSION: Final = Key(ValueType(_version, {"const": 1}), "1, the version of the language", required=True)

FILE_KEYS: Final = {
    "version": VERSION,
    "protect": Key(
        sequence(PROTECTION, "protect", least=0),
        "what no rule may delete; an entry that cannot be evaluated protects",
    ),
    "rules": Key(sequence(RULE, "rules"), "the first rule whose match holds decides on an image"),
    "limits": Key(LIMITS, "over a limit nothing is deleted"),
}
_CONTENTS: Final = ("rules", "protect", "limits")
_FILE_HINTS: Final = {
    **dict.fromkeys(RULE_KEYS, "it belongs to a rule, below rules"),
    **dict.fromkeys(CONDITION_KEYS, "it is a condition, put it below match in a rule, or below protect"),
    **dict.fromkeys(LIMITS_KEYS, "put it below limits"),
    **dict.fromkeys(("images", "now", "policy"), "a test file is read by image-cleanup test"),
    **dict.fromkeys(("targets", "defaults"), "a targets file is given with --targets"),
}


def policy_file(root: yaml.Node) -> PolicyFile:
    """What the root node of one file says; raises PolicyError with every problem below it."""
    fields = MappingReader(root, "a policy file", FILE_KEYS, _FILE_HINTS)
    if fields.nodes.keys() == {"version"} and len(root.value) == 1:
        fields.error_at(None, f"the file says nothing: write one of {', '.join(_CONTENTS)}")
    values = fields.values()
    return PolicyFile(values.get("rules", ()), values.get("protect", ()), values.get("limits"))


FILE_SCHEMA: Final = mapping_schema(FILE_KEYS, anyOf=[{"required": [key]} for key in _CONTENTS])
DEFINITIONS: Final[dict[str, Any]] = {
    "rule": mapping_schema(
        RULE_KEYS,
        **{
            "if": {"properties": {"delete_all": {"const": True}}, "required": ["delete_all"]},
            "then": {"properties": {"older_than": False, "keep_last": False}},
            "else": {"anyOf": [{"required": ["older_than"]}, {"required": ["keep_last"]}]},
        },
    ),
    "protection": mapping_schema(
        _PROTECTION_KEYS, **{"if": {"required": ["because"]}, "then": {"minProperties": 2}}
    ),
    "limits": mapping_schema(LIMITS_KEYS),
}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy file, from the tables that it is read by.

    What it cannot say (keys given twice, unique names, impossible patterns) `validate` does.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "image-cleanup policy",
        "description": "Which ModelArts images are deleted, and which never are.",
        **FILE_SCHEMA,
        "$defs": {**DEFINITIONS, **conditions.DEFINITIONS},
    }
