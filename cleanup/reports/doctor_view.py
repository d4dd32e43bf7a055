"""What `doctor` found, as text for people, or as JSON."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cleanup.reports.formatting import plain
from cleanup.reports.view import ProseFormat, indented

if TYPE_CHECKING:
    from cleanup.doctor import Diagnosis


def render_diagnosis(found: Sequence["Diagnosis"], format: ProseFormat) -> str:
    """One section a target; JSON is one document with all of them."""
    if format is ProseFormat.JSON:
        document = {"report": "doctor", "schema": 1, "targets": found}
        return indented(document)
    return "\n\n".join("\n".join(_lines(one)) for one in found)


def _lines(one: "Diagnosis") -> Iterator[str]:
    yield plain(f"{one.name}: project {one.project_id} at {one.endpoint}")
    for check in one.checks:
        yield plain(f"  {check.level.replace('-', ' '):13}{check.name:16}{check.detail}")
        if check.next_step:
            yield plain(f"  {'':29}-> {check.next_step}")
