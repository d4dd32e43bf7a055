"""A report as CSV for spreadsheets: a header line, then one line an image and nothing else.

The columns are the fields of PlanRow or ResultRow. A text that a spreadsheet would take for a formula
gets a leading apostrophe, control characters are shown as escapes: scripts that need the exact
texts take JSON.
"""

import csv
import io
from collections.abc import Iterator, Sequence

import msgspec

from cleanup.reports.formatting import plain
from cleanup.reports.view import Report

_IMAGES_A_PIECE = 1000
_FORMULA_STARTS = ("=", "+", "-", "@")


def pieces(report: Report) -> Iterator[str]:
    """The table in pieces of whole lines. Unknown is an empty cell, times are RFC 3339, sizes bytes."""
    yield ",".join(report.row_type.__struct_fields__) + "\n"
    for start in range(0, len(report.rows), _IMAGES_A_PIECE):
        yield _lines(report.rows[start : start + _IMAGES_A_PIECE])


def _lines(rows: Sequence[msgspec.Struct]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(_cell, msgspec.to_builtins(row).values()) for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            text = plain(value)
            return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
        case _:
            return str(value)
