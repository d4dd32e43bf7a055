"""An explanation as text for people, or as JSON."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from cleanup.decision.explain import Asked, Explanation
from cleanup.decision.types import Action
from cleanup.durations import format_moment
from cleanup.policy.language import Finding, Truth
from cleanup.reports.formatting import plain
from cleanup.reports.view import ProseFormat, indented

_MOST = 20  # records that are named, where very many may share a content
_SIGNS = {True: "yes", False: "no", None: "unknown"}


def render_explanation(answers: Sequence[Explanation], format: ProseFormat, now: datetime) -> str:
    """One explanation after the other; JSON is a list. `now` is when they were made."""
    if format is ProseFormat.JSON:
        return indented([_document(one) for one in answers])
    return "\n\n".join("\n".join(_lines(one, now)) for one in answers) + "\n"


def _document(one: Explanation) -> dict[str, object]:
    document: dict[str, object] = msgspec.structs.asdict(one)
    decision = msgspec.structs.asdict(one.decision)
    document["decision"] = decision | {"image": one.decision.image.raw}
    return document


def _lines(one: Explanation, now: datetime) -> Iterator[str]:
    decision, image = one.decision, one.decision.image
    rule = f" (rule {decision.rule})" if decision.rule else ""
    yield f"{plain(image.label)}  {plain(image.id)}"
    yield f"  {decision.action.upper()}, {decision.reason}{rule}: {plain(decision.detail)}"
    yield f"  {one.forward}"
    if decision.action is Action.DELETE:
        yield f"  {_force(one)}"
    yield ""
    updated, created, asked_at = (
        format_moment(moment, "minutes", unknown="unknown")
        for moment in (image.updated_at, image.created_at, now)
    )
    yield f"  updated {updated}, created {created}, now {asked_at}"
    if one.place:
        yield f"  number {one.place.rank} of {one.place.size} in its group, newest first"
    yield f"  content: {plain(one.reference)}"
    yield f"  in use: {plain(', '.join(one.users)) if one.users else 'no'}"
    for other in one.sharing[:_MOST]:
        workspace = "" if other.workspace_id == image.workspace_id else f" in workspace {other.workspace_id}"
        fate = "stays" if other.stays else "goes too"
        told = f"{other.label} ({other.id}){workspace}, {fate}: {other.why}, {other.reference}"
        yield f"  may share its content: {plain(told)}"
    if len(one.sharing) > _MOST:
        yield f"  may share its content: {len(one.sharing) - _MOST} more"
    for title, asked in (("protect", one.protections), ("rules, in order", one.rules)):
        yield f"  {title}:"
        for entry in asked:
            yield from _entry(entry)
        if not asked:
            yield "    none"


def _entry(entry: Asked) -> Iterator[str]:
    decides = "  <- decides" if entry.decides else "" if entry.asked else "  (not asked any more)"
    terms = f"  [{plain(entry.terms)}]" if entry.terms else ""
    yield f"    {_sign(entry.truth):8}{plain(entry.name)}{terms}{decides}"
    for finding in entry.findings:
        yield f"    {'':8}{'  ' * (finding.depth + 1)}{_sign(finding.truth)}: {plain(finding.text)}{_met(finding)}"


def _sign(truth: Truth) -> str:
    return _SIGNS[truth]


def _met(finding: Finding) -> str:
    if finding.value is None:
        return "  (missing)" if finding.truth is None else ""
    return f"  (is {plain(finding.value)})" if finding.value else ""


def _force(one: Explanation) -> str:
    if one.decision.force:
        return "its content in SWR is deleted too (force)"
    if one.decision.force_withheld:
        return f"its content in SWR stays: force is withheld ({one.decision.force_withheld})"
    return "its content in SWR stays and can be registered again"
