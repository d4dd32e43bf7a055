"""Whether one condition covers another for every image; where it cannot be proved the answer is no."""

import re
from functools import lru_cache
from typing import Final

from cleanup.policy.bounds import Bounds
from cleanup.policy.language import (
    All,
    AnyOf,
    Condition,
    FieldCondition,
    Not,
    ResourceTagCondition,
    SizeCondition,
)
from cleanup.policy.patterns import Either, Exact, Except, Glob, Pattern

_WILDCARD = re.compile(r"\*+|\?|\[[!^]?\]?[^]]*\]")
_STAND_IN: Final = "\ue000"  # a private character that no pattern has


@lru_cache(maxsize=4096)
def covers(outer: Condition, inner: Condition) -> bool:
    """Wherever `inner` is true `outer` is true, and wherever `outer` is false `inner` is false.

    The second half is what a missing field needs: where `inner` cannot be evaluated, `outer` holds
    or cannot be evaluated either.
    """
    if outer == inner:
        return True
    return _covers_mixed(outer, inner) or _covers_leaf(outer, inner)


def _covers_mixed(outer: Condition, inner: Condition) -> bool:
    if isinstance(outer, All) and all(covers(part, inner) for part in outer.parts):
        return True
    if isinstance(inner, AnyOf) and all(covers(outer, part) for part in inner.parts):
        return True
    if isinstance(outer, AnyOf) and any(covers(part, inner) for part in outer.parts):
        return True
    if isinstance(inner, All) and any(covers(outer, part) for part in inner.parts):
        return True
    # By contraposition: the larger the part, the smaller what is not in it.
    return isinstance(outer, Not) and isinstance(inner, Not) and covers(inner.part, outer.part)


def _covers_leaf(outer: Condition, inner: Condition) -> bool:
    match outer, inner:
        case FieldCondition(), FieldCondition():
            return outer.attribute == inner.attribute and _includes(outer.pattern, inner.pattern)
        case ResourceTagCondition(), ResourceTagCondition():
            return outer.key == inner.key and _includes(outer.pattern, inner.pattern)
        case SizeCondition(), SizeCondition():
            (lowest, highest), (low, high) = _interval(outer.bounds), _interval(inner.bounds)
            return lowest <= low and high <= highest
        case _:
            return False


def _includes(outer: Pattern, inner: Pattern) -> bool:
    """Every text that `inner` matches is matched by `outer`; both are patterns on the same field."""
    if outer == inner:
        return True
    if isinstance(inner, Either):
        return all(_includes(outer, part) for part in inner.parts)
    if isinstance(inner, Exact):
        return outer.matches(inner.text)
    if isinstance(outer, Either):
        return any(_includes(part, inner) for part in outer.parts)
    if isinstance(outer, Except) and isinstance(inner, Except):
        return _includes(inner.part, outer.part)
    return isinstance(outer, Glob) and _glob_includes(outer, inner)


def _glob_includes(outer: Glob, inner: Pattern) -> bool:
    """`ml-*` includes `ml-dev-?`: the outer's stars take in all that is open in the inner."""
    if not outer.text.strip("*"):
        return True
    if not isinstance(inner, Glob) or "?" in outer.text or "[" in outer.text:
        return False
    return outer.matches(_WILDCARD.sub(_STAND_IN, inner.text))


def _interval(bounds: Bounds[int]) -> tuple[float, float]:
    """The first and the last whole number within the bounds."""
    lows = [bound + (operator == ">") for operator, bound in bounds.pairs if operator in (">", ">=")]
    highs = [bound - (operator == "<") for operator, bound in bounds.pairs if operator in ("<", "<=")]
    return max(lows, default=float("-inf")), min(highs, default=float("inf"))
