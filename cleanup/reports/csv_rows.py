"""Reports as CSV for spreadsheets: a header line, then one line an image and nothing else.

The columns are the fields of the rows (PlanRow, ResultRow and so on), after a first one, `target`, where there are
many targets. A text that a spreadsheet would take for a formula
gets a leading apostrophe, control characters are shown as escapes: scripts that need the exact
texts take JSON.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import NoneType
from typing import cast

import msgspec

from cleanup.reports.formatting import plain
from cleanup.reports.view import Report, columns_of

_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001 - spreadsheets take full-width signs, too


def pieces(reports: Sequence[Report], *, many: bool = False) -> Iterator[str]:
    """The table in pieces of whole lines. Unknown is an empty cell, times are RFC 3339, sizes bytes,
    several values stand with commas between them.

    Where there are `many`, the first report is their summary and has no lines here.
    """
    shown = reports[1:] if many else reports
    names = tuple(dict.fromkeys(name for one in shown for name in one.row_type.__struct_fields__))
    yield ",".join(("target", *names) if many else names) + "\n"
    for one in shown:
        start = _cell(one.target) + "," if many else ""
        yield from _lines(one, names, start)


def _lines(report: Report, names: Sequence[str], start: str) -> Iterator[str]:
    """The lines of one report, each with the same beginning."""
    for columns in columns_of(report.rows, report.row_type):
        cells = {name: _cells(values) for name, values in columns.items()}
        missing = [""] * len(next(iter(cells.values())))
        lines = map(",".join, zip(*(cells.get(name, missing) for name in names), strict=True))
        yield start + f"\n{start}".join(lines) + "\n"


def _cells(values: Sequence[object]) -> Sequence[str]:
    """One column. The csv module looks at each character of each cell, in three times the time."""
    types = set(map(type, values))
    if types == {str} and _are_harmless(texts := cast("Sequence[str]", values)):
        return [f'"{one}"' if "," in one else one for one in texts] if "," in "".join(texts) else texts
    if types == {int}:
        return list(map(str, values))
    if types <= {datetime, NoneType}:
        return ["" if one is None else one for one in msgspec.to_builtins(values)]
    if types & {dict, tuple} or len(known := dict.fromkeys(values)) * 2 > len(values):
        return list(map(_cell, values))
    cells = {value: _cell(value) for value in known}
    return list(map(cells.__getitem__, values))


def _are_harmless(texts: Sequence[str]) -> bool:
    """Whether all of them are plain ASCII and begin with a letter or digit, as nearly all names and words do."""
    together, beginnings = "".join(texts), "".join([one[:1] for one in texts])
    return (
        together.isascii()
        and together.isprintable()
        and '"' not in together
        and beginnings.isalnum()
        and len(beginnings) == len(texts)
    )


def _cell(value: object) -> str:
    match value:
        case str():
            return _quoted(f"'{plain(value)}" if _FORMULA.match(value) else plain(value))
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return _cell(", ".join(map(str, value)))
        case dict():
            return _cell(", ".join(f"{word} {number}" for word, number in value.items()))
        case datetime():
            return str(msgspec.to_builtins(value))
        case _:
            return str(value)


def _quoted(text: str) -> str:
    """One line of text as a cell (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text
