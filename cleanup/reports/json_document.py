"""A report as one JSON document: the head's fields, then `images`, one a line.

Nothing is left out or changed; characters that a terminal would obey are written as JSON escapes.
"""

from collections.abc import Iterator
from itertools import islice

import msgspec

from cleanup.reports.view import Report

_IMAGES_A_PIECE = 1000


def pieces(report: Report) -> Iterator[str]:
    """The document in pieces that are text as soon as they are joined."""
    head = msgspec.json.format(msgspec.json.encode(report.head), indent=2).decode()
    yield _inert(head.removesuffix("\n}") + ',\n  "images": [')
    encode = msgspec.json.Encoder().encode
    rows, comma = iter(report.rows), ""
    while piece := list(islice(rows, _IMAGES_A_PIECE)):
        lines = ",".join("\n    " + encode(row).decode() for row in piece)
        yield comma + _inert(lines)
        comma = ","
    yield "\n  ]\n}\n"


def _inert(document: str) -> str:
    r"""Escape what does not print, as `\uNNNN`: outside of strings JSON has only newlines of that kind."""
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(char if char.isprintable() or char == "\n" else _unit(char) for char in document)


def _unit(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
