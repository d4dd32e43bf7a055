"""The targets file: many projects, strict like a policy; and the share of them that one shard takes."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cleanup.config.settings import Target, make_target
from cleanup.durations import SYNTAX, parse_duration
from cleanup.errors import PolicyError, Problem, UsageError
from cleanup.kinds import FileKind
from cleanup.modelarts.auth.choose import Auth, CredentialNames
from cleanup.modelarts.users import UserKind
from cleanup.modelarts.users.kinds import JOB_HISTORY
from cleanup.policy.load import require_yaml_kind
from cleanup.strict_yaml.document import location_of, parse
from cleanup.strict_yaml.mappings import Key, MappingReader, choice, each, sequence
from cleanup.strict_yaml.scalars import LINE, ValueType, error_at, integer, is_a, line, parsed

SHARD_VARIABLES = ("JOB_COMPLETION_INDEX", "IMAGE_CLEANUP_SHARDS")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _one_of(pattern: re.Pattern[str], what: str) -> Callable[[yaml.Node], str]:
    def read(node: yaml.Node) -> str:
        found = line(node)
        if not pattern.fullmatch(found):
            raise error_at(node, f"'{found}' is no {what}")
        return found

    return read


def _rate(node: yaml.Node) -> float:
    if not (is_a(node, "int") or is_a(node, "float")) or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", node.value):
        raise error_at(node, "rate is a plain number of requests a second, such as 10 or 2.5")
    if float(node.value) <= 0:
        raise error_at(node, "rate must be above zero")
    return float(node.value)


def _version(node: yaml.Node) -> int:
    if not is_a(node, "int") or node.value != "1":
        raise error_at(node, "version must be 1: it is the version of this file format")
    return 1


_VARIABLE_NAME = ValueType(
    _one_of(_VARIABLE, "name of an environment variable (never put the secret itself here)"), {}
)
_CREDENTIALS = {
    name: Key(_VARIABLE_NAME, "the name of an environment variable")
    for name in CredentialNames.__struct_fields__
    if name != "profile"
} | {"profile": Key(LINE, "the name of a profile in the credentials file")}


def _credentials(node: yaml.Node) -> CredentialNames:
    return CredentialNames(**MappingReader(node, "credentials", _CREDENTIALS).values())


_DEFAULTS: dict[str, Key] = {
    "endpoint": Key(LINE, "the service's URL; else from the region"),
    "region": Key(LINE, "for example cn-north-4"),
    "iam_endpoint": Key(LINE, "IAM's URL, for passwords"),
    "workspaces": Key(sequence(LINE, "workspaces"), "workspace ids in quotes"),
    "auth": Key(choice(tuple(Auth), "way to log in"), "how to log in"),
    "credentials": Key(ValueType(_credentials, {}), "where the secrets are, by name, never by value"),
    "policies": Key(sequence(LINE, "policies"), "policy files, relative to this file"),
    "users": Key(
        sequence(choice(tuple(UserKind), "kind of users of images"), "users"),
        "who is asked whether he uses an image",
    ),
    "job_history": Key(parsed(parse_duration, SYNTAX), "for so long a job that is over needs its image"),
    "rate": Key(ValueType(_rate, {}), "requests a second, at most"),
    "concurrency": Key(integer(1, 1000), "requests at a time, at most"),
}
_TARGET: dict[str, Key] = {
    "name": Key(
        ValueType(_one_of(_NAME, "target name: letters, digits, . _ -"), {}), "unique", required=True
    ),
    "project_id": Key(LINE, "the project's id", required=True),
} | _DEFAULTS


def _target_fields(node: yaml.Node) -> tuple[yaml.Node, dict[str, Any]]:
    return node, MappingReader(node, "a target", _TARGET).values()


def _default_fields(node: yaml.Node) -> dict[str, Any]:
    return MappingReader(node, "defaults", _DEFAULTS).values()


def _target_list(node: yaml.Node) -> tuple[tuple[yaml.Node, dict[str, Any]], ...]:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise error_at(node, "targets is a list with at least one target: start each with '- name: ...'")
    return each(node.value, _target_fields)


_FILE = {
    "version": Key(ValueType(_version, {}), "1", required=True),
    "defaults": Key(
        ValueType(_default_fields, {}), "what holds for every target that does not say otherwise"
    ),
    "targets": Key(ValueType(_target_list, {}), "the projects", required=True),
}


def read_targets(path: Path, defaults: Mapping[str, Any] | None = None) -> tuple[Target, ...]:
    """Read a targets file; `defaults` hold where neither a target nor the file's own defaults say.

    Raises PolicyError with every problem and its place, UsageError when it is not there.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the targets file {path}: {error.strerror}") from error
    require_yaml_kind(content, path, FileKind.TARGETS)
    values = MappingReader(parse(content, str(path)), "a targets file", _FILE).values()
    entries = values["targets"]
    common = dict(defaults or {}) | values.get("defaults", {})
    problems = _repeated(entries)
    targets: list[Target] = []
    for node, fields in entries:
        try:
            targets.append(_target(path, common | fields))
        except UsageError as error:
            problems.append(location_of(node).problem(str(error)))
    if problems:
        raise PolicyError(sorted(problems))
    return tuple(targets)


def _repeated(entries: Sequence[tuple[yaml.Node, dict[str, Any]]]) -> list[Problem]:
    seen: dict[str, int] = {}
    problems = []
    for node, fields in entries:
        name, place = fields["name"], location_of(node)
        if name.casefold() in seen:
            first = seen[name.casefold()]
            problems.append(
                place.problem(f"the target '{name}' is there twice, first in line {first}: names are unique")
            )
        seen.setdefault(name.casefold(), place.line)
    return problems


def _target(path: Path, fields: Mapping[str, Any]) -> Target:
    return make_target(
        name=fields["name"],
        endpoint=fields.get("endpoint"),
        region=fields.get("region"),
        project_id=fields["project_id"],
        workspaces=fields.get("workspaces", ()),
        auth=fields.get("auth", Auth.AUTO),
        iam_endpoint=fields.get("iam_endpoint"),
        rate=fields.get("rate", 10.0),
        concurrency=fields.get("concurrency", 16),
        credentials=fields.get("credentials"),
        policies=tuple(path.parent / policy for policy in fields.get("policies", ())),
        users=tuple(kind for kind in UserKind if kind in fields.get("users", UserKind)),
        job_history=fields.get("job_history", JOB_HISTORY),
        from_file=True,
    )


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
