"""A report as Markdown for a pull request or a chat message, small enough for either.

Everything stands in tables. What is not harmless prose is set as code, where Markdown has no
markup, no mentions and no links.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from cleanup.reports.formatting import escaped, size
from cleanup.reports.view import Body, Column, Report, Section, Tally, left_out

_ROOM = 40_000  # characters for the lists of images; a comment on GitHub takes 65,536 in all
_LONGEST = 1000
_ROWS = 50  # of images, in all lists
_ROWS_IN_THE_OPEN = 20
_PROSE = re.compile(r"(?:[^\W_]|[ .,;()'%?+-]|:(?= )|/(?!/)|(?<=[^\W_])_(?=[^\W_]))*")


def documents(reports: Sequence[Report]) -> Iterator[str]:
    """The texts of all reports, one below the other, in the room of one."""
    for number, report in enumerate(reports):
        yield "\n" if number else ""
        yield from _pieces(report, len(reports))


def _pieces(report: Report, among: int) -> Iterator[str]:
    """A paragraph or a table at a time. A report shares its room with the others `among` which it stands."""
    yield f"## {span(report.title)}\n"
    if report.verdict:
        yield f"\n**{span(report.verdict)}**\n"
    for warning in report.warnings:
        yield f"\n> **WARNING** {span(warning)}\n"
    if report.facts:
        yield "\n" + _table(("", ""), report.facts)
    for tally in report.body.tallies:
        yield from _tally(tally)
    yield from _sections(report.body, _ROWS // among, _ROOM // among)


def _sections(body: Body, most: int, room: int) -> Iterator[str]:
    shown, urgent, is_cut = set[Any](), dict[str, int](), False
    for section in body.sections:
        rows = list(islice(section.rows, most if section.images else None))
        lines = list(_lines_within(section, rows, room))
        room -= sum(map(len, lines))
        if section.images:
            most -= len(lines)
            shown.update(() if section.collapsed else rows[: len(lines)])
        urgent[section.urgent] = max(section.highlighted - len(lines), 0)
        is_cut = is_cut or (not section.images and len(lines) < len(rows))
        yield from _section(section, lines)
    if left := left_out(body, len(shown), urgent):
        yield f"\n{left}: {span(body.more)}\n" if body.more else f"\n{left}\n"
    elif is_cut:
        yield "\nnot all of it fits here: the same command with `--format csv` shows all\n"


def span(text: str) -> str:
    r"""`text` as it stands where it is prose, as code otherwise; fit for a table's cell.

    Code cannot be escaped from: backticks show as `\x60`, and a pipe after a backslash as `\x7c`. What is very long
    is shortened inside, with a sign.
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
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
    if not tally.counts:
        return
    sizes = tally.sizes
    columns, ruler = [tally.title, "images"], ["---", "---:"]
    if sizes:
        columns, ruler = [*columns, "leaves SWR"], [*ruler, "---:"]
    rows = [
        (word, f"{number:,}", *([size(sizes[word])] if sizes else []))
        for word, number in tally.counts.items()
    ]
    more = f"\n... and {tally.more:,} more\n" if tally.more else ""
    yield "\n" + _table(columns, rows, ruler) + more


def _lines_within(section: Section, rows: Sequence[Any], room: int) -> Iterator[str]:
    for row in rows:
        line = _line(span(column.of(row)) for column in section.columns)
        room -= len(line)
        if room < 0:
            return
        yield line


def _section(section: Section, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    number = f" ({len(lines):,} of {len(section.rows):,})" if len(lines) < len(section.rows) else ""
    legend = f"{span(section.legend)}\n\n" if section.legend else ""
    table = legend + _head(section.columns) + "".join(lines)
    if section.collapsed or len(lines) > _ROWS_IN_THE_OPEN:
        yield f"\n<details><summary>{section.title}{number}</summary>\n\n{table}\n</details>\n"
    else:
        yield f"\n**{section.title}{number}**\n\n{table}"


def _head(columns: Sequence[Column]) -> str:
    return _table([span(c.title) for c in columns], (), ["---:" if c.right else "---" for c in columns])
