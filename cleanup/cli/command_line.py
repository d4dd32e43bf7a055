"""The command line that was given, as words to paste: of another command, or of the same one again."""

import shlex
from collections.abc import Collection, Iterator
from typing import Any, Final

import click
from click.core import ParameterSource

from cleanup.cli.parsing import FolderPath

_SHOWN_OTHERWISE: Final = frozenset({"format", "output"})
_TOLD_ALREADY: Final = frozenset({"notify", "metrics_file", "pushgateway"})


def given_options(names: Collection[str]) -> list[str]:
    """Of the options with these parameter names those that the command line gave, as words of another one."""
    return [word for one in _given() if one.name in names for word in _words(one)]


def look_again() -> str:
    """What shows the same once more, in the format that is written behind it.

    It is for commands whose `-o` is where they show their result.
    """
    context = click.get_current_context()
    left_out = _SHOWN_OTHERWISE | _TOLD_ALREADY
    words = [word for one in _given() if one.name not in left_out for word in _words(one)]
    return shlex.join(["image-cleanup", context.info_name or "", *words])


def _given() -> Iterator[click.Parameter]:
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in context.params and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            yield parameter


def _words(parameter: click.Parameter) -> list[str]:
    """An option with its values, or the values of an argument."""
    value = click.get_current_context().params[parameter.name or ""]
    is_option = isinstance(parameter, click.Option)
    if isinstance(value, bool):
        return [parameter.opts[-1]]
    values = [_word(one) for one in (value if isinstance(value, tuple) else (value,))]
    return [word for one in values for word in ([parameter.opts[-1], one] if is_option else [one])]


def _word(value: Any) -> str:
    if isinstance(value, FolderPath):
        return f"{value}/"
    return f"{value:g}" if isinstance(value, float) else str(value)
