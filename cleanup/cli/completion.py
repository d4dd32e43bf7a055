"""`completion`: the script that lets a shell complete commands, options, choices and files."""

from enum import StrEnum
from typing import Annotated

import click
from click.shell_completion import ShellComplete, get_completion_class

from cleanup.cli.output import say
from cleanup.cli.parsing import Argument

_VARIABLE = "_IMAGE_CLEANUP_COMPLETE"  # what click looks for when a shell asks it


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, Argument(metavar="bash|zsh|fish", help="The shell to complete in.")],
) -> None:
    """Print the script that lets a shell complete commands, options, choices and files.

    Try it at once with `eval "$(image-cleanup completion bash)"`. Completing a word asks no service.
    """
    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all of Shell
    # Not its own `source`: for bash that starts a bash, to complain about versions before 4.4.
    say(ShellComplete.source(kind(root.command, {}, root.info_name or "image-cleanup", _VARIABLE)))
