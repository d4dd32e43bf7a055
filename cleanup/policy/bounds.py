"""Bounds on something that has an order: `> 10GiB`, or `>= 1.0.0, < 2.0.0`, all of which must hold."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_HOLDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    "=": eq,
    "!=": ne,
}
# `5 < value` is `value > 5`.
_REFLECTED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": gt,
    "<=": ge,
    ">": lt,
    ">=": le,
    "=": eq,
    "!=": ne,
}


@dataclass(frozen=True, slots=True)
class Bounds(Generic[T]):
    """Pairs of an operator (`<`, `<=`, `>`, `>=`, `=`, `!=`) and a value of the ordered type T."""

    pairs: tuple[tuple[str, T], ...]

    def matcher(self) -> Callable[[T], bool]:
        """A function that says whether a value lies within."""
        (operator, bound), *more = self.pairs
        if not more:
            return partial(_REFLECTED[operator], bound)  # nothing of Python's own is called
        return lambda value: value in self

    def __contains__(self, value: T) -> bool:
        return all(_HOLDS[operator](value, bound) for operator, bound in self.pairs)

    @property
    def contradictory(self) -> bool:
        """No value can ever lie within: `> 10, < 5`. Sound, but blind to gaps between values."""
        lower = [(bound, operator == ">") for operator, bound in self.pairs if operator in (">", ">=", "=")]
        upper = [(bound, operator == "<") for operator, bound in self.pairs if operator in ("<", "<=", "=")]
        return any(
            _HOLDS[">"](low, high) or (low == high and (above or below))
            for low, above in lower
            for high, below in upper
        )
