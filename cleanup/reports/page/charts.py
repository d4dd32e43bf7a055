"""Charts as SVG whose positions are percents, so that they fit any width and their texts stay readable."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element

from cleanup.decision.types import Reason
from cleanup.durations import format_elapsed
from cleanup.outcome import BAD, GONE, Outcome
from cleanup.reports.formatting import count, size
from cleanup.reports.page.elements import Child, element
from cleanup.reports.page.figures import FailureCause, PageShare, Timeline, buckets
from cleanup.reports.view import RuleTerms, Tally

_RED: Final = frozenset({Reason.EXPIRED.value, *BAD, Outcome.NOT_ATTEMPTED.value, "no result"})
_MOST_BARS: Final = 10
_MOST_BINS: Final = 48
_WIDTHS: Final = (1, 2, 5, 7, 10, 14, 20, 30, 60, 90, 180, 365, 730, 1825)  # days
_PLOT: Final = (6.0, 92.0)  # where the plot begins and how wide it is, in percent
_HEIGHT: Final = 200
_SPANS: Final = 60


def card(title: str, *children: Child, wide: bool = False) -> Element:
    """A chart or a small table with its title."""
    head = element("figcaption", element("h3", title))
    return element("figure", head, *children, class_="card wide" if wide else "card")


def legend(*entries: tuple[str, str]) -> Element:
    """What the colours mean: a class and its words, each."""
    items = (element("li", element("span", class_=f"key {look}"), words) for look, words in entries)
    return element("ul", *items, class_="legend")


# ---- bars


def tally_bars(tally: Tally, field: str) -> Element:
    """Counts by word."""
    most = max(tally.counts.values(), default=0)
    entries = sorted(tally.counts.items(), key=lambda item: -item[1])
    rows = [_bar(word, [(_look(word), n, most)], f"{n:,}", field) for word, n in entries[:_MOST_BARS]]
    left = entries[_MOST_BARS:]
    return card(tally.title, _bars(rows, len(left), f"{sum(n for _, n in left):,}", "bars counts"))


def _look(word: str) -> str:
    if word in _RED:
        return "delete"
    return "good" if word in GONE else "count"


def share_bars(title: str, shares: Mapping[str, PageShare], field: str) -> Element:
    """Bytes by word: what leaves the registry, and what stays there."""
    most = max((one.freed + one.stays for one in shares.values()), default=0)
    entries = list(shares.items())
    rows = [
        _bar(word, [("freed", one.freed, most), ("stays", one.stays, most)], _told(one), field)
        for word, one in entries[:_MOST_BARS]
    ]
    left = [one for _, one in entries[_MOST_BARS:]]
    rest = PageShare(*map(sum, zip(*left, strict=True))) if left else PageShare(0, 0, 0)
    keys = legend(("freed", "leaves SWR (force)"), ("stays", "stays in SWR"))
    about = element("p", "Size · number of images that go", class_="about")
    return card(title, about, _bars(rows, len(left), _told(rest)), keys)


def _told(share: PageShare) -> str:
    return f"{size(share.freed + share.stays)} · {share.images:,}"


def _bar(word: str, parts: Sequence[tuple[str, int, int]], told: str, field: str) -> Element:
    drawn, start = [], 0.0
    for look, number, most in parts:
        width = max(100 * number / most, 0.4) if number else 0.0
        if width:
            drawn.append(
                element("rect", x=f"{start:.2f}%", width=f"{width:.2f}%", height="100%", class_=look)
            )
        start += width
    bar = element("svg", *drawn, class_="bar", aria_hidden="true")
    return element(
        "tr",
        element("th", element("span", word, data_field=field, data_value=word, title=word), scope="row"),
        element("td", bar, class_="track"),
        element("td", told, class_="number"),
    )


def _bars(rows: Sequence[Element], left: int, rest: str, look: str = "bars") -> Element:
    more = (
        [
            element(
                "tr",
                element("th", f"and {left:,} more", scope="row"),
                element("td", class_="track"),
                element("td", rest, class_="number"),
                class_="rest",
            )
        ]
        if left
        else []
    )
    return element("table", element("tbody", *rows, *more), class_=look)


# ---- ages


def age_histogram(ages: Counter[tuple[int, bool]], rules: Sequence[RuleTerms]) -> Element:
    """How old the images are, what goes apart from what stays, and from what age on each rule takes them."""
    bounds = [rule for rule in rules if rule.age_days is not None]
    oldest = max(max((age for age, _ in ages), default=0), *(int(rule.age_days or 0) for rule in bounds), 1)
    width = next((days for days in _WIDTHS if oldest / days < _MOST_BINS), oldest // _MOST_BINS + 1)
    number = oldest // width + 1
    goes, stays = [0] * number, [0] * number
    for (age, is_going), images in ages.items():
        (goes if is_going else stays)[age // width] += images
    most = max(1, *(a + b for a, b in zip(goes, stays, strict=True)))
    drawn = _grid(most)
    for place, (red, calm) in enumerate(zip(goes, stays, strict=True)):
        told = f"{place * width} to {(place + 1) * width - 1} days: {red:,} go, {calm:,} stay"
        drawn += _column(place / number, 1 / number, [("keep", calm), ("delete", red)], most, told)
    drawn += _day_labels(number, width)
    marks = _marks(bounds, number * width)
    svg = _plot(f"ages of {count(sum(ages.values()), 'image')} in days", *drawn, *(one for one, _ in marks))
    keys = legend(("delete", "would be deleted"), ("keep", "kept"))
    words = element("ol", *(element("li", told) for _, told in marks), class_="marks")
    about = f"By the last update, {width:,} {'day' if width == 1 else 'days'} a bar"
    return card("Ages", element("p", about, class_="about"), svg, keys, words, wide=True)


def _marks(bounds: Sequence[RuleTerms], days: int) -> list[tuple[Element, str]]:
    """A line for each rule's bound, and its words; the lines are numbered as their words are."""
    found = []
    for number, rule in enumerate(sorted(bounds, key=lambda one: one.age_days or 0), 1):
        age = rule.age_days or 0
        x = f"{_across(age / days):.2f}%"
        top = 14 + 13 * ((number - 1) % 4)
        line = element("line", x1=x, x2=x, y1=top + 2, y2=_HEIGHT - 24, class_="bound")
        label = element("text", str(number), x=x, y=top, class_="bound-label", text_anchor="middle")
        by = "" if rule.clock == "update_at" else f", by {rule.clock}"
        found.append((element("g", line, label), f"{rule.name}: older than {age:g} days{by}"))
    return found


