"""Figures, times and foreign text as people read them: one spelling for every format."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_BEYOND = "PiB"


def plain(text: str) -> str:
    """`text` on one line and without effect on a terminal: what does not print is shown as an escape.

    Names, tags and error messages come from the service and may hold control characters, ANSI
    escapes, newlines, or marks that turn the reading direction.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else escaped(char) for char in text)


def plain_words(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by word, each word safe to print."""
    return {plain(word): number for word, number in counts.items()}


def file_name(path: Path) -> str:
    r"""A path as Unicode: bytes in it that are none show as `\udcNN`."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def escaped(char: str) -> str:
    r"""One character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, whichever is shortest."""
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def size(amount: int | None) -> str:
    """Bytes in binary units with one decimal; `?` for unknown."""
    if amount is None:
        return "?"
    if amount < 1024:
        return f"{amount} B"
    value = amount / 1024
    for unit in _UNITS:
        if round(value, 1) < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} {_BEYOND}"


def count(number: int, noun: str) -> str:
    """`1 image`, `2,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def label(namespace: str | None, name: str | None, tag: str | None) -> str:
    """`namespace/name:tag`, `?` where the service did not say."""
    return f"{namespace or '?'}/{name or '?'}:{tag or '?'}"


def folded(text: str, width: int | None) -> str:
    """The lines, those that are longer than a screen is wide broken between words; None leaves them whole.

    What goes on stands two columns further in than the line. A word is never broken: it may be copied.
    """
    if width is None:
        return text
    return "".join(_fitted(line, width) for line in text.splitlines(keepends=True))


def _fitted(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return (
        textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        + "\n"
    )
