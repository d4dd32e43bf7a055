"""One or several reports as one page: a single file that asks nobody for anything, for people who look around.

What it says in words and charts needs no script; the table of all images does. Its policy (CSP) allows nothing
but the script and the style that are in it.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

import cleanup
from cleanup.durations import format_elapsed
from cleanup.outcome import BAD, Outcome
from cleanup.reports.formatting import count, plain, size
from cleanup.reports.journal_view import JournalHead
from cleanup.reports.page import charts
from cleanup.reports.page.columns import TARGET, pieces_of
from cleanup.reports.page.elements import Child, element, written
from cleanup.reports.page.figures import PageFigures
from cleanup.reports.page.table import ImageTable, frame
from cleanup.reports.plan_view import PlanHead
from cleanup.reports.targets_view import FailureHead
from cleanup.reports.view import Report, RuleTerms, Tally

_FIXED: Final = Path(__file__).parent / "page"
_MOST_RUNS: Final = 4
_IN_SHORT: Final = frozenset({"target", "created", "expires", "started", "took"})


def pieces(reports: Sequence[Report], *, many: bool = False) -> Iterator[str]:
    """The page: what people read first comes first, the images last.

    Where there are `many`, the first report is the summary of the others, and its rows are no images.
    """
    overview, reports = (reports[0], reports[1:]) if many and len(reports) > 1 else (None, reports)
    style, script = _fixed("page.css"), _fixed("page.js")
    table, figures = ImageTable(reports), PageFigures()
    for number, report in enumerate(reports):
        names = [_name(report)]
        for columns in pieces_of(report):
            if len(reports) > 1:
                columns = {**columns, TARGET: names * len(next(iter(columns.values())))}  # noqa: PLW2901
            table.add(columns, number)
            figures.add(columns)
    title = reports[0].title if len(reports) == 1 else _together(reports, overview)
    yield from _head(plain(title), style, script)
    yield from map(written, _body(reports, figures, title, overview))
    yield from table.pieces()
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _fixed(name: str) -> str:
    return (_FIXED / name).read_text(encoding="utf-8")


def _head(title: str, style: str, script: str) -> Iterator[str]:
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield written(element("meta", http_equiv="Content-Security-Policy", content=policy))
    yield written(element("meta", name="viewport", content="width=device-width, initial-scale=1"))
    yield written(element("meta", name="color-scheme", content="light dark"))
    yield written(element("meta", name="referrer", content="no-referrer"))
    yield written(element("link", rel="icon", href="data:,"))  # else a browser asks the server for one
    yield written(element("title", title))
    yield f"<style>{style}</style>\n</head>\n<body>\n"


def _hash(text: str) -> str:
    """What a policy calls an inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _name(report: Report) -> str:
    return plain(str(getattr(report.head, "target", report.title)))


def _together(reports: Sequence[Report], overview: Report | None) -> str:
    return f"{count(len(reports), 'target' if overview else 'report')}: {', '.join(map(_name, reports))}"


def _body(
    reports: Sequence[Report], figures: PageFigures, title: str, overview: Report | None
) -> Iterator[Element]:
    yield element("header", element("h1", title), *_summary(reports, overview))
    drawn = list(_charts(reports, figures))
    main = element("main")
    if drawn:
        small = [one for one in drawn if one.get("class") == "card"]
        wide = [one for one in drawn if one not in small]
        beside = element("div", *_side_by_side(small), class_="charts")
        main.append(element("section", element("h2", "Overview"), beside, *wide))
    main.append(element("section", element("h2", "Images", id="images-title"), *frame(), id="list"))
    if any(report.facts for report in reports):
        main.append(element("section", element("h2", "About"), *_about(reports)))
    yield main
    yield element(
        "footer", f"image-cleanup {cleanup.__version__}. This page asks no other place for anything."
    )


def _side_by_side(cards: Sequence[Element]) -> Iterator[Element]:
    """Two columns of about one height."""
    columns: tuple[list[Element], list[Element]] = ([], [])
    heights = [0, 0]
    for card in cards:
        place = heights.index(min(heights))
        columns[place].append(card)
        heights[place] += 3 + sum(1 for _ in card.iter("tr"))
    return (element("div", *column) for column in columns if column)


# ---- what is read first


def _summary(reports: Sequence[Report], overview: Report | None) -> Iterator[Element]:
    several = len(reports) > 1
    said = _over_all(reports) if several else reports[0].verdict
    if verdict := "; ".join(filter(None, (said, overview.verdict if overview else ""))):
        yield element("p", verdict, class_="verdict")
    if several:
        rows = (
            element("tr", element("th", _name(one), scope="row"), element("td", _ended(one)))
            for one in reports
        )
        yield element("table", element("tbody", *rows), class_="plain targets")
    else:
        when = [f"{fact.label} {fact.text}" for fact in reports[0].facts if fact.label in _IN_SHORT]
        yield element("p", " · ".join(when), class_="about")
    warnings = [
        f"{_name(report)}: {warning}" if several else warning
        for report in reports
        for warning in report.warnings
    ]
    if warnings:
        lines = (element("li", element("strong", "Warning: "), warning) for warning in warnings)
        yield element("ul", *lines, class_="warnings", aria_label="Warnings")
    if tiles := list(map(_tile, _tiles(reports))):
        yield element("dl", *tiles, class_="tiles")


