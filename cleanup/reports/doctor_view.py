"""What `doctor` found, as text for people, or as JSON."""

import json
from collections.abc import Iterator, Sequence

from cleanup.doctor import IDENTITY_POLICIES, POLICIES, Diagnosis
from cleanup.reports.formatting import plain
from cleanup.reports.view import ProseFormat, indented


def render_diagnosis(found: Sequence[Diagnosis], format: ProseFormat) -> str:
    """One section a target; JSON is one document with all of them."""
    if format is ProseFormat.JSON:
        document = {"report": "doctor", "schema": 1, "targets": found}
        return indented(document | {"policies": dict(POLICIES), "about_policies": IDENTITY_POLICIES})
    return "\n\n".join("\n".join(_lines(one)) for one in found) + "\n\n" + "\n".join(_policies())


def _lines(one: Diagnosis) -> Iterator[str]:
    yield plain(f"{one.name}: project {one.project_id} at {one.endpoint}")
    for check in one.checks:
        yield plain(f"  {check.level.replace('-', ' '):13}{check.name:16}{check.detail}")
        if check.next_step:
            yield plain(f"  {'':29}-> {check.next_step}")


def _policies() -> Iterator[str]:
    yield "  Policies to paste; whoever deletes or restores needs the one for reading, too:"
    for what, document in POLICIES.items():
        yield f"  to {what}:"
        yield f"    {json.dumps(document)}"
    yield f"  ({IDENTITY_POLICIES})"
