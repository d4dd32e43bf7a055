"""Reports: one view of a plan, a journal or any other result, and one file a format that shows it."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, assert_never

from cleanup.reports.formatting import folded
from cleanup.reports.view import Report

if TYPE_CHECKING:
    from cleanup.journal import JournalFile
    from cleanup.plan.plan import Plan

__all__ = ["FORMATS", "Format", "render", "view"]


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"  # of policy tests alone


FORMATS: Final = tuple(one for one in Format if one is not Format.JUNIT)  # those of every report


def view(
    subject: "Plan | JournalFile",
    *,
    file: Path | None = None,
    command: str = "",
    obstacle: str | None = None,
) -> Report:
    """What every format shows of a plan or a journal.

    `file` is where a plan lies, `command` what shows one again that lies nowhere; `obstacle` is why a journal's plan
    cannot be gone on with.
    """
    from cleanup.plan.plan import Plan

    if isinstance(subject, Plan):
        from cleanup.reports import plan_view

        return plan_view.view(subject, file, command)
    from cleanup.reports import journal_view

    return journal_view.view(subject, obstacle)


def render(
    reports: Sequence[Report],
    format: Format,
    *,
    many: bool = False,
    width: int = 80,
    color: bool = False,
    height: int | None = None,
    short: bool = False,
) -> Iterator[str]:
    """The reports as one document, in pieces of some size; it ends with a newline.

    `many`: the first is the summary of the others, which are a target each (targets_view.together). `width` (columns),
    `color` and the `height` (lines, of a screen) are for the table alone; a `short` one has no lists and no facts.
    """
    match format:
        case Format.TABLE:
            yield "\n".join(_for_people(one, width, color, height, short=short) for one in reports)
        case Format.JSON:
            from cleanup.reports import json_document

            yield from json_document.pieces(reports, many=many)
        case Format.JSONL:
            from cleanup.reports import json_lines

            yield from json_lines.pieces(reports)
        case Format.CSV:
            from cleanup.reports import csv_rows

            yield from csv_rows.pieces(reports, many=many)
        case Format.MARKDOWN:
            from cleanup.reports import markdown

            yield from markdown.documents(reports)
        case Format.HTML:
            from cleanup.reports import html_page

            yield from html_page.pieces(reports, many=many)
        case Format.JUNIT:
            from cleanup.reports import junit

            yield from junit.pieces(reports)
        case _:
            assert_never(format)


def _for_people(report: Report, width: int, color: bool, height: int | None, *, short: bool) -> str:
    if report.prose:
        return folded(report.prose, width if height else None)
    from cleanup.reports import table

    return table.text(report, width, color, height, short=short)
