"""Reports as one JSON document: the head's fields, then the rows, one a line; of many targets a list of documents.

Nothing is left out or changed; characters that a terminal would obey are written as JSON escapes. Its JSON
Schema is made by `cleanup/reports/json_schema.py`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from cleanup.reports.view import Report

_IMAGES_A_PIECE = 1000


def pieces(reports: Sequence[Report], *, many: bool = False) -> Iterator[str]:
    """The document in pieces that are text as soon as they are joined.

    Where there are `many`, the first report is the head and the others are listed as its `targets`.
    """
    first, *others = reports
    if not many:
        yield from _document(first)
        return
    yield _opened(first) + ',\n  "targets": ['
    comma = "\n"
    for one in others:
        yield comma
        yield from _document(one)
        comma = ","
    yield "  ]\n}\n"


def _document(report: Report) -> Iterator[str]:
    if report.rows_in_head:
        yield _opened(report) + "\n}\n"
        return
    yield _opened(report) + ',\n  "images": ['
    encode = msgspec.json.Encoder().encode
    rows, comma = iter(report.rows), ""
    while piece := list(islice(rows, _IMAGES_A_PIECE)):
        lines = ",".join("\n    " + encode(row).decode() for row in piece)
        yield comma + inert(lines)
        comma = ","
    yield "\n  ]\n}\n"


def _opened(report: Report) -> str:
    """The head as an object that is not closed yet."""
    head = msgspec.json.format(msgspec.json.encode(report.head), indent=2).decode()
    return inert(head.removesuffix("\n}"))


def inert(document: str) -> str:
    r"""Escape what does not print, as `\uNNNN`: outside of strings JSON has only newlines of that kind."""
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(char if char.isprintable() or char == "\n" else _unit(char) for char in document)


def _unit(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
