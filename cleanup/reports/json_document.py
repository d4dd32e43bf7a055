"""Reports as one JSON document: the head's fields, then the rows, one a line; of many targets a list of documents.

Nothing is left out or changed; characters that a terminal would obey are written as JSON escapes. Its JSON
Schema is made by `cleanup/reports/json_schema.py`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from cleanup.reports.view import Report

_IMAGES_A_PIECE = 1000
_UNPRINTED = re.compile(r"[^ -~\n\w]")  # among them is all that does not print


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
    between = ""
    for lines in encoded(report.rows):
        yield f"{between}\n    " + lines.removesuffix("\n").replace("\n", ",\n    ")
        between = ","
    yield "\n  ]\n}\n"


def encoded(rows: Iterable[msgspec.Struct]) -> Iterator[str]:
    """Rows as JSON, a line each, many lines at a time: line breaks stand between rows only."""
    encode, rest = msgspec.json.Encoder().encode_lines, iter(rows)
    while piece := list(islice(rest, _IMAGES_A_PIECE)):
        yield inert(encode(piece).decode())


def _opened(report: Report) -> str:
    """The head as an object that is not closed yet."""
    head = msgspec.json.format(msgspec.json.encode(report.head), indent=2).decode()
    return inert(head.removesuffix("\n}"))


def inert(document: str) -> str:
    r"""Escape what does not print, as `\uNNNN`: outside of strings JSON has only newlines of that kind."""
    if document.isascii() and "\x7f" not in document:
        return document
    return _UNPRINTED.sub(lambda found: found[0] if found[0].isprintable() else _unit(found[0]), document)


def _unit(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
