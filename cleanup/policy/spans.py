"""What conditions on one field say of all values between two others, in the order of values. Pure.

In the order of texts those that begin alike lie together, so that most patterns hold from one text to another.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, compress, pairwise, repeat
from types import EllipsisType
from typing import Any, TypeAlias

from cleanup.policy.beginnings import next_to
from cleanup.policy.language import FieldCondition, Leaf, SizeCondition, Truth
from cleanup.policy.patterns import Either, Exact, Except, Pattern, Semver
from cleanup.policy.versions import FIRST

# `...` where each value has to be asked for itself.
Told: TypeAlias = Truth | EllipsisType


class Spans:
    """Where it changes what can be told of conditions on one field; `truths` has what it is in each span."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        edges: list[Any] = sorted(set(chain.from_iterable(map(_edges_of, leaves))))
        begin = -1 if leaves[0].attribute == "size" else ""
        truths = [tuple(_told(leaf, edge) for leaf in leaves) for edge in (begin, *edges)]
        changes = [before != after for before, after in pairwise(truths)]
        self.edges = list(compress(edges, changes))
        # The last of them is for a value that is not there.
        self.truths = [truths[0], *compress(truths[1:], changes), (None,) * len(leaves)]

    def codes(self, values: Sequence[Any]) -> list[int]:
        """In which span each value lies; texts in Unicode's composed form."""
        if None not in values:
            return list(map(bisect_right, repeat(self.edges), values))
        missing = len(self.truths) - 1
        return [missing if value is None else bisect_right(self.edges, value) for value in values]


def _edges_of(leaf: Leaf) -> Iterator[Any]:
    match leaf:
        case FieldCondition():
            yield from _text_edges(leaf.pattern)
        case SizeCondition():
            yield from (edge for _, bound in leaf.bounds.pairs for edge in (bound, bound + 1))


def _told(leaf: Leaf, edge: Any) -> Told:
    """What a condition says of this value and all up to the next edge."""
    match leaf:
        case FieldCondition():
            return _told_of_text(leaf.pattern, edge)
        case SizeCondition():
            return leaf.judge(edge)
        case _:
            return ...


def _text_edges(pattern: Pattern) -> Iterator[str]:
    match pattern:
        case Either():
            yield from chain.from_iterable(map(_text_edges, pattern.parts))
        case Except():
            yield from _text_edges(pattern.part)
        case Semver():
            yield from (edge for first in FIRST for edge in _beginning_with(first))
        case Exact():
            if not pattern.ignores_case:
                yield from (pattern.key, f"{pattern.key}\0")
        case _:
            if pattern.beginning:
                yield from _beginning_with(pattern.beginning)


def _beginning_with(text: str) -> Iterator[str]:
    """Where texts that begin so begin, and where they end."""
    yield text
    if after := next_to(text):
        yield after


def _told_of_text(pattern: Pattern, text: str) -> bool | EllipsisType:
    match pattern:
        case Either():
            told = [_told_of_text(part, text) for part in pattern.parts]
            return True if True in told else ... if ... in told else False
        case Except():
            one = _told_of_text(pattern.part, text)
            return one if one is ... else not one
        case Semver():
            return ... if text and text[0] in FIRST else False
        case Exact():
            return ... if pattern.ignores_case else text == pattern.key
        case _:
            if not text.startswith(pattern.beginning):
                return False
            return True if pattern.is_beginning else ...
