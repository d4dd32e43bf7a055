"""Commands made of what they take: their options, their help in two lengths, and the call of what they do."""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields, is_dataclass
from importlib import import_module
from inspect import cleandoc, signature
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

import click
from click.core import ParameterSource

from cleanup import __version__
from cleanup.cli import output
from cleanup.cli.log_options import log_options, say_and_exit
from cleanup.cli.pages import HelpPage
from cleanup.cli.parsing import ConfigurableOption, spelled_out
from cleanup.errors import CleanupError, UsageError


class Helped(click.Command):
    """A command whose help goes out as every result does: a full disk or a closed pipe is no bug.

    It ends with the examples and exit codes of its `page`.
    """

    page: HelpPage

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option:
            option.callback = lambda ctx, _, asked: say_and_exit(ctx, ctx.get_help()) if asked else None
        return option

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.page.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        with formatter.section("Exit codes"):
            formatter.write_text(self.page.exit_codes)


_WHOLE = "cleanup.cli.whole_help"


def _help_all_option() -> click.Option:
    def obey(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            ctx.meta[_WHOLE] = True
            say_and_exit(ctx, ctx.get_help())

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
    """`prepare` is given the words of the command line by option, and gives values that stand behind the options.

    `refuse` is given both and what is wrong, where that is refused.
    """

    def __init__(
        self,
        *args: Any,
        page: HelpPage,
        prepare: Callable[[Mapping[str, Any]], dict[str, Any]] | None,
        refuse: Callable[[Mapping[str, Any], Exception], None] | None,
        **says: Any,
    ) -> None:
        super().__init__(*args, **says)
        self.page = page
        self._prepare = prepare
        self._refuse = refuse

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        words = self._words(ctx, list(args))
        ctx.default_map = self._values_behind(ctx, words)
        try:
            return super().parse_args(ctx, args)
        except (click.UsageError, CleanupError) as error:
            if self._refuse:
                self._refuse(ctx.default_map | words, error)
            raise

    def _words(self, ctx: click.Context, args: list[str]) -> dict[str, Any]:
        """What stands on the command line by option, as far as that can be read."""
        parser = self.make_parser(ctx)
        parser.ignore_unknown_options = True
        try:
            return parser.parse_args(args)[0]
        except click.UsageError:  # which the real reading says
            return {}

    def _values_behind(self, ctx: click.Context, words: Mapping[str, Any]) -> dict[str, Any]:
        if self._prepare is None or any(words.get(name) for name in self._helps(ctx)):
            return {}
        takers = {one.name for one in self.params if isinstance(one, ConfigurableOption) and one.configured}
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
    own = [
        spelled_out(name, hints[name], parameter.default)
        for name, parameter in signature(asked).parameters.items()
        if name not in groups
    ]
    params = [*own, *chain.from_iterable(map(_shared, groups.values())), *log_options(), _help_all_option()]

    def run(**given: Any) -> None:
        words = dict(given)
        taken = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        with ExitStack() as around:
            for group in taken.values():
                if hasattr(group, "around"):
                    around.enter_context(group.around(words))
            _require_folder()
            _trace_call(click.get_current_context())
            options = asked(**given, **taken)
            if is_dataclass(asked):
                getattr(import_module(f"cleanup.cli.work.{name}"), name)(options)

    text = cleandoc(asked.__doc__ or "")
    prepare, refuse = (
        next((getattr(group, hook) for group in groups.values() if hasattr(group, hook)), None)
        for hook in ("prepare", "refuse")
    )
    return _Command(name, callback=run, params=params, prepare=prepare, refuse=refuse, help=text, page=page)


def _shared(group: Any) -> Iterator[click.Parameter]:
    """The options of a group, which `--help` only names."""
    types = get_type_hints(group, include_extras=True)
    for field in fields(group):
        parameter = spelled_out(field.name, types[field.name], field.default)
        vars(parameter)["shared"] = True
        yield parameter


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
