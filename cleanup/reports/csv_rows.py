"""A report as CSV for spreadsheets: a header line, then one line an image and nothing else.

The columns are the fields of PlanRow or ResultRow. A text that a spreadsheet would take for a formula
gets a leading apostrophe, control characters are shown as escapes: scripts that need the exact
texts take JSON.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence

import msgspec

from cleanup.reports.formatting import plain
from cleanup.reports.view import Report

_IMAGES_A_PIECE = 1000
_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001 - spreadsheets take full-width signs, too


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
            return f"'{plain(value)}" if _FORMULA.match(value) else plain(value)
        case _:
            return str(value)
