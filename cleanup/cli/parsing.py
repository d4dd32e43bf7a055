"""Options and arguments as annotations: of a command's parameters, and of the fields of option groups.

`Annotated[float, Option(help="Requests a second.")] = 10.0` says all that click needs: name, type and default
come from the field. A parameter whose type is a dataclass is an option group: its fields are options too.
"""

import os
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from importlib import import_module
from inspect import Parameter, cleandoc, signature
from pathlib import Path, PosixPath
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource

from cleanup import __version__
from cleanup.cli import output
from cleanup.cli.pages import HelpPage
from cleanup.config.strict import require_plain, require_plain_environment
from cleanup.errors import UsageError


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
        return _Option(
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
        return _Choice(kind)
    return click.Path(path_type=Path) if kind is Path else kind


_NO_DEFAULT = (Parameter.empty, MISSING, ())


class FolderPath(PosixPath):
    """A path that was written with a slash at its end: a folder, whether there is one or not."""


class FileOrFolder(click.Path):
    """A file, or a folder where a slash ends the text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return FolderPath(value) if str(value).endswith("/") else Path(value)


class _Choice(click.Choice[Any]):
    """The members of an enum by their values; click takes the names."""

    def normalize_choice(self, choice: Any, ctx: click.Context | None) -> str:
        return choice.value if isinstance(choice, Enum) else str(choice)


class _Option(click.Option):
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


class Helped(click.Command):
    """A command whose help goes out as every result does: a full disk or a closed pipe is no bug.

    It ends with the examples and exit codes of its `page`.
    """

    page: HelpPage

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option:
            option.callback = lambda ctx, _, asked: _say_and_exit(ctx, ctx.get_help()) if asked else None
        return option

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.page.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        with formatter.section("Exit codes"):
            formatter.write_text(self.page.exit_codes)


def _say_and_exit(ctx: click.Context, text: str) -> None:
    if not ctx.resilient_parsing:
        output.say(text)
        ctx.exit()


def version_option() -> click.Option:
    """`--version`, which says it and ends; with --verbose, which is eager, what a bug report needs."""

    def obey(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if not asked:
            return
        if output.tracer() is None:
            _say_and_exit(ctx, f"image-cleanup {__version__}")
            return
        from cleanup.cli import version  # it asks the system many things

        _say_and_exit(ctx, version.in_full())

    return click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        help="Show the version, or with -v all that a bug report needs.",
        callback=obey,
    )


def log_format_option() -> click.Option:
    """`--log-format`, of every command and before it: only checked here, for it was obeyed before (`asked_for`)."""
    return _Option(
        ["--log-format"],
        type=_Choice(output.LogFormat),
        default=output.LogFormat.AUTO.value,
        expose_value=False,
        configured=False,
        panel="Logs",
        shared=True,
        help="How logs on stderr look; auto: plain on a terminal, else JSON.",
    )


def log_options() -> list[click.Parameter]:
    """The options that say how and how much is told on stderr: of every command, and before it."""
    return [
        _verbosity_option("--quiet", "-q", output.Verbosity.QUIET, "Only warnings and errors; no progress."),
        _verbosity_option(
            "--verbose", "-v", output.Verbosity.VERBOSE, "Also what is read, and each request."
        ),
        log_format_option(),
    ]


def _verbosity_option(name: str, short: str, least: output.Verbosity, text: str) -> click.Option:
    def obey(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            output.tell_only(least)

    return _Option(
        [name, short],
        shared=True,
        is_flag=True,
        is_eager=True,  # what is said about other options is told so, too
        expose_value=False,
        panel="Logs",
        help=text,
        callback=obey,
    )


_WHOLE = "cleanup.cli.whole_help"


def _help_all_option() -> click.Option:
    def obey(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            ctx.meta[_WHOLE] = True
            _say_and_exit(ctx, ctx.get_help())

    return click.Option(
        ["--help-all"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        help="Show what every option does and exit.",
        callback=obey,
    )


def _named(title: str, options: list[str], width: int) -> str:
    """A line or two of names, none of them broken at a hyphen."""
    indent = f"  {title:<12}"
    text = textwrap.fill(
        " ".join(options),
        width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_on_hyphens=False,
    )
    return f"{text}\n"


class _Command(Helped):
    """`prepare` is given the words of the command line by option, and gives values that stand behind the options."""

    def __init__(
        self,
        *args: Any,
        page: HelpPage,
        prepare: Callable[[Mapping[str, Any]], dict[str, Any]] | None,
        **says: Any,
    ) -> None:
        super().__init__(*args, **says)
        self.page = page
        self._prepare = prepare

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self._prepare and not ctx.resilient_parsing:
            ctx.default_map = self._values_behind(ctx, list(args))
        return super().parse_args(ctx, args)

    def _values_behind(self, ctx: click.Context, args: list[str]) -> dict[str, Any]:
        try:
            words, _, _ = self.make_parser(ctx).parse_args(args)
        except click.UsageError:  # which the real reading says
            return {}
        if self._prepare is None or any(words.get(name) for name in self._helps(ctx)):
            return {}
        takers = {one.name for one in self.params if isinstance(one, _Option) and one.configured}
        return {name: value for name, value in self._prepare(words).items() if name in takers}

    def _helps(self, ctx: click.Context) -> set[str]:
        """What the options that show help are called; click calls its own by a name of its own."""
        own = self.get_help_option(ctx)
        return {"help_all", own.name if own and own.name else "help"}

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What stands after a form feed is for those who ask for all."""
        short, _, more = (self.help or "").partition("\f")
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(
                f"{short.rstrip()}\n\n{more.strip()}" if _WHOLE in ctx.meta else short.rstrip()
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options with what they do; of the shared ones the names, unless all is asked for."""
        panels: dict[str, list[tuple[str, str]]] = {}
        names: dict[str, list[str]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            panel = getattr(parameter, "panel", "Options")
            if record and getattr(parameter, "shared", False) and _WHOLE not in ctx.meta:
                names.setdefault(panel, []).append("/".join(parameter.opts))
            elif record:
                panels.setdefault(panel, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=25)
        if names:
            with formatter.section("More options, explained by --help-all"):
                for title, found in names.items():
                    formatter.write(_named(title, found, formatter.width))

    def get_short_help_str(self, limit: int = 45) -> str:
        """The whole first line: a summary that is cut says nothing."""
        return (self.help or "").partition("\n")[0]


def command(name: str, asked: Callable[..., Any], page: HelpPage) -> click.Command:
    """What is asked for as a click command: a function, or a dataclass of options.

    The function of its name in `cleanup.cli.work` takes the latter, and is imported when it is run.
    """
    hints = get_type_hints(asked, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    params = [
        _spelled_out(name, hints[name], parameter.default)
        for name, parameter in signature(asked).parameters.items()
        if name not in groups
    ]
    for group in groups.values():
        types = get_type_hints(group, include_extras=True)
        shared = [_spelled_out(field.name, types[field.name], field.default) for field in fields(group)]
        for parameter in shared:
            vars(parameter)["shared"] = True
        params += shared

    def run(**given: Any) -> None:
        _require_folder()
        _trace_call(click.get_current_context())
        taken = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        options = asked(**given, **taken)
        if is_dataclass(asked):
            getattr(import_module(f"cleanup.cli.work.{name}"), name)(options)

    params += [*log_options(), _help_all_option()]
    text = cleandoc(asked.__doc__ or "")
    prepare = next((group.prepare for group in groups.values() if hasattr(group, "prepare")), None)
    return _Command(name, callback=run, params=params, prepare=prepare, help=text, page=page)


def _trace_call(ctx: click.Context) -> None:
    """Tell, with --verbose, what the command was given and where that came from."""
    trace = output.tracer()
    if trace is None:
        return
    trace(f"image-cleanup {__version__} {ctx.info_name}", folder=str(Path.cwd()))
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in ctx.params and source in (
            ParameterSource.COMMANDLINE,
            ParameterSource.ENVIRONMENT,
        ):
            origin = parameter.envvar if source is ParameterSource.ENVIRONMENT else "the command line"
            name = parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.make_metavar(ctx)
            trace(f"{name} = {_shown(ctx.params[parameter.name])}", origin=origin)


def _shown(value: Any) -> str:
    """A value for people; a URL without the login that somebody wrote into it."""
    words = map(_shown, value) if isinstance(value, tuple) else [str(getattr(value, "value", value))]
    return re.sub(r"//[^/@\s]*@", "//***@", " ".join(words))


def _require_folder() -> None:
    """Raise UsageError where the current folder was removed: no path could be told apart from another."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be used ({error.strerror}): cd to one that exists"
        ) from error


def _spelled_out(name: str, annotated: Any, default: Any) -> click.Parameter:
    hint, option = get_args(annotated)
    spelled: click.Parameter = option.spelled_out(name, hint, None if default in _NO_DEFAULT else default)
    return spelled
