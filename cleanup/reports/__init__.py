"""Reports: a plan or a journal as table, JSON, CSV or Markdown, one file per format over one view."""

from collections.abc import Iterator
from enum import StrEnum
from typing import assert_never

from cleanup.journal import JournalFile
from cleanup.plan.file import Plan
from cleanup.reports import journal_view, plan_view
from cleanup.reports.journal_view import summary_line
from cleanup.reports.plan_view import plan_line

__all__ = ["Format", "plan_line", "render", "summary_line"]


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def render(
    subject: Plan | JournalFile,
    format: Format,
    *,
    width: int = 100,
    color: bool = False,
) -> Iterator[str]:
    """The report of a plan or a journal, as text in pieces of some size; it ends with a newline.

    `width` (columns) and `color` are for the table alone.
    """
    report = plan_view.view(subject) if isinstance(subject, Plan) else journal_view.view(subject)
    match format:
        case Format.TABLE:
            from cleanup.reports import table

            yield table.text(report, width, color)
        case Format.JSON:
            from cleanup.reports import json_document as json

            yield from json.pieces(report)
        case Format.CSV:
            from cleanup.reports import csv_rows as csv

            yield from csv.pieces(report)
        case Format.MARKDOWN:
            from cleanup.reports import markdown

            yield from markdown.pieces(report)
        case _:
            assert_never(format)
