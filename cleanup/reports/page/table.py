"""The table of images in the page: its controls, which the script fills, and its data as JSON in a block of its own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from cleanup.reports.formatting import plain
from cleanup.reports.page.columns import TARGET, ColumnBuilder, ColumnKind, fields_of, ordered
from cleanup.reports.page.elements import element
from cleanup.reports.view import Report

MOST_ROWS = 250_000
_REPORT = "report"  # which of the reports a row is of, where there are several
_ESCAPES = tuple((char, f"\\u{ord(char):04x}") for char in "<>&\u2028\u2029")


class ImageTable:
    """The images of all reports of a page, up to a number that a browser can hold."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self._reports = reports
        fields = fields_of(reports)
        self._builders = {
            name: ColumnBuilder(name, kind, evidence=evidence) for name, (kind, evidence) in fields.items()
        }
        if len(reports) > 1:
            self._builders[TARGET] = ColumnBuilder(TARGET, ColumnKind.TEXT, evidence=False)
            self._builders[_REPORT] = ColumnBuilder(_REPORT, ColumnKind.NUMBER, evidence=True)
        self.rows = 0
        self.left_out = 0

    def add(self, columns: Mapping[str, Sequence[Any]], report: int) -> None:
        """Some rows of one of the reports, as the values of each field."""
        number = len(next(iter(columns.values())))
        taken = min(number, MOST_ROWS - self.rows)
        self.left_out += number - taken
        if not taken:
            return
        self.rows += taken
        nothing, which = [None] * taken, [report] * taken
        for name, builder in self._builders.items():
            builder.add(which if name == _REPORT else columns.get(name, nothing)[:taken])

    def pieces(self) -> Iterator[str]:
        """The block of data, a column at a time."""
        rules = [report.rules for report in self._reports]
        commands = [plain(report.explain) for report in self._reports]
        yield '<script type="application/json" id="data">'
        yield f'{{"rows":{self.rows},"left_out":{self.left_out},"rules":{_inert(rules)},'
        yield f'"explain":{_inert(commands)},"columns":['
        columns = ordered([found for builder in self._builders.values() if (found := builder.column())])
        for number, column in enumerate(columns):
            yield f"{',' if number else ''}{_inert(column)}\n"
        yield "]}</script>\n"


def _inert(value: object) -> str:
    """JSON that ends no element and starts none."""
    text = msgspec.json.encode(value).decode()
    for char, escape in _ESCAPES:
        text = text.replace(char, escape)
    return text


def frame() -> Iterator[Element]:
    """What the script fills with the images and with what is said of one of them."""
    yield element("noscript", element("p", _NO_SCRIPT, class_="about"))
    yield element("p", "Reading the images ...", id="loading", class_="about", role="status")
    yield element(
        "div",
        _search(),
        element("div", id="choices"),
        _button("clear", "Show all"),
        id="controls",
        hidden="hidden",
    )
    yield element("p", id="found", role="status", aria_live="polite")
    table = element("table", element("thead"), element("tbody"), id="images", aria_labelledby="images-title")
    nothing = element("p", "No image is like that.", id="nothing", hidden="hidden")
    yield element("div", table, nothing, id="rows", hidden="hidden")
    yield element("p", id="unprinted", class_="about")
    yield _dialog()


_NO_SCRIPT = (
    "The list of all images needs JavaScript, which is switched off here. What is above says the same of all of "
    "them together; image-cleanup report FILE --format csv lists each."
)


def _search() -> Element:
    hint = "name, tag, id, reason, error ..."
    box = element(
        "input", id="search", type="search", placeholder=hint, autocomplete="off", spellcheck="false"
    )
    return element("label", element("span", "search"), box, class_="search")


def _button(name: str, words: str, **attributes: str) -> Element:
    return element("button", words, id=name, type="button", class_="button", **attributes)


def _dialog() -> Element:
    head = element(
        "div",
        element("h2", id="why-title"),
        element("span", id="why-place"),
        _button("previous", "↑", aria_label="previous image"),
        _button("next", "↓", aria_label="next image"),
        _button("close", "✕", aria_label="close"),
        class_="why-head",
    )
    return element(
        "dialog", head, element("div", id="why-body", tabindex="0"), id="why", aria_labelledby="why-title"
    )
