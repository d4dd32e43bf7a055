"""The difference that a policy change makes, as text for people, or as JSON."""

from collections.abc import Iterator, Sequence

from cleanup.decision.diff import Change, counted, summary
from cleanup.decision.types import Decision
from cleanup.reports.formatting import plain
from cleanup.reports.view import ProseFormat, indented


def render_comparison(found: Sequence[Change], images: int, format: ProseFormat) -> str:
    """The changes by kind, then one by one, then the summary line; `images` is the inventory's size."""
    if format is ProseFormat.JSON:
        return indented(_document(found, images))
    return "\n".join(_lines(found, images))


def _lines(found: Sequence[Change], images: int) -> Iterator[str]:
    for kind, number in counted(found).items():
        yield f"{number:6,}  {plain(kind)}"
    if found:
        yield ""
    for change in found:
        yield f"{change.kind}: {plain(change.after.image.label)}  {plain(change.after.image.id)}"
        yield f"    was {_line(change.before)}"
        yield f"    now {_line(change.after)}"
    yield summary(found, images)


def _line(decision: Decision) -> str:
    rule = f" ({decision.rule})" if decision.rule else ""
    force = ", with its content" if decision.force else ""
    return plain(f"{decision.action} {decision.reason}{rule}{force}: {decision.detail}")


def _document(found: Sequence[Change], images: int) -> dict[str, object]:
    return {
        "images": images,
        "changes": [
            {
                "id": change.after.image.id,
                "namespace": change.after.image.namespace,
                "name": change.after.image.name,
                "tag": change.after.image.tag,
                "before": _essence(change.before),
                "after": _essence(change.after),
            }
            for change in found
        ],
        "counts": counted(found),
        "summary": summary(found, images),
    }


def _essence(decision: Decision) -> dict[str, object]:
    fields = ("action", "reason", "rule", "force", "force_withheld", "detail")
    return {name: getattr(decision, name) for name in fields}
