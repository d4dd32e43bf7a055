"""Reports: a plan or a journal as table, JSON, CSV, Markdown or HTML, one file per format over one view."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from cleanup.journal import JournalFile
from cleanup.plan.file import Plan
from cleanup.reports import journal_view, plan_view
from cleanup.reports.journal_view import summary_line
from cleanup.reports.plan_verdict import plan_line

__all__ = ["Format", "plan_line", "render", "summary_line"]


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


def render(
    subject: Plan | JournalFile,
    format: Format,
    *,
    width: int = 80,
    color: bool = False,
    height: int | None = None,
    short: bool = False,
    file: Path | None = None,
    obstacle: str | None = None,
) -> Iterator[str]:
    """The report of a plan or a journal, as text in pieces of some size; it ends with a newline.

    `width` (columns), `color` and the `height` (lines, of a screen) are for the table alone; a
    `short` one has no lists and no facts. `file` is where a plan
    lies; `obstacle` is why a journal's plan cannot be gone on with.
    """
    report = (
        plan_view.view(subject, file) if isinstance(subject, Plan) else journal_view.view(subject, obstacle)
    )
    match format:
        case Format.TABLE:
            from cleanup.reports import table

            yield table.text(report, width, color, height, short=short)
        case Format.JSON:
            from cleanup.reports import json_document as json

            yield from json.pieces(report)
        case Format.CSV:
            from cleanup.reports import csv_rows as csv

            yield from csv.pieces(report)
        case Format.MARKDOWN:
            from cleanup.reports import markdown

            yield from markdown.pieces(report)
        case Format.HTML:
            from cleanup.reports import html_page

            yield from html_page.pieces([report])
        case _:
            assert_never(format)
