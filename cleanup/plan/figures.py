"""What a report counts over a plan and picks from it: rules, groups, the largest; no record is read whole for it."""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import msgspec

from cleanup.decision.decisions import parts_of
from cleanup.decision.types import Decision
from cleanup.image_columns.fields import column
from cleanup.modelarts.wire.values import as_count, as_text
from cleanup.plan.plan import Plan
from cleanup.plan.stored_decisions import StoredDecisions

_NEVER = datetime.min.replace(tzinfo=UTC)
GroupName = tuple[str | None, str | None]


class Share(NamedTuple):
    """A part of the deletes: how many images, and the bytes that leave SWR with them."""

    images: int
    bytes: int


class GroupFigures(NamedTuple):
    """A namespace/name of which images go: without content, with it, with `force` withheld; the bytes that leave
    SWR, how many of its images stay, and the newest of those."""

    name: GroupName
    plain: int
    forced: int
    withheld: int
    bytes: int
    stay: int
    newest: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """`groups` are those that lose most, of `all_groups`; `largest` are deletes."""

    by_rule: dict[str, Share]
    by_namespace: dict[str | None, Share]
    groups: tuple[GroupFigures, ...]
    all_groups: int
    largest: tuple[Decision, ...]


class _Content(msgspec.Struct, gc=False):
    namespace: object = None
    name: object = None
    size: object = None


class _Light(msgspec.Struct, gc=False):
    """As much of a decision's line as is counted."""

    rule: str | None
    force: bool
    force_withheld: str | None
    image: _Content


_light = msgspec.json.Decoder(_Light)


class _Count:
    __slots__ = ("bytes", "forced", "plain", "withheld")

    def __init__(self) -> None:
        self.plain = self.forced = self.withheld = self.bytes = 0

    @property
    def images(self) -> int:
        return self.plain + self.forced + self.withheld


def figures(plan: Plan, *, groups: int, newest: int, largest: int) -> Figures:
    """Count a plan; of groups, of the newest that stay in each, and of the largest deletes so many.

    Raises UsageError, RecordRejected when the plan's file was changed since it was read.
    """
    number = plan.summary.delete
    by_rule: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_group: defaultdict[GroupName, _Count] = defaultdict(_Count)
    heap: list[tuple[int, int, bytes | int]] = []
    deletes = plan.decisions[:number]
    for place, (by, force, withheld, namespace, name, size, source) in enumerate(_lights(deletes)):
        taken = size if force else 0
        _add(by_group[namespace, name], force, withheld, taken)
        rule = by_rule[by or ""]
        rule[0] += 1
        rule[1] += taken
        if len(heap) < largest:
            heapq.heappush(heap, (size, -place, source))
        elif size > heap[0][0]:
            heapq.heapreplace(heap, (size, -place, source))
    top = heapq.nsmallest(groups, by_group.items(), key=_most_first)
    return Figures(
        by_rule={rule: Share(*share) for rule, share in sorted(by_rule.items())},
        by_namespace=_by_namespace(by_group),
        groups=tuple(_groups(dict(top), plan.decisions[number:], newest)),
        all_groups=len(by_group),
        largest=tuple(_whole(deletes, source) for _, _, source in sorted(heap, reverse=True)),
    )


# What of a decision counts: rule, force, why it is withheld, namespace, name, size; and what the whole is made from.
_Part: TypeAlias = tuple[str | None, bool, str | None, str | None, str | None, int, bytes | int]


def _lights(decisions: Sequence[Decision]) -> Iterator[_Part]:
    if isinstance(decisions, StoredDecisions):
        for line in decisions.lines():
            yield _counted(line)
        return
    parts = parts_of(decisions)
    namespaces, names, sizes = (column(parts.images, name) for name in ("namespace", "name", "size"))
    rulings, forced, withheld = parts.rulings, parts.forced, parts.withheld
    for place, number in enumerate(parts.numbers):
        yield (
            rulings[number].rule,
            forced(number),
            withheld(number),
            namespaces[number],
            names[number],
            sizes[number] or 0,
            place,
        )


def _counted(line: bytes) -> _Part:
    try:
        one = _light.decode(line)
    except (ValueError, RecursionError):  # a value in it is no JSON of ours: the slow way knows what to do
        whole = StoredDecisions.decode(line)
        content = _Content(whole.image.namespace, whole.image.name, whole.image.size)
        one = _Light(whole.rule, whole.force, whole.force_withheld, content)
    image = one.image
    return (
        one.rule,
        one.force,
        one.force_withheld,
        as_text(image.namespace),
        as_text(image.name),
        as_count(image.size) or 0,
        line,
    )


def _whole(decisions: Sequence[Decision], source: bytes | int) -> Decision:
    return decisions[source] if isinstance(source, int) else StoredDecisions.decode(source)


def _add(count: _Count, force: bool, withheld: str | None, taken: int) -> None:
    if withheld:
        count.withheld += 1
    elif force:
        count.forced += 1
    else:
        count.plain += 1
    count.bytes += taken


def _most_first(item: tuple[GroupName, _Count]) -> tuple[int, int, str]:
    (namespace, name), count = item
    return -count.bytes, -count.images, f"{namespace}/{name}"


def _by_namespace(by_group: dict[GroupName, _Count]) -> dict[str | None, Share]:
    sums: defaultdict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    for (namespace, _), count in by_group.items():
        sums[namespace][0] += count.images
        sums[namespace][1] += count.bytes
    return {namespace: Share(*share) for namespace, share in sums.items()}


def _groups(top: dict[GroupName, _Count], keeps: Sequence[Decision], newest: int) -> Iterator[GroupFigures]:
    stay = _of_groups(keeps, top) if top else {}
    for name, count in top.items():
        kept = stay.get(name, [])
        shown = heapq.nlargest(newest, kept, key=lambda one: (one.image.updated_at or _NEVER, one.image.id))
        yield GroupFigures(
            name, count.plain, count.forced, count.withheld, count.bytes, len(kept), tuple(shown)
        )


def _of_groups(
    decisions: Sequence[Decision], names: Collection[GroupName]
) -> dict[GroupName, list[Decision]]:
    found: defaultdict[GroupName, list[Decision]] = defaultdict(list)
    for *_, namespace, name, _, source in _lights(decisions):
        if (namespace, name) in names:
            found[namespace, name].append(_whole(decisions, source))
    return found
