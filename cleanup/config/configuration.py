"""The configuration: a targets file whose values stand behind options and environment."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from cleanup.config.keys import Fields, Stated
from cleanup.config.strict import CONFIG_VARIABLE
from cleanup.config.targets import TargetsFile, read_targets_file
from cleanup.errors import CleanupError, UsageError

CONFIG_NAME: Final = "image-cleanup.yaml"
NO_CONFIG: Final = "none"  # the word that names no file
_NEARLY: Final = ("image-cleanup.yml", "image-cleanup.YAML", "image-cleanup.yaml.txt")
_OPTIONS: Final = {"workspaces": "workspace", "policies": "policy"}
_NO_OPTIONS: Final = ("name", "credentials", "pins")  # pins add up, so that no default hides them


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A value that is used, as people write it and never a secret, and where it comes from."""

    name: str
    value: str
    origin: str


class Origin(StrEnum):
    """Who named the file."""

    OPTION = "--config"
    VARIABLE = CONFIG_VARIABLE
    FOLDER = "in the current folder"
    TARGETS = "--targets"
    NOBODY = ""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The file as it was read, or the `problem` of it; `warnings` are for people."""

    origin: Origin = Origin.NOBODY
    file: TargetsFile | None = None
    problem: CleanupError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_fleet(self) -> bool:
        """Its targets are many, or shall be treated as if they were."""
        return self.file is not None and (self.origin is Origin.TARGETS or len(self.file.targets) > 1)

    @property
    def fields(self) -> Fields:
        """What it says of the one target, none where its targets are many."""
        if self.file is None or self.is_fleet:
            return {}
        return self.file.of(self.file.targets[0]) if self.file.targets else self.file.defaults

    def options(self) -> dict[str, Stated]:
        """What it says by the names of options: of the process, and of its one target."""
        process = self.file.process if self.file else {}
        return {
            option_of(key): one for key, one in {**process, **self.fields}.items() if key not in _NO_OPTIONS
        }


def option_of(key: str) -> str:
    """The name of the option that says the same as a key of the file."""
    return _OPTIONS.get(key, key)


def find_configuration(option: str | None, variable: str | None, targets: str | None) -> Configuration:
    """What `--config`, its variable and `--targets` say, or else lies in the current folder, read."""
    named = option or variable
    origin = Origin.OPTION if option else Origin.VARIABLE
    if targets is not None:
        if named is not None and named != NO_CONFIG:
            problem = UsageError(
                f"--targets and {origin} each give a file: give one, or --config {NO_CONFIG} beside --targets"
            )
            return Configuration(origin=Origin.TARGETS, problem=problem)
        return _read(Path(targets), Origin.TARGETS, tuple(_unused(Path(targets), named)))
    if named == NO_CONFIG:
        return Configuration()
    if named is not None:
        return _read(Path(named), origin)
    if os.path.lexists(CONFIG_NAME):
        return _read(Path(CONFIG_NAME), Origin.FOLDER)
    return Configuration(warnings=tuple(_misnamed()))


def _read(path: Path, origin: Origin, warnings: tuple[str, ...] = ()) -> Configuration:
    is_config = origin is not Origin.TARGETS
    try:
        file = read_targets_file(
            path, what="configuration" if is_config else "targets file", needs_targets=not is_config
        )
    except CleanupError as error:
        return Configuration(origin=origin, problem=error, warnings=warnings)
    return Configuration(origin=origin, file=file, warnings=warnings)


def _unused(targets: Path, named: str | None) -> Iterator[str]:
    """What is said where a file that would count otherwise does not."""
    here = Path(CONFIG_NAME)
    if named is None and here.exists() and not (targets.exists() and targets.samefile(here)):
        yield f"{CONFIG_NAME} in the current folder is not used, for --targets is given (--config {NO_CONFIG} says so)"


def _misnamed() -> Iterator[str]:
    for name in _NEARLY:
        if os.path.lexists(name):
            yield f"{name} in the current folder is not read: a configuration is named {CONFIG_NAME}"
