"""What a report counts over a plan and picks from it: rules, groups, the largest; no record is read whole for it."""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from cleanup.decision.types import Decision
from cleanup.modelarts.wire import as_count, as_text
from cleanup.plan.file import Plan, StoredDecisions

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
    heap: list[tuple[int, int, Decision | bytes]] = []
    for place, (one, source) in enumerate(_lights(plan.decisions[:number])):
        size = as_count(one.image.size) or 0
        taken = size if one.force else 0
        _add(by_group[as_text(one.image.namespace), as_text(one.image.name)], one, taken)
        rule = by_rule[one.rule or ""]
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
        largest=tuple(_whole(source) for _, _, source in sorted(heap, reverse=True)),
    )


def _lights(decisions: Sequence[Decision]) -> Iterator[tuple[Decision | _Light, Decision | bytes]]:
    """Each decision's part that counts, and what the whole is made from."""
    if isinstance(decisions, StoredDecisions):
        for line in decisions.lines():
            yield _counted(line), line
    else:
        for decision in decisions:
            yield decision, decision


def _counted(line: bytes) -> Decision | _Light:
    try:
        return _light.decode(line)
    except (ValueError, RecursionError):  # a value in it is no JSON of ours: the slow way knows what to do
        return StoredDecisions.decode(line)


def _whole(source: Decision | bytes) -> Decision:
    return source if isinstance(source, Decision) else StoredDecisions.decode(source)


def _add(count: _Count, one: Decision | _Light, taken: int) -> None:
    if one.force_withheld:
        count.withheld += 1
    elif one.force:
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
    for one, source in _lights(decisions):
        name = as_text(one.image.namespace), as_text(one.image.name)
        if name in names:
            found[name].append(_whole(source))
    return found
