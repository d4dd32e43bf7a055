"""The keys of a targets file: what may stand for the process, for one target or for all, each strictly read."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from cleanup.config.settings import MOST_AT_ONCE, checked_url, require_receiver
from cleanup.config.strict import require_plain, require_project, require_region
from cleanup.durations import SYNTAX, parse_duration
from cleanup.errors import UsageError
from cleanup.modelarts.auth.names import Auth, CredentialNames
from cleanup.modelarts.users.kinds import Scope, UserKind
from cleanup.strict_yaml.document import location_of
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import Key, Keys, MappingReader, choice, mapping_schema, sequence
from cleanup.strict_yaml.scalars import BOOLEAN, ValueType, error_at, integer, is_a, line, line_schema, parsed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANY_LINE = r"^\S(.*\S)?$"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file says for one key: the value, the words as an option would take them, and where."""

    value: Any
    words: str | tuple[str, ...]
    location: Location

    def beside(self, folder: Path) -> "Stated":
        """The same of a path, or paths, that are relative to the file's folder."""
        if isinstance(self.words, tuple):
            words = tuple(str(folder / word) for word in self.words)
            return replace(self, value=tuple(map(Path, words)), words=words)
        slash = "/" if self.words.endswith("/") else ""  # what ends so shall be a folder
        return replace(self, value=folder / self.words, words=f"{folder / self.words}{slash}")


Fields = Mapping[str, Stated]


def stated(node: yaml.Node, what: str, keys: Keys) -> dict[str, Stated]:
    """A mapping, read key by key. Raises PolicyError with every problem."""
    return stated_in(MappingReader(node, what, keys), keys)


def stated_in(reader: MappingReader, keys: Iterable[str]) -> dict[str, Stated]:
    """Some keys of a mapping that was read. Raises PolicyError with every problem of the whole."""
    values = reader.values()
    return {
        name: Stated(values[name], _words(reader.nodes[name]), location_of(reader.nodes[name]))
        for name in keys
        if name in values
    }


def _words(node: yaml.Node) -> str | tuple[str, ...]:
    if isinstance(node, yaml.SequenceNode):
        return tuple(str(one.value) for one in node.value)
    return str(node.value)


def _text(name: str, check: Callable[[str, str], object] | None = None) -> ValueType[str]:
    """A text as an option takes it, checked where options are; `check` takes it and the key's name."""

    def read(node: yaml.Node) -> str:
        found = line(node)
        try:
            require_plain(name, found)
            if check:
                check(found, name)
        except UsageError as error:
            raise error_at(node, str(error)) from None
        return found

    return ValueType(read, line_schema(_ANY_LINE))


def _checked_gateway(url: str, name: str) -> str:
    return checked_url(url, name, plain_http=True)


def _one_of(pattern: re.Pattern[str], what: str) -> ValueType[str]:
    def read(node: yaml.Node) -> str:
        found = line(node)
        if not pattern.fullmatch(found):
            raise error_at(node, f"'{found}' is no {what}")
        return found

    return ValueType(read, line_schema(f"^{pattern.pattern}$"))


def _rate(node: yaml.Node) -> float:
    if not (is_a(node, "int") or is_a(node, "float")) or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", node.value):
        raise error_at(node, "rate is a plain number of requests a second, such as 10 or 2.5")
    if float(node.value) <= 0:
        raise error_at(node, "rate must be above zero")
    return float(node.value)


def read_version(node: yaml.Node) -> int:
    """The version of the file's form."""
    if not is_a(node, "int") or node.value != "1":
        raise error_at(node, "version must be 1: it is the version of this file format")
    return 1


def _above_zero(text: str) -> timedelta:
    found = parse_duration(text)
    if found <= timedelta():
        raise ValueError(f"'{text}' must be above zero")
    return found


