"""How a policy's unit tests are written: the keys of a test file, of its images, of what is expected."""

import re
from typing import Any, Final, NamedTuple, TypeVar

import yaml

from cleanup import durations
from cleanup.decision.types import Action, Reason, Withheld
from cleanup.policy import sizes
from cleanup.policy.rules import VERSION
from cleanup.strict_yaml.document import location_of
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import Key, MappingReader, choice, each, sequence
from cleanup.strict_yaml.scalars import (
    BOOLEAN,
    LINE,
    ValueType,
    describe,
    error_at,
    integer,
    is_a,
    line,
    parsed,
    text,
)

T = TypeVar("T")


class Listed(NamedTuple):
    """One entry of `images` as written; its position and the file's `now` complete it."""

    values: dict[str, Any]
    location: Location


def _or_null(of: ValueType[T]) -> ValueType[T | None]:
    """The word `null` makes the field one that the API did not send."""

    def read(node: yaml.Node) -> T | None:
        return None if is_a(node, "null") and node.value else of.read(node)

    return ValueType(read)


def _image_name(node: yaml.Node) -> dict[str, str]:
    found = re.fullmatch(r"([^/:\s]+)/([^:\s]+):([^/:\s]+)", line(node))
    if found is None:
        raise error_at(node, f"'{node.value}' is not of the form namespace/name:tag")
    return dict(zip(("namespace", "name", "tag"), found.groups(), strict=True))


def _size(node: yaml.Node) -> int:
    return integer(0, 10**15).read(node) if is_a(node, "int") else _SIZE.read(node)


def _resource_tags(node: yaml.Node) -> dict[str, str]:
    if not isinstance(node, yaml.MappingNode):
        raise error_at(
            node, f"resource_tags is written as keys and texts, {{team: vision}}, this is {describe(node)}"
        )
    names = each((key for key, _ in node.value), line)
    return MappingReader(node, "resource_tags", dict.fromkeys(names, Key(LINE, "a text"))).values()


def _expect(node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {"action": _ACTION.read(node)}
    fields = MappingReader(node, "expect", _EXPECT_KEYS)
    if not fields.nodes:
        fields.error_at(None, "nothing is expected: write delete, keep, or {reason: ...}")
    values = fields.values()
    if "reason" in values:
        action = Action.DELETE if values["reason"] is Reason.EXPIRED else Action.KEEP
        if values.setdefault("action", action) is not action:
            raise error_at(
                node, f"the reason {values['reason']} is one to {action}, not to {values['action']}"
            )
    return values


def _listed(node: yaml.Node) -> Listed:
    fields = MappingReader(node, "an image", _IMAGE_KEYS)
    for name in ("namespace", "name", "tag"):
        if not fields.nodes.keys() & {"image", name}:
            fields.error_at(
                None, f"an image needs image: namespace/name:tag, or its {name} (null where missing)"
            )
    for moment, age in (("update_at", "age"), ("create_at", "create_age")):
        if {moment, age} <= fields.nodes.keys():
            fields.error_at(moment, f"{moment} and {age} say the same in two ways: keep one")
    return Listed(fields.values(), location_of(node))


def _images(node: yaml.Node) -> tuple[Listed, ...]:
    images = _IMAGES.read(node)
    if not any("expect" in image.values for image in images):
        raise error_at(
            node, "nothing is expected of any image: give one at least an expect, such as expect: delete"
        )
    return images


def _named(node: yaml.Node) -> tuple[str, Location]:
    return line(node), location_of(node)


def _policies(node: yaml.Node) -> tuple[str, ...]:
    return _PATHS.read(node) if isinstance(node, yaml.SequenceNode) else (line(node),)


_SIZE: Final = parsed(sizes.parse_size, sizes.SIZE_SYNTAX)
_AGE: Final = Key(parsed(durations.parse_duration, durations.SYNTAX), "how long before now, such as 100d")
_MOMENT: Final = parsed(durations.parse_moment, "")
_ACTION: Final = choice(Action, "action")
_PATHS: Final = sequence(LINE, "policy")
_IMAGES: Final = sequence(ValueType(_listed), "images")
_NAMES: Final = sequence(ValueType(_named), "this")
_EXPECT_KEYS: Final = {
    "action": Key(_ACTION, "delete or keep"),
    "reason": Key(choice(Reason, "reason"), "the reason of the decision"),
    "rule": Key(LINE, "the rule that decides"),
    "force": Key(BOOLEAN, "whether the content in SWR is deleted too"),
    "force_withheld": Key(choice(Withheld, "reason to withhold force"), "why force is not given"),
}
_IMAGE_KEYS: Final = {
    "image": Key(ValueType(_image_name), "namespace/name:tag in one"),
    "id": Key(LINE, "image-1 for the first where left out"),
    **{
        name: Key(_or_null(LINE), f"the image's {name}")
        for name in (
            "namespace",
            "name",
            "tag",
            "swr_path",
            "swr_instance_id",
            "type",
            "visibility",
            "status",
            "origin",
            "service_type",
            "arch",
            "workspace_id",
        )
    },
    "description": Key(_or_null(ValueType(text)), "the image's description"),
    "size": Key(_or_null(ValueType(_size)), "10GiB, or a number of bytes"),
    "resource_tags": Key(_or_null(ValueType(_resource_tags)), "the resource tags: {team: vision}"),
    "age": _AGE,
    "create_age": _AGE,
    "update_at": Key(_or_null(_MOMENT), "when the image was updated, instead of age"),
    "create_at": Key(_or_null(_MOMENT), "when the image was created, instead of create_age"),
    "expect": Key(ValueType(_expect), "delete, keep, or {action, reason, rule, force, force_withheld}"),
}
FILE_KEYS: Final = {
    "version": VERSION,
    "policy": Key(ValueType(_policies), "the policy under test: a path, or a list of them", required=True),
    "now": Key(_MOMENT, "the time of the decision, in quotes", required=True),
    "notebooks": Key(_NAMES, "images that notebooks use"),
    "pins": Key(_NAMES, "images that are in use elsewhere"),
    "images": Key(ValueType(_images), "the inventory", required=True),
}
