"""Runs the shell blocks of a runbook as somebody at a keyboard would, with our command in this process.

Of a line of ours the shell expands the words, and gets what follows a pipe or `>`. `export NAME=...` is filled in by
the scenario, `# exit 4` behind a line says how it ends, and what needs a cluster or a cloud (AWAY) is only parsed.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import duckdb
import pytest

from tests.support import command_lines
from tests.support.cloud import Cli

OURS = "image-cleanup"
AWAY = frozenset({"curl", "kubectl", "systemctl", "journalctl"})


@dataclass(frozen=True)
class Ran:
    """One command of a page and what came of it."""

    text: str
    exit_code: int
    stdout: str = ""
    stderr: str = ""


@dataclass
class RunbookShell:
    """`known` is what the reader of the page knows: the values of the variables that it leaves open."""

    cli: Cli
    monkeypatch: pytest.MonkeyPatch
    known: Mapping[str, str] = field(default_factory=dict)

    def run(self, page: str) -> list[Ran]:
        """Every command of the page, in order; each must end as the page says."""
        return [self._checked(text) for text in every_command(page)]

    def _checked(self, text: str) -> Ran:
        said = re.search(r"#.*\bexit (\d+)", text)
        ran = self._run(text)
        expected = int(said[1]) if said else 0
        assert ran.exit_code == expected, f"{text}\nended with {ran.exit_code}\n{ran.stdout}{ran.stderr}"
        return ran

    def _run(self, text: str) -> Ran:
        match shlex.split(text, comments=True)[0]:
            case "image-cleanup":
                return self._ours(text)
            case "export":
                return self._export(text)
            case "duckdb":
                return _query(text)
            case program if program in AWAY:
                return shell(f"if false; then {text}\nfi", text)
            case _:
                assert not re.search(rf"(^|[^\w/.-]){OURS} ", text), f"{OURS} is not run: {text}"
                return shell(text, text)

    def _ours(self, text: str) -> Ran:
        command, rest = parted(text)
        words = expanded(command)[1:]
        takes_rate = words[0] in command_lines.commands() and "--rate" in command_lines.options_of(words[0])
        called = self.cli(*words, *(["--rate", "2000"] if takes_rate and "--rate" not in words else []))
        if called.exit_code or not rest:
            return Ran(text, called.exit_code, called.stdout, called.stderr)
        after = shell(f"cat {rest}", text, called.stdout)
        return Ran(text, after.exit_code, after.stdout, called.stderr + after.stderr)

    def _export(self, text: str) -> Ran:
        """Set what the line exports, with what the scenario knows in the place of `...`."""
        filled = re.sub(
            r"(\w+)=\.\.\.", lambda found: f"{found[1]}={shlex.quote(self.known[found[1]])}", text
        )
        ran = shell(f"{filled}\nenv -0", text)
        for name in re.findall(r"(\w+)=", filled):
            for value in re.findall(rf"(?:^|\0){name}=([^\0]*)", ran.stdout):
                self.monkeypatch.setenv(name, value)
        return Ran(text, ran.exit_code, stderr=ran.stderr)


def _query(text: str) -> Ran:
    """`duckdb FILE -c SQL`."""
    _, file, _, sql = expanded(text)
    with duckdb.connect(file) as database:
        return Ran(text, 0, str(database.sql(sql) or ""))


def every_command(page: str) -> list[str]:
    """The commands of all blocks of a page, in order."""
    return [text for block in command_lines.blocks(page, "sh") for text in commands(block)]


def commands(block: str) -> Iterator[str]:
    """The commands of a block: a line, with those that continue it and its here-document."""
    pending = ""
    for line in block.splitlines():
        pending += line + "\n"
        if not _goes_on(pending):
            if pending.strip() and not pending.startswith("#"):
                yield pending.strip()
            pending = ""
    assert not pending, f"this never ends: {pending}"


def _goes_on(text: str) -> bool:
    here = re.search(r"<<'?(\w+)'?", text)
    if here:
        return not re.search(rf"^{here[1]}$", text, re.MULTILINE)
    if text.endswith("\\\n"):
        return True
    try:
        shlex.split(text, comments=True)
    except ValueError:  # a quotation is open
        return True
    return False


def parted(text: str) -> tuple[str, str]:
    """A command line up to its first pipe or redirection, and the rest."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=False, punctuation_chars="|>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = list(lexer)
    end = next((at for at, word in enumerate(words) if word in ("|", ">")), len(words))
    return " ".join(words[:end]), " ".join(words[end:])


def expanded(command: str) -> list[str]:
    """The words that a shell makes of a command."""
    ran = shell(f"printf '%s\\0' {command}", command)
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout.split("\0")[:-1]


def shell(script: str, text: str, stdin: str = "") -> Ran:
    run = subprocess.run(
        ["/bin/sh", "-euc", script], input=stdin, capture_output=True, text=True, check=False, env=os.environ
    )
    return Ran(text, run.returncode, run.stdout, run.stderr)
