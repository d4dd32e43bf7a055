"""Where the values of a command's options come from: the command line, the environment, a file, or nowhere."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from cleanup.cli.output import log
from cleanup.config.configuration import (
    CONFIG_VARIABLE,
    Configuration,
    Origin,
    find_configuration,
    option_of,
)
from cleanup.config.keys import Fields

_META = "cleanup.configuration"
_PLACE = ("endpoint", "region", "iam_endpoint")  # one says where, so none of another source goes with it


def prepare(words: Mapping[str, Any]) -> dict[str, Any]:
    """Read the configuration that the words of a command line name, and what it says, by option.

    What is wrong with it is kept until a command wants it (`configuration`).
    """
    found = find_configuration(words.get("config"), os.environ.get(CONFIG_VARIABLE), words.get("targets"))
    click.get_current_context().meta[_META] = found
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
    stronger = [name for name in found.options() if is_given(name)]
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
