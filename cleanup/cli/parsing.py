"""Options and arguments as annotations: of a command's parameters, and of the fields of option groups.

`Annotated[float, Option(help="Requests a second.")] = 10.0` says all that click needs: name, type and default
come from the field. A parameter whose type is a dataclass is an option group: its fields are options too. A group
may have `prepare` and `refuse`, which see the command line before it is read, and `around`, in which the command runs.
"""

import os
from dataclasses import MISSING, dataclass
from enum import Enum
from inspect import Parameter
from pathlib import Path, PosixPath
from types import NoneType
from typing import Any, get_args, get_origin

import click

from cleanup.config.strict import require_plain, require_plain_environment


@dataclass(frozen=True, init=False)
class Option:
    """What an option says besides its name, type and default; `says` is passed on to click."""

    names: tuple[str, ...]
    says: dict[str, Any]

    def __init__(self, *names: str, **says: Any) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "says", says)

    def spelled_out(self, name: str, hint: Any, default: Any) -> click.Parameter:
        negative = f"/--no-{_dashed(name)}" if default is True else ""
        shown = default.value if isinstance(default, Enum) else default  # click would show the member's name
        says = _typed(hint, self.says)
        return ConfigurableOption(
            [name, *(self.names or [f"--{_dashed(name)}{negative}"])], default=shown, show_envvar=True, **says
        )


class Argument(Option):
    """A positional argument, which must be given unless it may be None or has a default."""

    def spelled_out(self, name: str, hint: Any, default: Any) -> click.Parameter:
        says = _typed(hint, self.says)
        shown = default.value if isinstance(default, Enum) else default
        nargs, required = -1 if says.pop("multiple", False) else 1, default is None
        if not required:  # for click None would be a default, too
            says["default"] = shown
        return _Argument([name], required=required and NoneType not in get_args(hint), nargs=nargs, **says)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _typed(hint: Any, says: dict[str, Any]) -> dict[str, Any]:
    """What is said, with how click converts what belongs into a field of this type."""
    if hint is bool:
        return {"is_flag": True} | says
    inner = next((arg for arg in get_args(hint) if arg is not NoneType), hint)
    bounds: dict[str, Any] = {key: says[key] for key in ("min", "max") if key in says}
    says = {key: value for key, value in says.items() if key not in bounds}
    return {"type": _converter(inner, bounds), "multiple": get_origin(hint) is tuple} | says


def _converter(kind: Any, bounds: dict[str, Any]) -> Any:
    if bounds:
        return click.IntRange(**bounds) if kind is int else click.FloatRange(**bounds)
    if issubclass(kind, Enum):
        return EnumChoice(kind)
    return click.Path(path_type=Path) if kind is Path else kind


_NO_DEFAULT = (Parameter.empty, MISSING, ())


class FolderPath(PosixPath):
    """A path that was written with a slash at its end: a folder, whether there is one or not."""


class FileOrFolder(click.Path):
    """A file, or a folder where a slash ends the text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return FolderPath(value) if str(value).endswith("/") else Path(value)


class EnumChoice(click.Choice[Any]):
    """The members of an enum by their values; click takes the names."""

    def normalize_choice(self, choice: Any, ctx: click.Context | None) -> str:
        return choice.value if isinstance(choice, Enum) else str(choice)


class ConfigurableOption(click.Option):
    """One that is not `configured` takes nothing out of a configuration."""

    def __init__(
        self,
        *args: Any,
        panel: str = "Options",
        shared: bool = False,
        configured: bool = True,
        **says: Any,
    ) -> None:
        super().__init__(*args, **says)
        self.panel = panel
        self.shared = shared  # of many commands: their help names it, --help-all says what it does
        self.configured = configured

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """A variable that is set and empty is a mistake, not left out (as click takes it)."""
        if isinstance(self.envvar, str) and not ctx.resilient_parsing:  # completing a word refuses nothing
            require_plain_environment(os.environ, [self.envvar])
        return super().resolve_envvar_value(ctx)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if not ctx.resilient_parsing:
            _require_plain(self.opts[-1], value)
        return super().type_cast_value(ctx, value)


class _Argument(click.Argument):
    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if not ctx.resilient_parsing:
            _require_plain(self.make_metavar(ctx), value)
        return super().type_cast_value(ctx, value)


def _require_plain(name: str, value: Any) -> None:
    """The words as they were typed, one or many."""
    for word in value if isinstance(value, (tuple, list)) else [value]:
        if isinstance(word, str):
            here = "; the current folder is written -p ." if name == "-p" else ""
            require_plain(name, word, advice=here if not word.strip() else "")


def spelled_out(name: str, annotated: Any, default: Any) -> click.Parameter:
    """The parameter of a field or an argument that is annotated so."""
    hint, option = get_args(annotated)
    spelled: click.Parameter = option.spelled_out(name, hint, None if default in _NO_DEFAULT else default)
    return spelled
