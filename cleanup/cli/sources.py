"""Where the values of a command's options come from: the command line, the environment, a file, or nowhere."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from cleanup.cli.output import LogFormat, configure_logs, log
from cleanup.config.configuration import (
    Configuration,
    Origin,
    Setting,
    find_configuration,
    option_of,
)
from cleanup.config.keys import Fields, Stated
from cleanup.config.settings import DEFAULT_NAME, Settings, Target, TargetRef
from cleanup.config.strict import CONFIG_VARIABLE, is_project
from cleanup.durations import format_duration

_META = "cleanup.configuration"
_PLACE = ("endpoint", "region", "iam_endpoint")  # one says where, so none of another source goes with it


def prepare(words: Mapping[str, Any]) -> dict[str, Any]:
    """Read the configuration that the words of a command line name, and what it says, by option.

    What is wrong with it is kept until a command wants it (`configuration`).
    """
    found = find_configuration(words.get("config"), os.environ.get(CONFIG_VARIABLE), words.get("targets"))
    click.get_current_context().meta[_META] = found
    if found.file and (said := found.file.process.get("log_format")):
        configure_logs(LogFormat(said.value))
    return {name: _as_typed(name, one.words) for name, one in found.options().items()}


def _as_typed(name: str, words: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return ",".join(words) if name == "users" else words


def configuration() -> Configuration:
    """The configuration behind this command's options. Raises what is wrong with it."""
    context = click.get_current_context(silent=True)
    found: Configuration = context.meta.get(_META, Configuration()) if context else Configuration()
    if found.problem:
        raise found.problem
    return found


def place_in_words(words: Mapping[str, Any]) -> TargetRef | None:
    """Which target the words of a command line mean, where it ended before that was settled; None where many or
    none could be meant."""
    found: Configuration = click.get_current_context().meta.get(_META, Configuration())
    project = words.get("project_id") or os.environ.get("HUAWEICLOUD_SDK_PROJECT_ID", "")
    if found.problem or found.is_fleet or not is_project(project):
        return None
    name = found.fields["name"].value if "name" in found.fields else DEFAULT_NAME
    return TargetRef(name=name, endpoint="", project_id=project, workspaces=())


def source_of(name: str) -> ParameterSource:
    """Where an option's value comes from."""
    context = click.get_current_context(silent=True)
    return (context.get_parameter_source(name) if context else None) or ParameterSource.DEFAULT


def is_given(name: str) -> bool:
    """An option stands on the command line or in the environment."""
    return source_of(name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def overruled() -> frozenset[str]:
    """Options that say where the service is and came out of the file, while another was given that says so."""
    if not any(map(is_given, ("endpoint", "region"))):
        return frozenset()
    return frozenset(name for name in _PLACE if source_of(name) is ParameterSource.DEFAULT_MAP)


def tell_configuration() -> None:
    """Say which file stands behind the options, and what of it does not count."""
    found = configuration()
    for warning in found.warnings:
        log().warning(warning)
    if found.file is None or found.origin is Origin.TARGETS:
        return
    targets = len(found.file.targets)
    told = f"configuration: {found.file.path}" + (f" {found.origin}" if found.origin is Origin.FOLDER else "")
    told += f", {targets} targets" if targets > 1 else ""
    takers = {
        one.name for one in click.get_current_context().command.params if getattr(one, "configured", False)
    }
    stronger = [name for name in found.options() if name in takers and is_given(name)]
    stronger += [
        name for name in ("endpoint", "region") if overruled() and is_given(name) and name not in stronger
    ]
    if stronger:
        told += f"; over it count {', '.join(map(spelled, stronger))}"
    log().info(told)


def spelled(name: str) -> str:
    """An option by its name, or by the variable that gave it."""
    context = click.get_current_context()
    option = next(one for one in context.command.params if one.name == name)
    variable = source_of(name) is ParameterSource.ENVIRONMENT and option.envvar
    return str(variable or f"--{name.replace('_', '-')}")


def origin_of(key: str, file_fields: Sequence[Fields], wins: bool) -> str:
    """Where a value comes from, in words; `file_fields` say what a target of a fleet has of the file."""
    name = option_of(key)
    if wins and is_given(name):
        return spelled(name)
    for fields in file_fields:
        if key in fields and name not in overruled():
            return str(fields[key].location)
    return spelled(name) if is_given(name) else "default"


def settings_in_words(target: Target, settings: Settings) -> tuple[Setting, ...]:
    """What is used for a target, and where each value comes from; of credentials their names only."""
    found = configuration()
    fields, wins = _fields_of(found, target.name), found.origin is not Origin.TARGETS
    process = found.file.process if found.file else {}
    rows = [
        Setting(name=key, value=value, origin=_origin(key, fields, wins))
        for key, value in _of_target(target).items()
        if value
    ]
    used = {"timeout": f"{settings.timeout:g}s", "max_attempts": str(settings.max_attempts)}
    used |= {"ca_bundle": str(settings.ca_bundle)} if settings.ca_bundle else {}
    rest = {key: _in_words(one) for key, one in process.items() if key not in used}
    rows += [
        Setting(name=key, value=value, origin=origin_of(key, [process], wins=True))
        for key, value in (used | rest).items()
    ]
    return tuple(rows)


def _in_words(said: Stated) -> str:
    return said.words if isinstance(said.words, str) else ", ".join(said.words)


def place_of(name: str) -> str:
    """`image-cleanup.yaml:3:9: ` where the file gave an option's value, to begin a message with; else nothing."""
    found = configuration()
    said = found.options().get(name)
    return f"{said.location}: " if said and not is_given(name) else ""


def _fields_of(found: Configuration, target: str) -> list[Fields]:
    """What a file says of a target, its own word first."""
    if found.file is None:
        return []
    own = [
        one.fields for one in found.file.targets if not found.is_fleet or one.fields["name"].value == target
    ]
    return [*own, found.file.defaults]


def _of_target(target: Target) -> dict[str, str]:
    names = msgspec.structs.asdict(target.credentials)
    return {
        "endpoint": target.endpoint,
        "project_id": target.project_id,
        "workspaces": ", ".join(target.workspaces),
        "auth": str(target.auth),
        "credentials": ", ".join(f"{name} {value}" for name, value in names.items() if value),
        "iam_endpoint": target.iam_endpoint or "",
        "rate": f"{target.rate:g}",
        "concurrency": str(target.concurrency),
        "in_use": str(target.in_use),
        "users": ", ".join(target.users),
        "job_history": format_duration(target.job_history),
        "pins": str(len(target.pins.uses)),
        "policies": ", ".join(map(str, target.policies)),
    }


def _origin(key: str, fields: Sequence[Fields], wins: bool) -> str:
    """The same as `origin_of`, of what has no option or adds up, too."""
    said = next((str(one[key].location) for one in fields if key in one), None)
    if key == "credentials":
        return said or "default"
    if key == "pins":
        return ", ".join(filter(None, [said, "--pins" if is_given("pins") else None])) or "default"
    found = origin_of(key, fields, wins)
    if key in ("endpoint", "iam_endpoint") and found == "default":
        return f"the region: {origin_of('region', fields, wins)}"
    return found
