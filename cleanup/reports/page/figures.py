"""PageFigures over all images of a page: bytes, ages, causes of failure, results over time. Pieces in, sums out."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from operator import add
from typing import Any, Final, NamedTuple, TypeAlias

from cleanup.decision.types import Action
from cleanup.outcome import GONE, Outcome
from cleanup.reports.formatting import plain

_GOES: Final = frozenset({Action.DELETE.value, Outcome.DELETED.value})
_WELL: Final = frozenset({None, *GONE})
_VARYING: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
GROUPS: Final = ("namespace", "rule", "target")


class FailureCause(NamedTuple):
    """Why images did not go: what the service said, without ids and numbers that differ each time."""

    outcome: str
    http_status: int | None
    error_code: str
    message: str


class PageShare(NamedTuple):
    """The images of one word that go, the bytes that leave the registry with them, and those that stay there."""

    images: int
    freed: int
    stays: int


class Timeline(NamedTuple):
    """Results and repeated requests of one run, by the second."""

    results: Counter[int]
    repeated: Counter[int]
    throttled: Counter[int]


_Words: TypeAlias = tuple[str | None, ...]  # of an image in the GROUPS
_Going: TypeAlias = tuple[
    _Words, int, int | None
]  # with its size, and which content it has, where that is known


class PageFigures:
    """Sums over the rows that were added, whatever report they are of."""

    def __init__(self) -> None:
        self.rows = 0
        self.ages: Counter[tuple[int, bool]] = Counter()
        self.causes: Counter[FailureCause] = Counter()
        self.timelines: dict[str, Timeline] = defaultdict(lambda: Timeline(Counter(), Counter(), Counter()))
        self._images: Counter[_Words] = Counter()
        self._forced: list[_Going] = []
        self._others: list[_Going] = []

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Some rows, as the values of each field."""
        self.rows += len(next(iter(columns.values())))
        if "action" in columns and "age_days" in columns:
            known = zip(columns["age_days"], columns["action"], strict=True)
            self.ages.update((age, action == Action.DELETE) for age, action in known if age is not None)
        status = columns.get("outcome", columns.get("action"))
        if status is not None and "force" in columns:
            self._add_going(status, columns)
        if "outcome" in columns and "error_msg" in columns:
            self._add_causes(columns)
        if "outcome" in columns and "timestamp" in columns:
            self._add_times(columns)

    def _add_going(self, status: Sequence[Any], columns: Mapping[str, Sequence[Any]]) -> None:
        nothing = [None] * len(status)
        groups = zip(*(columns.get(name, nothing) for name in GROUPS), strict=True)
        contents = columns.get("swr_path", nothing)
        sizes = columns.get("size", nothing)
        rows = zip(status, groups, columns["force"], sizes, contents, strict=True)
        for goes, words, force, size, content in rows:
            if goes in _GOES:
                self._images[words] += 1
                (self._forced if force else self._others).append(
                    (words, size or 0, hash(content) if content else None)
                )

    def _add_causes(self, columns: Mapping[str, Sequence[Any]]) -> None:
        names = ("outcome", "http_status", "error_code", "error_msg")
        for outcome, status, code, message in zip(*(columns[name] for name in names), strict=True):
            if outcome not in _WELL:
                told = _VARYING.sub("…", (message or "")[:300])
                self.causes[FailureCause(outcome, status, plain(code or ""), plain(told))] += 1

    def _add_times(self, columns: Mapping[str, Sequence[Any]]) -> None:
        names = ("timestamp", "run_id", "outcome", "attempts", "http_status")
        for moment, run, outcome, attempts, status in zip(*(columns[name] for name in names), strict=True):
            if not isinstance(moment, datetime) or outcome in (None, Outcome.NOT_ATTEMPTED):
                continue
            second, line = int(moment.timestamp()), self.timelines[run]
            line.results[second] += 1
            if attempts > 1:
                line.repeated[second] += attempts - 1
            if status == 429:
                line.throttled[second] += 1

    def shares(self, group: str) -> dict[str, PageShare]:
        """By the words of `namespace`, `rule` or `target`, the largest first; each content counts once.

        Where all records of one content go, at most one of them has `force`: the content goes with it.
        """
        place = GROUPS.index(group)
        found: dict[str, PageShare] = {}
        for words, images in self._images.items():
            word = plain(words[place] or "?")
            before = found.get(word, PageShare(0, 0, 0))
            more = images, self._freed_and_stays[0][words], self._freed_and_stays[1][words]
            found[word] = PageShare(*map(add, before, more))
        return dict(sorted(found.items(), key=lambda item: (-item[1].freed - item[1].stays, -item[1].images)))

    @cached_property
    def _freed_and_stays(self) -> tuple[Counter["_Words"], Counter["_Words"]]:
        """Bytes, by all the words of an image; asked for when all rows were added."""
        sums, seen = (Counter[_Words](), Counter[_Words]()), set[int]()
        # What goes with its content comes first: the other records of it then count no more.
        for sum_, going in zip(sums, (self._forced, self._others), strict=True):
            for words, size, content in going:
                if content is None or content not in seen:
                    sum_[words] += size
                    if content is not None:
                        seen.add(content)
        return sums

    @property
    def has_bytes(self) -> bool:
        """Whether a size of what goes is known."""
        return any(size for _, size, _ in chain(self._forced, self._others))


def buckets(counted: Iterable[tuple[int, int]], start: int, width: int, number: int) -> list[int]:
    """Counts by second as counts by span of `width` seconds from `start` on."""
    sums = [0] * number
    for second, count in counted:
        sums[min((second - start) // width, number - 1)] += count
    return sums
