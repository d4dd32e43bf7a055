"""The three questions of `init --interactive`: asked on a terminal, again until the answer is a valid one."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

from cleanup.cli import confirmation
from cleanup.cli.output import STDERR
from cleanup.errors import UsageError
from cleanup.starter.families import Answers
from cleanup.stop import Stop

T = TypeVar("T")
_NAMESPACE: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}[*]?")
_DAYS: Final = range(7, 3651)
_KEEP: Final = range(1, 51)


def require_terminal() -> None:
    """Raise UsageError where nobody could answer."""
    if not confirmation.is_watched():
        raise UsageError("--interactive asks on a terminal, and there is none: leave it out")


async def ask(_stop: Stop) -> Answers:
    """The answers. Raises UsageError when the terminal's end comes first."""
    usual = Answers()
    return Answers(
        await _answer(
            "Which namespaces must stay untouched (names or beginnings like prod-*, with commas)? [none]",
            _namespaces,
        ),
        await _answer(
            f"After how many days without a change may a build go? [{usual.days}]", _number(usual.days, _DAYS)
        ),
        await _answer(
            f"How many of each image's newest stay, however old? [{usual.keep}]", _number(usual.keep, _KEEP)
        ),
    )


async def _answer(question: str, read: Callable[[str], T]) -> T:
    while True:
        STDERR.write(f"{question}\n> ")
        STDERR.flush()
        line = await confirmation.read_answer()
        if not line.endswith("\n"):
            STDERR.write("\n")
            raise UsageError("the answers ended early: nothing was written")
        try:
            return read(line.strip())
        except ValueError as error:
            STDERR.write(f"{error}\n")


def _namespaces(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not all(map(_NAMESPACE.fullmatch, names)):
        raise ValueError("a namespace has lower-case letters, digits, - and _, and may end with *")
    return names


def _number(usual: int, among: range) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text:
            return usual
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) in among):
            raise ValueError(f"a number from {among[0]} to {among[-1]}, please")
        return int(text)

    return read
