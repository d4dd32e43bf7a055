"""An explanation as a report: text for people on a terminal, tables elsewhere."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from cleanup.decision.explain import Asked, Explanation, Sharer
from cleanup.decision.types import Action, Reason, Withheld
from cleanup.durations import format_moment
from cleanup.image import Image
from cleanup.policy.language import Finding, Truth
from cleanup.reports.formatting import plain
from cleanup.reports.view import Body, Column, Fact, Report, Section

_MOST = 20  # records that are named, where very many may share a content
_SIGNS = {True: "yes", False: "no", None: "unknown"}


class ExplanationHead(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON document: `images` are the explanations, each with the image as the API sent it; `warnings` say
    why nothing is deleted on the inventory that was seen."""

    report: Literal["explanation"] = "explanation"
    schema: Literal[1] = 1
    now: datetime
    warnings: tuple[str, ...]
    images: tuple[dict[str, Any], ...]


class ExplainedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One explanation as CSV gives it."""

    action: Action
    reason: Reason
    rule: str | None
    namespace: str | None
    name: str | None
    tag: str | None
    force: bool
    force_withheld: Withheld | None
    used_by: str | None
    reference: str
    changes_at: datetime | None
    id: str
    detail: str
    forward: str


def explanation(answers: Sequence[Explanation], now: datetime, warnings: Sequence[str] = ()) -> Report:
    """The report of explanations that were made `now`, of one image or of several of one name."""
    rows, told = tuple(map(_row, answers)), tuple(map(plain, warnings))
    texts = [*(f"WARNING: {warning}" for warning in told), *("\n".join(_lines(one, now)) for one in answers)]
    return Report(
        title=f"Explanation of {plain(answers[0].decision.image.label)}",
        verdict="; ".join(f"{row.action} ({row.reason}): {plain(row.detail)}" for row in rows),
        head=ExplanationHead(now=now, warnings=tuple(warnings), images=tuple(map(_document, answers))),
        warnings=told,
        facts=tuple(fact for one in answers for fact in _facts(one, now)),
        make_body=lambda: Body(tallies=(), sections=tuple(_sections(answers)), listed=0, more=""),
        rows=rows,
        row_type=ExplainedRow,
        prose="\n\n".join(texts) + "\n",
        rows_in_head=True,
    )


def _sections(answers: Sequence[Explanation]) -> Iterator[Section]:
    for one in answers:
        for title, entries in (("Protect", one.protections), ("Rules, in order", one.rules)):
            asked = [line for entry in entries for line in _asked(entry)]
            if asked:
                yield Section(
                    title=f"{title} ({plain(one.decision.image.id)})",
                    columns=_COLUMNS,
                    rows=tuple(asked),
                    most=len(asked),
                    images=False,
                )


def _row(one: Explanation) -> ExplainedRow:
    decision, image = one.decision, one.decision.image
    return ExplainedRow(
        action=decision.action,
        reason=decision.reason,
        rule=decision.rule,
        namespace=image.namespace,
        name=image.name,
        tag=image.tag,
        force=decision.force,
        force_withheld=decision.force_withheld,
        used_by=one.used_by,
        reference=one.reference,
        changes_at=one.changes_at,
        id=image.id,
        detail=decision.detail,
        forward=one.forward,
    )


def _facts(one: Explanation, now: datetime) -> Iterator[Fact]:
    decision, image = one.decision, one.decision.image
    rule = f" (rule {decision.rule})" if decision.rule else ""
    yield Fact("image", plain(f"{image.label}, {image.id}"))
    yield Fact("decision", plain(f"{decision.action} {decision.reason}{rule}: {decision.detail}"))
    yield Fact("and then", plain(one.forward))
    yield Fact("updated", f"{format_moment(image.updated_at, unknown='unknown')}, now {format_moment(now)}")
    yield Fact("content", plain(one.reference))
    yield Fact("in use", plain(", ".join(one.users)) if one.users else "no")
    for other in one.sharing[:_MOST]:
        yield Fact("may share its content", plain(_sharer(other, image)))
    if len(one.sharing) > _MOST:
        yield Fact("may share its content", f"{len(one.sharing) - _MOST} more")


class _Line(NamedTuple):
    """One entry or rule that was asked, or one of its conditions."""

    truth: str
    what: str
    note: str


def _asked(entry: Asked) -> Iterator[_Line]:
    note = _decides(entry) if entry.decides else "" if entry.asked else "not asked any more"
    terms = f" [{entry.terms}]" if entry.terms else ""
    yield _Line(_sign(entry.truth), plain(f"{entry.name}{terms}"), note)
    for finding in entry.findings:
        yield _Line(_sign(finding.truth), plain(f"condition: {finding.text}"), _met(finding).strip())


_COLUMNS = (
    Column(title="holds", of=lambda line: line.truth),
    Column(title="what", of=lambda line: line.what),
    Column(title="", of=lambda line: line.note),
)


def _document(one: Explanation) -> dict[str, object]:
    document: dict[str, object] = msgspec.structs.asdict(one)
    decision = msgspec.structs.asdict(one.decision)
    document["decision"] = decision | {"image": one.decision.image.raw}
    return document


def _sharer(other: Sharer, image: Image) -> str:
    workspace = "" if other.workspace_id == image.workspace_id else f" in workspace {other.workspace_id}"
    fate = "stays" if other.stays else "goes too"
    return f"{other.label} ({other.id}){workspace}, {fate}: {other.why}, {other.reference}"


def _lines(one: Explanation, now: datetime) -> Iterator[str]:
    decision, image = one.decision, one.decision.image
    rule = f" (rule {decision.rule})" if decision.rule else ""
    yield f"{plain(image.label)}  {plain(image.id)}"
    yield f"  {decision.action.upper()}, {decision.reason}{rule}: {plain(decision.detail)}"
    yield f"  {plain(one.forward)}"
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
        yield f"  may share its content: {plain(_sharer(other, image))}"
    if len(one.sharing) > _MOST:
        yield f"  may share its content: {len(one.sharing) - _MOST} more"
    for title, asked in (("protect", one.protections), ("rules, in order", one.rules)):
        yield f"  {title}:"
        for entry in asked:
            yield from _entry(entry)
        if not asked:
            yield "    none"


def _entry(entry: Asked) -> Iterator[str]:
    decides = f"  <- {_decides(entry)}" if entry.decides else "" if entry.asked else "  (not asked any more)"
    terms = f"  [{plain(entry.terms)}]" if entry.terms else ""
    yield f"    {_sign(entry.truth):8}{plain(entry.name)}{terms}{decides}"
    for finding in entry.findings:
        yield f"    {'':8}{'  ' * (finding.depth + 1)}{_sign(finding.truth)}: {plain(finding.text)}{_met(finding)}"


def _decides(entry: Asked) -> str:
    return plain(f"decides, {entry.place}")


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
