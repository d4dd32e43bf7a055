"""A report for a terminal, a pipe or a log: 80 columns will do, all of its own characters are ASCII."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Any

from rich.cells import cell_len, set_cell_size

from cleanup.reports.formatting import plain, size
from cleanup.reports.styled import StyledLine, printed
from cleanup.reports.view import Body, Column, Fact, Report, Section, Tally, left_out

_PROSE = 80  # longer lines are hard to read, however wide the terminal is
_MOST_ROWS = 1000
_FACTS = 100  # columns
_TALL = 60  # lines of a terminal on which lists are shown as long as in a file
_WIDE = 110
_BAR = 8
_NARROWEST = 12
_SIZES = "leaves SWR"
_BESIDE = 46  # columns that counts need to be read beside others
_GAP = 2
_PROSE_ROOM = 28


def text(report: Report, width: int, color: bool, height: int | None = None, *, short: bool = False) -> str:
    """The whole report, `width` columns wide; with escape codes only if `color`.

    A `short` one is its counts and its verdict. On a screen of that `height` lists are shorter, and what matters
    most comes last, where it stays in sight.
    """
    return printed(_lines(report, width, height, short), color)


def _lines(report: Report, width: int, height: int | None, short: bool) -> Iterator[StyledLine]:
    body, prose = report.body, min(width, _PROSE)
    verdict = [*_wrapped(report.verdict, prose, "bold")] if report.verdict else []
    warnings = [line for one in report.warnings for line in _wrapped(f"WARNING: {one}", prose, "bold red")]
    facts = [] if short else [*_facts(report.facts, min(width, _FACTS))]
    tallies = [*_tallies(body.tallies, width)]
    lists = [] if short else [*_lists(body, width, short=height is not None and height < _TALL)]
    title = StyledLine(plain(report.title), style="bold")
    # A blank line between blocks, none where a block is empty.
    blocks = (
        [[title, *facts], lists, tallies, [*warnings, *verdict]]
        if height is not None
        else [[title], verdict, warnings, facts, tallies, lists]
    )
    for number, block in enumerate(block for block in blocks if block):
        if number:
            yield StyledLine()
        yield from block


def _wrapped(words: str, width: int, style: str = "") -> list[StyledLine]:
    """Over several lines, broken between words; a longer word stays whole, since it may be a path to copy."""
    lines: list[str] = []
    for word in plain(words).split(" "):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [StyledLine(line, style=style) for line in lines]


def _facts(facts: Sequence[Fact], width: int) -> Iterator[StyledLine]:
    label = max((len(fact.label) for fact in facts), default=0) + _GAP
    for fact in facts:
        for number, line in enumerate(_wrapped(fact.text, width - label)):
            head = "" if number else fact.label
            yield StyledLine(head.ljust(label), "dim").add(line)


# ---- counts


def _tallies(tallies: Sequence[Tally], width: int) -> Iterator[StyledLine]:
    """The last one beside the others, where there is room for that."""
    counted = [tally for tally in tallies if tally.counts]
    if not counted:
        return
    *first, last = counted
    right = _tally(last, *_shape([last], width))
    beside = width - max(map(_length, right)) - 2 * _GAP
    room = beside if beside >= _BESIDE else width
    shape = _shape(first, room)
    left = [
        line
        for number, tally in enumerate(first)
        for line in ([StyledLine()] * bool(number) + _tally(tally, *shape))
    ]
    side = max(map(_length, left), default=0) + 2 * _GAP
    if not left or room == width or side > beside + 2 * _GAP:
        yield from [*left, *([StyledLine()] if left else []), *right]
        return
    for one, other in zip_longest(left, right, fillvalue=StyledLine()):
        yield StyledLine().add(one).add(" " * (side - _length(one))).add(other)


def _shape(tallies: Sequence[Tally], room: int) -> tuple[int, int]:
    """How wide the words and the numbers of these are, so that they stand below each other."""
    number = max((len(f"{count:,}") for tally in tallies for count in tally.counts.values()), default=0)
    sized = len(_SIZES) + _GAP if any(tally.sizes for tally in tallies) else 0
    word = max((cell_len(word) for tally in tallies for word in tally.counts), default=0)
    return max(min(word, room - number - sized - _BAR - 2 * _GAP), _NARROWEST), number


def _tally(tally: Tally, word_room: int, number_room: int) -> list[StyledLine]:
    """`dev-images  312  ########  1.1 TiB`, a line for each word."""
    gap = " " * _GAP
    most = max(tally.counts.values())
    title = (
        tally.title.ljust(word_room + number_room + _BAR + 3 * _GAP) + "leaves SWR"
        if tally.sizes
        else tally.title
    )
    lines = [StyledLine(title, style="bold")]
    for word, count in tally.counts.items():
        bar = "#" * max(round(count * _BAR / most), 1)
        line = StyledLine(_padded(_shortened(word, word_room), word_room) + gap)
        line.add(f"{count:,}".rjust(number_room) + gap)
        line.add(bar.ljust(_BAR) if tally.sizes else bar, style="cyan")
        lines.append(line.add(f"{gap}{size(tally.sizes[word])}" if word in tally.sizes else ""))
    if tally.more:
        lines.append(StyledLine(f"... and {tally.more:,} more", style="dim"))
    return lines


# ---- lists


def _lists(body: Body, width: int, *, short: bool) -> Iterator[StyledLine]:
    """All lists that are not collapsed, then how many images none of them shows and where they are."""
    shown, urgent = set[Any](), dict[str, int]()
    for number, section in enumerate(one for one in body.sections if len(one.rows) and not one.collapsed):
        # Every urgent row is shown, as long as people can still read them.
        most = section.most // 2 if short else section.most
        listed = list(islice(section.rows, max(most, min(section.highlighted, _MOST_ROWS))))
        shown.update(listed if section.images else ())
        urgent[section.urgent] = max(section.highlighted - len(listed), 0)
        yield from ([StyledLine()] if number else []) + _section(section, listed, width)
    if left := left_out(body, len(shown), urgent):
        yield StyledLine()
        told = f"{left}: {body.more}" if body.more else left
        # The command stays on one line, to be copied.
        lines = [told] if len(told) <= max(width, _PROSE) else [f"{left}:", f"  {body.more}"]
        yield from (StyledLine(line, style="dim") for line in lines)


def _section(section: Section, rows: Sequence[Any], width: int) -> list[StyledLine]:
    columns = _fitting(section.columns, rows, width)
    cells = [[plain(column.of(row)) for column in columns] for row in rows]
    widths = _widths(columns, cells, width)
    lines = [StyledLine(section.title, style="bold")]
    lines.extend(_wrapped(section.legend, width, "dim") if section.legend else ())
    lines.append(_line([column.title for column in columns], columns, widths, "dim"))
    for number, row in enumerate(cells):
        style = "red" if number < section.highlighted else ""
        parts = [_cell(value, column, room) for value, column, room in zip(row, columns, widths, strict=True)]
        lines.extend(_line(line, columns, widths, style) for line in zip_longest(*parts, fillvalue=""))
    return lines


def _fitting(columns: Sequence[Column], rows: Sequence[Any], width: int) -> list[Column]:
    """All columns but those wide ones, from the last on, for which there is no room."""
    left, needed = list(columns), {column.title: _needed(column, rows) + _GAP for column in columns}
    for column in reversed(columns):
        over = sum(needed[one.title] for one in left) - _GAP > width
        if column.wide and (over or width < _WIDE):
            left.remove(column)
    return left


def _needed(column: Column, rows: Sequence[Any]) -> int:
    return max(cell_len(text) for text in (column.title, *(plain(column.of(row)) for row in rows)))


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column is: what it needs, but that sentences give way, then the widest, until all fit."""
    titles = [column.title for column in columns]
    needed = [max(map(cell_len, values)) for values in zip(titles, *cells, strict=True)]
    least = [
        min(one, _PROSE_ROOM) if column.prose else one for one, column in zip(needed, columns, strict=True)
    ]
    room = width - _GAP * (len(columns) - 1)
    while (over := sum(needed) - room) > 0:
        order = sorted(
            (place for place, one in enumerate(columns) if not one.right),
            key=lambda place: (needed[place] <= least[place], -needed[place]),
        )
        if not order or needed[order[0]] <= _NARROWEST:
            break
        first, second = order[0], order[1] if len(order) > 1 else order[0]
        floor = least[first] if needed[first] > least[first] else min(needed[second], needed[first] - 1)
        needed[first] = max(needed[first] - over, floor, _NARROWEST)
    return needed