def _day_labels(number: int, width: int) -> list[Element]:
    every = max(1, -(-number // 8))
    return [
        _text(_across(place / number), _HEIGHT - 6, f"{place * width:,}", "start" if place == 0 else "middle")
        for place in range(0, number + 1, every)
    ]


# ---- a run


def tempo(run: str, timeline: Timeline) -> Element:
    """Results a second over the time of one run, and the requests that had to be sent again."""
    first, last = min(timeline.results), max(timeline.results)
    width = max(1, -(-(last - first + 1) // _SPANS))
    number = (last - first) // width + 1
    done = buckets(timeline.results.items(), first, width, number)
    repeated = buckets(timeline.repeated.items(), first, width, number)
    most = max(1, *done, *repeated)
    drawn = _grid(most / width)
    for place, again in enumerate(repeated):
        told = f"{_clock(first + place * width)}: {again:,} sent again"
        drawn += _column(place / number, 1 / number, [("again", again)], most, told)
    svg = _plot(f"results a second of run {run}", *drawn, _line(done, most), *_times(first, last))
    told = f"{count(sum(done), 'image')} in {format_elapsed(last - first + 1)}, from {_moment(first)}"
    refused = sum(timeline.throttled.values())
    resent = f"{count(sum(repeated), 'request')} sent again, {refused:,} ended with 429"
    about = element("p", f"{told}; {resent}", class_="about")
    keys = legend(("done", "results a second"), ("again", "requests sent again (429, 5xx, no answer)"))
    return card(f"Throughput of run {run}", about, svg, keys, wide=True)


def _line(values: Sequence[int], most: int) -> Element:
    """A line over spans of one width, each at its middle; the inner drawing is stretched to the plot."""
    number = len(values)
    at = [f"{100 * (place + 0.5) / number:.2f},{100 - 100 * v / most:.2f}" for place, v in enumerate(values)]
    points = [f"0,{at[0].partition(',')[2]}", *at, f"100,{at[-1].partition(',')[2]}"]
    line = element("polyline", points=" ".join(points), class_="line")
    return element(
        "svg",
        line,
        x=f"{_PLOT[0]}%",
        y=16,
        width=f"{_PLOT[1]}%",
        height=_HEIGHT - 40,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        overflow="visible",
    )


def _times(first: int, last: int) -> list[Element]:
    return [
        _text(_across(0), _HEIGHT - 6, _clock(first), "start"),
        _text(_across(1), _HEIGHT - 6, _clock(last), "end"),
    ]


def _clock(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%H:%M:%S}"


def _moment(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S} UTC"


def cause_table(causes: Counter[FailureCause]) -> Element:
    """Why images did not go, the most frequent cause first."""
    head = element("tr", *(element("th", word, scope="col") for word in ("images", "outcome", "answer")))
    rows = [
        element(
            "tr",
            element("td", f"{number:,}", class_="number"),
            element("td", cause.outcome, class_="word-only"),
            element(
                "td", " ".join(filter(None, (str(cause.http_status or ""), cause.error_code, cause.message)))
            ),
        )
        for cause, number in causes.most_common(20)
    ]
    left = len(causes) - len(rows)
    more = (
        [element("p", f"and {left:,} causes more: the table below has all", class_="about")] if left else []
    )
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain")
    return card("What did not go, by cause", table, *more, wide=True)


# ---- axes


def _across(part: float) -> float:
    return _PLOT[0] + _PLOT[1] * part


def _plot(about: str, *drawn: Element) -> Element:
    return element("svg", *drawn, class_="plot", role="img", aria_label=about, height=_HEIGHT)


def _column(
    start: float, width: float, parts: Sequence[tuple[str, int]], most: int, told: str
) -> list[Element]:
    """A column of stacked parts, from the ground up."""
    drawn, ground = [], float(_HEIGHT - 24)
    for look, number in parts:
        if number:
            height = max(number / most * (_HEIGHT - 40), 1.5)
            ground -= height
            drawn.append(
                element(
                    "rect",
                    element("title", told),
                    x=f"{_across(start + width * 0.06):.3f}%",
                    width=f"{_PLOT[1] * width * 0.88:.3f}%",
                    y=f"{ground:.1f}",
                    height=f"{height:.1f}",
                    class_=look,
                )
            )
    return drawn


def _grid(most: float) -> list[Element]:
    """Lines at nothing, the half and the most, with their numbers."""
    drawn = []
    for part in (0.0, 0.5, 1.0):
        y = _HEIGHT - 24 - part * (_HEIGHT - 40)
        drawn.append(
            element(
                "line", x1=f"{_PLOT[0]}%", x2=f"{sum(_PLOT)}%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"
            )
        )
        if part:
            drawn.append(_text(_PLOT[0] - 0.7, y + 4, _number(most * part), "end"))
    return drawn


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _text(x: float, y: float, words: str, anchor: str) -> Element:
    return element("text", words, x=f"{x:.2f}%", y=f"{y:.0f}", text_anchor=anchor, class_="axis")
