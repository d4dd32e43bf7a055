"""A report for a terminal or a log: 80 columns will do, all of its own characters are ASCII."""

import io
from itertools import islice
from typing import Any

from rich.box import Box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cleanup.reports.formatting import plain
from cleanup.reports.view import Report, Section, Tally

_ROWS = 50
_MOST_ROWS = 1000
_WIDE = 110
_RULED = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def text(report: Report, width: int, color: bool) -> str:
    """The whole report, `width` columns wide; with escape codes only if `color`."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
    )
    with console.capture() as capture:
        for part in _parts(report, width):
            console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().split("\n")).rstrip("\n") + "\n"


def _parts(report: Report, width: int) -> list[RenderableType]:
    """All that is printed. Texts are Text objects: rich reads no markup in them."""
    return [
        _text(report.title, style="bold"),
        *(_text(f"WARNING: {warning}", style="bold red", overflow="fold") for warning in report.warnings),
        "",
        _facts(report),
        *(part for tally in report.tallies if tally.counts for part in ("", _tally(tally))),
        *(part for section in report.sections if _shown(section) for part in ("", *_section(section, width))),
    ]


def _text(text: str, **look: Any) -> Text:
    """What a report says, with no effect on a terminal but its look."""
    return Text(plain(text), **look)


def _facts(report: Report) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for fact in report.facts:
        grid.add_row(fact.label, _text(fact.text))
    return grid


def _tally(tally: Tally) -> Table:
    table = _ruled()
    table.add_column(_text(tally.title), overflow="fold")
    table.add_column("images", justify="right", no_wrap=True)
    for word, number in tally.counts.items():
        table.add_row(_text(word), f"{number:,}")
    return table


def _shown(section: Section) -> int:
    """How many rows: a screenful, but every urgent one as long as people can still read them."""
    return 0 if section.collapsed else min(len(section.rows), max(_ROWS, section.highlighted), _MOST_ROWS)


def _section(section: Section, width: int) -> list[RenderableType]:
    columns = [column for column in section.columns if width >= _WIDE or not column.wide]
    table = _ruled()
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
        )
    shown = _shown(section)
    for number, row in enumerate(islice(section.rows, shown)):
        style = "red" if number < section.highlighted else None
        table.add_row(*(_text(column.of(row)) for column in columns), style=style)
    left = len(section.rows) - shown
    more = [Text(f"... and {left:,} more: --format csv shows all", style="dim")] if left else []
    return [_text(section.title, style="bold"), table, *more]


def _ruled() -> Table:
    return Table(box=_RULED, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