def _cell(value: str, column: Column, room: int) -> list[str]:
    if column.prose and cell_len(value) > room:
        return [_shortened(line.plain.rstrip(), room) for line in _wrapped(value, room)]
    return [_fewer(value, room) if column.listed else _shortened(value, room)]


def _line(values: Iterable[str], columns: Sequence[Column], widths: Sequence[int], style: str) -> StyledLine:
    parts = (
        _padded(value, room, right=column.right)
        for value, column, room in zip(values, columns, widths, strict=True)
    )
    return StyledLine((" " * _GAP).join(parts), style=style)


# ---- texts in a room of some columns; some characters take two


def _length(line: StyledLine) -> int:
    return cell_len(line.plain)


def _padded(value: str, room: int, *, right: bool = False) -> str:
    blanks = " " * (room - cell_len(value))
    return blanks + value if right else value + blanks


def _fewer(value: str, room: int) -> str:
    """`dev-6, dev-5, ...`: of a list that is too long the first ones."""
    if cell_len(value) <= room:
        return value
    items = value.split(", ")
    while len(items) > 1 and cell_len(", ".join(items)) + 5 > room:
        items.pop()
    return _shortened(", ".join([*items, "..."]), room)


def _shortened(value: str, room: int) -> str:
    """`namesp...me:dev-4`: of what is too long both ends, and a sign that something is missing."""
    if cell_len(value) <= room:
        return value
    end = max(room - 3, 2) // 2
    start = max(room - 3, 2) - end
    tail = set_cell_size(value[::-1], end)[::-1]
    return f"{set_cell_size(value, start)}...{tail}"
