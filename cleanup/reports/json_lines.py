"""Reports as JSON Lines, for programs that read a line at a time.

First the head (`"kind": "report"`), then a line for each of its rows (`"kind": "image"`), and so on for each report;
the last line (`"kind": "summary"`) says how many reports and rows there were, so that a file that was cut off is
noticed. Of many targets each row says its `target`.
"""

from collections.abc import Iterator, Sequence

import msgspec

from cleanup.reports.json_document import encoded, inert
from cleanup.reports.view import Report


def pieces(reports: Sequence[Report]) -> Iterator[str]:
    """The lines, in pieces of whole lines."""
    encode, rows = msgspec.json.Encoder().encode, 0
    for report in reports:
        yield inert('{"kind":"report",' + encode(report.head).decode()[1:] + "\n")
        target = f'"target":{inert(encode(report.target).decode())},' if report.target else ""
        start = f'{{"kind":"image",{target}'
        for lines in encoded(report.rows):
            rows += lines.count("\n")
            yield start + lines[1:-1].replace("\n{", f"\n{start}") + "\n"
    yield f'{{"kind":"summary","reports":{len(reports)},"images":{rows}}}\n'