def _ended(report: Report) -> str:
    head = report.head
    failed = f"failed (exit code {head.exit_code}): " if isinstance(head, FailureHead) else ""
    return f"{failed}{report.verdict}"


def _over_all(reports: Sequence[Report]) -> str:
    """One sentence over all targets."""
    plans, journals = _heads(reports)
    told = []
    if plans:
        images = sum(one.delete + one.keep for one in plans)
        goes = f"{sum(one.delete for one in plans):,} of {count(images, 'image')} would be deleted"
        told.append(f"{goes} in {count(len(plans), 'target')}")
    if journals:
        deleted = sum(one.by_outcome[Outcome.DELETED] for one in journals)
        planned = f"{sum(one.planned for one in journals):,} planned"
        told.append(f"{deleted:,} of {planned} were deleted in {count(len(journals), 'target')}")
    return "; ".join(told)


def _heads(reports: Sequence[Report]) -> tuple[Sequence[PlanHead], Sequence[JournalHead]]:
    heads = [report.head for report in reports]
    return [one for one in heads if isinstance(one, PlanHead)], [
        one for one in heads if isinstance(one, JournalHead)
    ]


def _tile(tile: tuple[str, str, str]) -> Element:
    words, figure, look = tile
    return element("div", element("dt", words), element("dd", figure), class_=f"is-{look}")


def _tiles(reports: Sequence[Report]) -> Iterator[tuple[str, str, str]]:
    """The figures in large: words, the figure, how it looks."""
    plans, journals = _heads(reports)
    if plans:
        yield "would be deleted", f"{sum(one.delete for one in plans):,}", "delete"
        yield "leaves SWR (force)", size(sum(one.bytes_freed for one in plans)), "freed"
        yield "stays in SWR", size(sum(one.bytes - one.bytes_freed for one in plans)), "plain"
        yield "kept", f"{sum(one.keep for one in plans):,}", "plain"
    if journals:
        yield from _journal_tiles(journals)


def _journal_tiles(heads: Sequence[JournalHead]) -> Iterator[tuple[str, str, str]]:
    bad = sum(head.by_outcome[outcome] for head in heads for outcome in BAD)
    left = sum(head.no_result + head.by_outcome[Outcome.NOT_ATTEMPTED] for head in heads)
    yield "planned", f"{sum(head.planned for head in heads):,}", "plain"
    yield "deleted", f"{sum(head.by_outcome[Outcome.DELETED] for head in heads):,}", "good"
    yield "failed, unknown or denied", f"{bad:,}", "delete" if bad else "plain"
    if left:
        yield "not attempted", f"{left:,}", "delete"
    yield "left SWR", size(sum(head.bytes_freed for head in heads)), "plain"
    yield "took", format_elapsed(sum(head.duration_s for head in heads)), "plain"
    yield "throttled", f"{sum(head.throttled for head in heads):,} ×", "plain"  # noqa: RUF001 - times


# ---- charts


def _charts(reports: Sequence[Report], figures: PageFigures) -> Iterator[Element]:
    shares = {group: figures.shares(group) for group in ("target", "namespace", "rule")}
    drawn = set()
    for group, found in shares.items():
        if figures.has_bytes and found and (group != "target" or len(reports) > 1):
            drawn.add(group)
            yield charts.share_bars(f"Bytes by {group}", found, group)
    for tally in _tallies(reports):
        field = tally.title.rpartition(" ")[2].lower()
        if tally.counts and field not in drawn:
            yield charts.tally_bars(tally, field)
    if figures.ages:
        yield charts.age_histogram(figures.ages, _rules(reports))
    if figures.causes:
        yield charts.cause_table(figures.causes)
    for run, timeline in sorted(figures.timelines.items())[-_MOST_RUNS:]:
        if len(timeline.results) > 1:
            yield charts.tempo(plain(run), timeline)


def _tallies(reports: Sequence[Report]) -> Iterable[Tally]:
    """Those of all reports, added up where they have one title."""
    sums: dict[str, Counter[str]] = {}
    for report in reports:
        for tally in report.body.tallies:
            sums.setdefault(tally.title, Counter()).update(tally.counts)
    return (Tally(title=title, counts=counts) for title, counts in sums.items())


def _rules(reports: Sequence[Report]) -> Sequence[RuleTerms]:
    """The rules of all reports, each once."""
    return list(
        {(rule.name, rule.age_days, rule.clock): rule for one in reports for rule in one.rules}.values()
    )


# ---- what it rests on


def _about(reports: Sequence[Report]) -> Iterator[Element]:
    for report in reports:
        terms = [part for fact in report.facts for part in _fact(fact.label, fact.text)]
        facts = element("dl", *terms, class_="facts")
        if len(reports) == 1:
            yield element("div", facts, class_="card")
        else:
            yield element(
                "details", element("summary", f"{_name(report)}: {report.title}"), facts, class_="card"
            )


def _fact(label: str, text: Child) -> tuple[Element, Element]:
    return element("dt", label), element("dd", text)
