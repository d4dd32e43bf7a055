"""Reports as JSON Lines, for programs that read a line at a time.

First the head (`"kind": "report"`), then a line for each of its rows (`"kind": "image"`), and so on for each report;
the last line (`"kind": "summary"`) says how many reports and rows there were, so that a file that was cut off is
noticed. Of many targets each row says its `target`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from cleanup.reports.json_document import inert
from cleanup.reports.view import Report

_ROWS_A_PIECE = 1000


def pieces(reports: Sequence[Report]) -> Iterator[str]:
    """The lines, in pieces of whole lines."""
    encode, rows = msgspec.json.Encoder().encode, 0
    for report in reports:
        yield inert('{"kind":"report",' + encode(report.head).decode()[1:] + "\n")
        target = f'"target":{encode(report.target).decode()},' if report.target else ""
        start, those = f'{{"kind":"image",{target}', iter(report.rows)
        while piece := list(islice(those, _ROWS_A_PIECE)):
            rows += len(piece)
            yield inert("".join(f"{start}{encode(row).decode()[1:]}\n" for row in piece))
    yield f'{{"kind":"summary","reports":{len(reports)},"images":{rows}}}\n'
