"""The targets file: many projects, strict like a policy; and the share of them that one shard takes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cleanup.config.keys import (
    DEFAULT_KEYS,
    PATHS,
    PROCESS_KEYS,
    TARGET_KEYS,
    Fields,
    Stated,
    read_version,
    stated,
    stated_in,
)
from cleanup.config.pins import read_pins
from cleanup.config.settings import Target, make_target
from cleanup.errors import PolicyError, Problem, UsageError
from cleanup.files import read_regular
from cleanup.kinds import FileKind
from cleanup.modelarts.users.kinds import UserKind
from cleanup.policy.load import require_yaml_kind
from cleanup.strict_yaml.document import location_of, parse
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import Key, MappingReader, attempt, mapping_schema
from cleanup.strict_yaml.scalars import ValueType, error_at

SHARD_VARIABLES = ("JOB_COMPLETION_INDEX", "IMAGE_CLEANUP_SHARDS")


@dataclass(frozen=True)
class TargetEntry:
    """What the file says of one target, and where that begins."""

    location: Location
    fields: Fields


@dataclass(frozen=True)
class TargetsFile:
    """What stands in a targets file. `process` holds for all targets together, `defaults` for each."""

    path: Path
    process: Fields = field(default_factory=dict)
    defaults: Fields = field(default_factory=dict)
    targets: tuple[TargetEntry, ...] = ()

    def of(self, entry: TargetEntry) -> dict[str, Stated]:
        """All that holds for one target."""
        return {**self.defaults, **entry.fields}

    @property
    def pins(self) -> tuple[Path, ...]:
        """The files of pins of all targets."""
        fields = [self.defaults, *(entry.fields for entry in self.targets)]
        return tuple(path for one in fields if "pins" in one for path in one["pins"].value)


def _target_fields(node: yaml.Node) -> TargetEntry:
    return TargetEntry(location_of(node), stated(node, "a target", TARGET_KEYS))


def _target_list(node: yaml.Node) -> tuple[TargetEntry, ...]:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise error_at(node, "targets is a list with at least one target: start each with '- name: ...'")
    targets, problems = attempt(node.value, _target_fields)
    if problems := [*problems, *_repeated(node.value)]:
        raise PolicyError(sorted(problems))
    return tuple(targets)


_FILE = {
    "version": Key(ValueType(read_version, {"const": 1}), "1", required=True),
    "defaults": Key(
        ValueType(lambda node: stated(node, "defaults", DEFAULT_KEYS), mapping_schema(DEFAULT_KEYS)),
        "what holds for every target that does not say otherwise",
    ),
    "targets": Key(
        ValueType(_target_list, {"type": "array", "minItems": 1, "items": mapping_schema(TARGET_KEYS)}),
        "the projects",
    ),
} | PROCESS_KEYS


def schema() -> dict[str, Any]:
    """The JSON Schema of a targets file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "image-cleanup targets file or configuration",
        **mapping_schema(_FILE),
    }


def read_targets_file(path: Path, *, what: str = "targets file", needs_targets: bool = True) -> TargetsFile:
    """Read a targets file; `what` is what it is called in messages.

    Raises PolicyError with every problem and its place, UsageError when it is not there.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise UsageError(f"cannot read the {what} {path}: {error.strerror}") from error
    require_yaml_kind(content, path, FileKind.TARGETS)
    reader = MappingReader(parse(content, str(path)), f"a {what}", _FILE)
    if needs_targets and not reader.given("targets"):
        reader.error_at(None, f"a {what} needs the key 'targets': the projects")
    values = reader.values()
    entries: tuple[TargetEntry, ...] = values.get("targets", ())
    folder = path.parent
    return TargetsFile(
        path,
        process=_beside(folder, stated_in(reader, PROCESS_KEYS)),
        defaults=_beside(folder, values.get("defaults", {})),
        targets=tuple(TargetEntry(one.location, _beside(folder, one.fields)) for one in entries),
    )


def _beside(folder: Path, fields: Fields) -> dict[str, Stated]:
    return {name: one.beside(folder) if name in PATHS else one for name, one in fields.items()}


def _repeated(nodes: Sequence[yaml.Node]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for node in nodes:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        name = next((value.value for key, value in pairs if key.value == "name"), None)
        if not isinstance(name, str):
            continue
        if first := seen.get(name.casefold()):
            yield location_of(node).problem(
                f"the target '{name}' is there twice, first in line {first}: names are unique"
            )
        seen.setdefault(name.casefold(), location_of(node).line)


def make_targets(
    file: TargetsFile, options: Mapping[str, Any], winning: Mapping[str, Any] | None = None
) -> tuple[Target, ...]:
    """The targets of a file; `options` hold where it says nothing, what is `winning` whatever it says.

    Pins add up: those of the file and those of the options. Raises PolicyError.
    """
    problems: list[Problem] = []
    targets: list[Target] = []
    for entry in file.targets:
        said = {name: one.value for name, one in file.of(entry).items()}
        fields = dict(options) | said | dict(winning or {})
        pins = (*said.get("pins", ()), *options.get("pins", ()))
        try:
            targets.append(_target(fields, pins))
        except UsageError as error:
            problems.append(entry.location.problem(str(error)))
    if problems:
        raise PolicyError(sorted(problems))
    return tuple(targets)


def _target(fields: Mapping[str, Any], pins: Sequence[Path]) -> Target:
    said = {key: value for key, value in fields.items() if value is not None and value != ()}
    wanted = said.get("users", UserKind)
    said |= {"users": tuple(kind for kind in UserKind if kind in wanted), "pins": read_pins(pins)}
    return make_target(**said, from_file=True)


def shard_of(targets: Sequence[Target], index: int, count: int) -> tuple[Target, ...]:
    """The targets that shard `index` of `count` takes: every count-th of the sorted names.

    Plain modulo over sorted names rather than rendezvous hashing: the shares differ by one target
    at most, every shard sees the same file, and a target's state lies in files named after it, so
    that nothing is lost when a changed list moves it to another shard.
    """
    ordered = sorted(targets, key=lambda target: target.name)
    return tuple(ordered[index::count])


def parse_shard(text: str | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """`I/N` (I from 0), or JOB_COMPLETION_INDEX and IMAGE_CLEANUP_SHARDS; (0, 1) without either.

    Raises UsageError for anything else, also when only one of the two is set: with the index alone
    every pod of an Indexed Job would take everything.
    """
    if text is None:
        index, count = (environment.get(name) for name in SHARD_VARIABLES)
        if index is None and count is None:
            return 0, 1
        if index is None or count is None:
            unset = "JOB_COMPLETION_INDEX" if index is None else "IMAGE_CLEANUP_SHARDS"
            raise UsageError(
                f"which share of the targets is ours? {unset} is not set; set it, or give --shard I/N"
            )
        text = f"{index}/{count}"
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise UsageError(f"--shard '{text}' is not I/N with I from 0 to N-1, such as 0/4")
    return int(found[1]), int(found[2])