_VARIABLE_NAME = _one_of(_VARIABLE, "name of an environment variable (never put the secret itself here)")
_CREDENTIALS = {
    name: Key(_VARIABLE_NAME, "the name of an environment variable")
    for name in CredentialNames.__struct_fields__
    if name != "profile"
} | {"profile": Key(_text("profile"), "the name of a profile in the credentials file")}


def _credentials(node: yaml.Node) -> CredentialNames:
    return CredentialNames(**MappingReader(node, "credentials", _CREDENTIALS).values())


_DURATION = parsed(parse_duration, SYNTAX)
_LASTING = parsed(_above_zero, SYNTAX)

LOG_FORMATS: Final = ("auto", "plain", "json")
# Of the process, for all targets; each is the option of its name.
PROCESS_KEYS: Final[dict[str, Key]] = {
    "timeout": Key(_LASTING, "for one request"),
    "max_attempts": Key(integer(1), "tries for one request"),
    "deadline": Key(_LASTING, "stop starting deletes in time to end by then"),
    "max_staleness": Key(_DURATION, "no DELETE on an older observation"),
    "settle_timeout": Key(
        _DURATION, "how long a deletion that was accepted and is not done yet is looked at"
    ),
    "drain_timeout": Key(_DURATION, "how long requests may take after a signal"),
    "breaker": Key(integer(0), "stop after so many bad results in a row; 0 never does"),
    "expires": Key(_LASTING, "how long a plan may be applied"),
    "strict": Key(BOOLEAN, "a warning ends the command with exit 2 before anything is deleted"),
    "log_format": Key(choice(LOG_FORMATS, "form of logs"), "how logs on stderr look"),
    "ca_bundle": Key(_text("ca_bundle"), "CA certificates to trust instead of the system's"),
    "journal": Key(_text("journal"), "where to write the journal; a folder where it ends in a slash"),
    "metrics_file": Key(_text("metrics_file"), "a file of metrics, for a textfile collector"),
    "pushgateway": Key(_text("pushgateway", _checked_gateway), "the URL of a Prometheus Pushgateway"),
    "notify": Key(
        sequence(_text("notify", require_receiver), "notify"),
        "who is notified: https://..., env:NAME or smn:URN",
    ),
}
# Of a target, or of all in `defaults`.
DEFAULT_KEYS: Final[dict[str, Key]] = {
    "endpoint": Key(_text("endpoint", checked_url), "the service's URL; else from the region"),
    "region": Key(_text("region", require_region), "for example cn-north-4"),
    "iam_endpoint": Key(_text("iam_endpoint", checked_url), "IAM's URL, for passwords"),
    "workspaces": Key(sequence(_text("workspaces"), "workspaces"), "workspace ids in quotes"),
    "auth": Key(choice(tuple(Auth), "way to log in"), "how to log in"),
    "credentials": Key(
        ValueType(_credentials, mapping_schema(_CREDENTIALS)),
        "where the secrets are, by name, never by value",
    ),
    "policies": Key(sequence(_text("policies"), "policies"), "policy files, relative to this file"),
    "users": Key(
        sequence(choice(tuple(UserKind), "kind of users of images"), "users"),
        "who is asked whether he uses an image",
    ),
    "job_history": Key(_DURATION, "for so long a job that is over needs its image"),
    "in_use": Key(choice(tuple(Scope), "scope of notebooks"), "whose notebooks protect their images"),
    "pins": Key(sequence(_text("pins"), "pins"), "files of images in use elsewhere, relative to this file"),
    "rate": Key(ValueType(_rate, {"type": "number", "exclusiveMinimum": 0}), "requests a second, at most"),
    "concurrency": Key(integer(1, MOST_AT_ONCE), "requests at a time, at most"),
}
TARGET_KEYS: Final[dict[str, Key]] = {
    "name": Key(_one_of(_NAME, "target name: letters, digits, . _ -"), "unique", required=True),
    "project_id": Key(_text("project_id", require_project), "the project's id", required=True),
} | DEFAULT_KEYS
PATHS: Final = ("ca_bundle", "journal", "metrics_file", "policies", "pins")
