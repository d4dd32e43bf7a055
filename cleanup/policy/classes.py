"""The classes that very many values of a field fall into, by what can be told of conditions on it. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from cleanup.image import Image
from cleanup.image_columns.coded import Coded, numbered, recoded
from cleanup.image_columns.fields import codes, column
from cleanup.policy.language import Leaf, composed, judged
from cleanup.policy.spans import Spans

_NO_TEXTS: Final = frozenset({"size", "resource_tags"})
_REPEATED: Final = frozenset(
    {"name", "description", "resource_tags"}
)  # whose values mostly are those of many images
_SAMPLE: Final = 1000


def are_worth_it(field: str, leaves: Sequence[Leaf]) -> bool:
    """One condition on a field is mostly asked of each value as fast as classes are found."""
    return len(leaves) > 1 or field in _REPEATED


class FieldClasses:
    """The conditions on one field with many values, as far as more can be told than a value at a time."""

    def __init__(self, field: str, leaves: Sequence[Leaf]) -> None:
        self.field, self.leaves = field, leaves
        self._spans = None if field == "resource_tags" else Spans(leaves)

    def of(self, images: Sequence[Image], numbers: Sequence[int]) -> Coded | None:
        """A class for each image, with what is told of each of the conditions; None where nothing is told."""
        if self.field == "name":  # many, but of many images each
            few = codes(images, ("name",), numbers)
            return recoded(few.codes, [self._truths(value) for (value,) in few.values])
        values = list(map(column(images, self.field).__getitem__, numbers))
        # Tags of resources cannot be looked up by themselves; those that are equal are mostly one object.
        keys = list(map(id, values)) if self.field == "resource_tags" else values
        if _are_few(keys):
            known = dict(zip(keys, values, strict=True)) if keys is not values else None
            found, different = numbered(keys)
            some = map(known.__getitem__, different) if known else different
            return recoded(found, list(map(self._truths, some)))
        if self._spans is None or not self._spans.edges:
            return None
        return recoded(self._spans.codes(as_judged(self.field, values)), self._spans.truths)

    def _truths(self, value: Any) -> tuple[Any, ...]:
        return tuple(judged(leaf.judge, value) for leaf in self.leaves)


def as_judged(field: str, values: Sequence[Any]) -> Sequence[Any]:
    """The values as conditions are asked of them: texts in Unicode's composed form, which nearly all are."""
    if field in _NO_TEXTS or "".join(filter(None, values)).isascii():
        return values
    return list(map(composed, values))


def _are_few(values: Sequence[Any]) -> bool:
    """Whether there are few different ones among them, by a sample."""
    some = values[:: max(1, len(values) // _SAMPLE)]
    return 4 * len(set(some)) <= len(some)
