"""What click refuses on a command line, in our words, with the command or option that was probably meant."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

import click

from cleanup.errors import UsageError

_CLOSE = 0.7  # of 1, dashes left out: `polices` is close to `policy`, `deadline` is not to `endpoint`
_MEANT = {
    "check": "validate",
    "clean": "run",
    "cleanup": "run",
    "delete": "apply",
    "lint": "validate",
    "list": "inventory",
    "rollback": "restore",
    "show": "report",
    "undo": "restore",
    "why": "explain",
}
_WORDS = {
    r"is not a valid float": "is not a number",
    r"is not a valid integer": "is not a whole number",
    r"is not in the range (\S+)<=x<=(\S+)": r"is not from \1 to \2",
    r"is not in the range x>=(\S+)": r"is less than \1",
    r"\. Choose from:.*": "",  # the argument's name has them
}


def refusal(error: click.ClickException) -> UsageError:
    """What click refuses, as an error of ours."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = f"; see {context.command_path} --help" if context else ""
    return UsageError(_said(error, context) + where)


def _said(error: click.ClickException, context: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption) and context:
        return f"No such option '{error.option_name}'{_option_advice(error.option_name, context)}"
    if isinstance(error, click.exceptions.NoSuchCommand) and (
        meant := _MEANT.get(error.command_name.lower())
    ):
        return f"No such command '{error.command_name}': perhaps '{meant}' is meant"
    text = error.format_message().rstrip(".")
    for words, ours in _WORDS.items():
        text = re.sub(words, ours, text, flags=re.DOTALL)
    return text


def _option_advice(name: str, context: click.Context) -> str:
    """One of this command's options that is much like it, else the commands that do have it."""
    own = list(_options(context.command))
    spelled = {option.strip("-"): option for option in own}
    if close := get_close_matches(name.strip("-"), spelled, n=1, cutoff=_CLOSE):
        return f": perhaps {spelled[close[0]]} is meant"
    group = context.find_root().command
    if not isinstance(group, click.Group) or group is context.command or len(name) < 3:
        return ""
    commands = {one: group.get_command(context, one) for one in group.list_commands(context)}
    takers = [one for one, command in commands.items() if command and name in _options(command)]
    return f": {_listed(takers)} it, `{context.info_name}` does not" if takers else ""


def _options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from (*parameter.opts, *parameter.secondary_opts)


def _listed(names: list[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} and {last} take" if others else f"{last} takes"
