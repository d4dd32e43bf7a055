"""Our command lines in documents: found where readers paste them from, and read as the CLI itself reads them."""

import re
import shlex
from functools import cache
from typing import Any

from cleanup.cli import build

_HELP = {"-h", "--help", "--help-all"}
_OURS = re.compile(r"(?<![\w./-])(?<!-n )image-cleanup(?::\S+)? +([a-z]+(?: [^|&;>\n]*)?)")


def blocks(markdown: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE)


def in_markdown(markdown: str) -> list[list[str]]:
    """The command lines in the shell blocks and in the spans of code."""
    prose = re.sub(r"^```.*?^```$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    code = [*blocks(markdown, "sh"), *re.findall(r"`([^`]+)`", prose)]
    return [words for text in code for words in in_shell(text)]


def in_shell(text: str) -> list[list[str]]:
    """The command lines in a piece of shell: command, then options and arguments."""
    lines = text.replace("\\\n", " ")
    return [shlex.split(found, comments=True) for found in _OURS.findall(lines)]


@cache
def commands() -> dict[str, Any]:
    """The commands of the CLI by name."""
    group: Any = build()
    return {name: group.get_command(None, name) for name in group.list_commands(None)}


def options_of(name: str) -> dict[str, Any]:
    """The options of a command, by every spelling; `--help` is one without a parameter behind it."""
    named = {word: parameter for parameter in commands()[name].params for word in _spellings(parameter)}
    return named | {"-h": None, "--help": None}


def _spellings(parameter: Any) -> list[str]:
    return [word for word in (*parameter.opts, *parameter.secondary_opts) if word.startswith("-")]


def check(words: list[str]) -> None:
    """Let the CLI parse a command line, without running it; raises for one that it would refuse."""
    name, *rest = words
    assert name in commands(), f"no command {name}"
    if _HELP & set(rest):
        rest = [word for word in rest if word not in _HELP]
        commands()[name].make_context(name, rest, resilient_parsing=True)
        return
    commands()[name].make_context(name, rest)
