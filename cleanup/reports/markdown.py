"""A report as Markdown for a pull request or a chat message, small enough for either.

Everything stands in tables. What is not harmless prose is set as code, where Markdown has no
markup, no mentions and no links.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from cleanup.reports.formatting import escaped
from cleanup.reports.view import Column, Report, Section, Tally

_ROOM = 40_000  # characters for the lists of images; a comment on GitHub takes 65,536 in all
_ROWS_IN_THE_OPEN = 20
_PROSE = re.compile(r"(?:[^\W_]|[ .,;()'%?+-]|:(?= )|/(?!/)|(?<=[^\W_])_(?=[^\W_]))*")


def pieces(report: Report) -> Iterator[str]:
    """The text, a paragraph or a table at a time."""
    yield f"## {span(report.title)}\n"
    for warning in report.warnings:
        yield f"\n> **WARNING** {span(warning)}\n"
    yield "\n" + _table(("", ""), report.facts)
    for tally in report.tallies:
        yield from _tally(tally)
    room = _ROOM
    for section in report.sections:
        lines = list(_rows_within(section, room))
        room -= sum(map(len, lines))
        yield from _section(section, lines)


def span(text: str) -> str:
    r"""`text` as it stands where it is prose, as code otherwise; fit for a table's cell.

    Code cannot be escaped from: backticks show as `\x60`, and a pipe after a backslash as `\x7c`.
    """
    if _PROSE.fullmatch(text) and "www." not in text:
        return text
    code = text.replace("`", escaped("`")).replace("\\|", "\\" + escaped("|")).replace("|", "\\|")
    return f"`{code}`"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], ruler: Sequence[str] = ()) -> str:
    lines = [_line(header), _line(ruler or ["---"] * len(header)), *(_line(map(span, row)) for row in rows)]
    return "".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _tally(tally: Tally) -> Iterator[str]:
    if tally.counts:
        rows = ((word, f"{number:,}") for word, number in tally.counts.items())
        yield "\n" + _table((tally.title, "images"), rows, ("---", "---:"))


def _rows_within(section: Section, room: int) -> Iterator[str]:
    for row in section.rows:
        line = _line(span(column.of(row)) for column in section.columns)
        room -= len(line)
        if room < 0:
            return
        yield line


def _section(section: Section, lines: Sequence[str]) -> Iterator[str]:
    if not section.rows:
        return
    left = len(section.rows) - len(lines)
    more = f"\n... and {left:,} more: `--format csv` shows all\n" if left else ""
    table = _head(section.columns) + "".join(lines) + more
    if section.collapsed or len(lines) > _ROWS_IN_THE_OPEN:
        summary = f"{section.title} ({len(section.rows):,})"
        yield f"\n<details><summary>{summary}</summary>\n\n{table}\n</details>\n"
    else:
        yield f"\n**{section.title}**\n\n{table}"


def _head(columns: Sequence[Column]) -> str:
    return _table([c.title for c in columns], (), ["---:" if c.right else "---" for c in columns])
