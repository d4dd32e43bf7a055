"""What a report counts over a plan and picks from it: rules, groups, the largest; no record is read whole for it."""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from cleanup.decision.decisions import parts_of
from cleanup.decision.types import Decision
from cleanup.image_columns.fields import column
from cleanup.modelarts.wire.image_records import TEXTS
from cleanup.modelarts.wire.values import as_counts
from cleanup.plan.lines import ReadLine, read_lines
from cleanup.plan.plan import Plan
from cleanup.plan.sealed import TOGETHER
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
    namespace: str | None = None
    name: str | None = None
    size: int | None = None


class _Light(msgspec.Struct, gc=False):
    """As much of a decision's line as is counted."""

    rule: str | None
    force: bool
    force_withheld: str | None
    image: _Content


_light = msgspec.json.Decoder(_Light).decode


class _Count:
    """What goes of a group, or by a rule, and the bytes that leave SWR with it."""

    __slots__ = ("bytes", "forced", "plain", "withheld")

    def __init__(self) -> None:
        self.plain = self.forced = self.withheld = self.bytes = 0

    @property
    def images(self) -> int:
        return self.plain + self.forced + self.withheld

    def add(self, size: int, force: bool, withheld: object) -> None:
        """One image of that size."""
        if withheld:
            self.withheld += 1
        elif force:
            self.forced += 1
        else:
            self.plain += 1
        if force:
            self.bytes += size


def figures(plan: Plan, *, groups: int, newest: int, largest: int) -> Figures:
    """Count a plan; of groups, of the newest that stay in each, and of the largest deletes so many.

    Raises UsageError, RecordRejected when the plan's file was changed since it was read.
    """
    number = plan.summary.delete
    deletes, keeps = plan.decisions[:number], plan.decisions[number:]
    by_rule: defaultdict[str, _Count] = defaultdict(_Count)
    by_group: defaultdict[GroupName, _Count] = defaultdict(_Count)
    greatest: list[tuple[int, int, bytes | int]] = []
    looked = 0
    for some in _columns(deletes):
        for by, group, size, force, withheld in zip(*some[:-1], strict=True):
            by_rule[by or ""].add(size, force, withheld)
            by_group[group].add(size, force, withheld)
        least = greatest[-1][0] if len(greatest) >= largest else -1
        places = enumerate(zip(some.sizes, some.sources, strict=True), looked)
        larger = [(size, -place, source) for place, (size, source) in places if size > least]
        greatest = heapq.nlargest(largest, [*greatest, *larger])  # of equal ones the first
        looked += len(some.sizes)
    top = heapq.nsmallest(groups, by_group.items(), key=_most_first)
    return Figures(
        by_rule={rule: Share(one.images, one.bytes) for rule, one in sorted(by_rule.items())},
        by_namespace=_by_namespace(by_group),
        groups=tuple(_groups(dict(top), keeps, newest)),
        all_groups=len(by_group),
        largest=tuple(_whole(deletes, source) for _, _, source in greatest),
    )


class _Columns(NamedTuple):
    """What counts of some decisions, and what each as a whole is made from."""

    rules: Sequence[str | None]
    groups: Sequence[GroupName]
    sizes: Sequence[int]
    forces: Sequence[bool]
    withheld: Sequence[str | None]
    sources: Sequence[bytes | int]


def _columns(decisions: Sequence[Decision]) -> Iterator[_Columns]:
    if isinstance(decisions, StoredDecisions):
        yield from map(_told, decisions.lines())
        return
    parts = parts_of(decisions)
    namespaces, names, sizes = (column(parts.images, name) for name in ("namespace", "name", "size"))
    for start in range(0, len(parts.numbers), TOGETHER):
        some = parts.numbers[start : start + TOGETHER]
        yield _Columns(
            rules=[parts.rulings[one].rule for one in some],
            groups=[(namespaces[one], names[one]) for one in some],
            sizes=[sizes[one] or 0 for one in some],
            forces=[parts.forced(one) for one in some],
            withheld=[parts.withheld(one) for one in some],
            sources=range(start, start + len(some)),
        )


def _told(lines: Sequence[bytes]) -> _Columns:
    told: Sequence[_Light] | Sequence[ReadLine]
    try:
        told = list(map(_light, lines))
    except (ValueError, RecursionError):  # a value in a record is not as documented
        told = read_lines(lines)
    images = [one.image for one in told]
    return _Columns(
        rules=[one.rule for one in told],
        groups=[(TEXTS[one.namespace], TEXTS[one.name]) for one in images],
        sizes=[size or 0 for size in as_counts(one.size for one in images)],
        forces=[one.force for one in told],
        withheld=[one.force_withheld for one in told],
        sources=lines,
    )


def _whole(decisions: Sequence[Decision], source: bytes | int) -> Decision:
    return decisions[source] if isinstance(source, int) else StoredDecisions.decode(source)


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
    for some in _columns(decisions):
        for group, source in zip(some.groups, some.sources, strict=True):
            if group in names:
                found[group].append(_whole(decisions, source))
    return found
