"""What `doctor` found, as text for people, or as JSON."""

import json
import re
import textwrap
from collections.abc import Iterator, Sequence

from cleanup.doctor import IDENTITY_POLICIES, POLICIES, Diagnosis
from cleanup.reports.formatting import plain
from cleanup.reports.view import ProseFormat, indented


def render_diagnosis(found: Sequence[Diagnosis], format: ProseFormat, width: int | None = None) -> str:
    """One section a target, lines broken at `width` if there is one; JSON is one document with all of them."""
    if format is ProseFormat.JSON:
        document = {"report": "doctor", "schema": 1, "targets": found}
        return indented(document | {"policies": dict(POLICIES), "about_policies": IDENTITY_POLICIES})
    sections = [*map(_lines, found), _policies()]
    return "\n\n".join("\n".join(_fitted(line, width) for line in lines) for lines in sections)


def _fitted(line: str, width: int | None) -> str:
    """The line, broken between words; what goes on stands below where its text began."""
    if width is None:
        return line
    column = re.match(r" {2}\S[\w ]{12}\S[\w ]{15}| *(-> )?", line)
    indent = " " * (column.end() if column else 4)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _lines(one: Diagnosis) -> Iterator[str]:
    yield plain(f"{one.name}: project {one.project_id} at {one.endpoint}")
    for check in one.checks:
        yield plain(f"  {check.level.replace('-', ' '):13}{check.name:16}{check.detail}")
        if check.next_step:
            yield plain(f"  {'':29}-> {check.next_step}")
    if one.settings:
        yield "  Settings, and where each comes from:"
    for setting in one.settings:
        yield plain(f"    {setting.name:15}{setting.value}  ({setting.origin})")


def _policies() -> Iterator[str]:
    yield "  Policies to paste; whoever deletes or restores needs the one for reading, too:"
    for what, document in POLICIES.items():
        yield f"  to {what}:"
        yield f"    {json.dumps(document)}"
    yield f"  ({IDENTITY_POLICIES})"
