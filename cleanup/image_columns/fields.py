"""A field of very many images, whether they are in a table or by themselves."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from cleanup.image import Image
from cleanup.image_columns.coded import Coded, coded
from cleanup.image_columns.row import EPOCH
from cleanup.image_columns.table import ImageColumns
from cleanup.reference import NO_KEY, common_keys, key_number

_MICROSECOND: Final = timedelta(microseconds=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def column(images: Sequence[Image], name: str) -> Sequence[Any]:
    """The values of one field of all images."""
    return images.column(name) if isinstance(images, ImageColumns) else list(map(attrgetter(name), images))


def codes(images: Sequence[Image], names: Sequence[str], numbers: Sequence[int] | None = None) -> Coded:
    """What the images, or those of the numbers, are in these fields, taken together: few values, very many times."""
    if isinstance(images, ImageColumns):
        return images.codes(names, numbers)
    values_of: Callable[[Image], Any] = attrgetter(*names)
    values = map(values_of, images if numbers is None else map(images.__getitem__, numbers))
    return coded(((value,) for value in values) if len(names) == 1 else values)


def moments(images: Sequence[Image], name: str, numbers: Sequence[int] | None = None) -> Sequence[int]:
    """`updated_at` or `created_at` of the images, or of those of the numbers, `scaled`; one that is not known comes
    before all that make sense."""
    if isinstance(images, ImageColumns):
        held = images.moments(name)
        return held if numbers is None else [held[number] for number in numbers]
    some = images if numbers is None else map(images.__getitem__, numbers)
    return [scaled(moment or _NEVER) for moment in map(attrgetter(name), some)]


def scaled(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def records_of(images: Sequence[Image], numbers: Sequence[int]) -> Sequence[bytes]:
    """The records of those of the images, as the API sent them."""
    if isinstance(images, ImageColumns):
        return images.raws(numbers)
    return [bytes(images[number].raw) for number in numbers]


def key_numbers(images: Sequence[Image]) -> "array[int]":
    """The `key_number` of the `common_key` of each image's path: the texts of a million take a hundred MB."""
    if isinstance(images, ImageColumns):
        return images.key_numbers()
    return array("q", map(key_number, _common_keys(images)))


def untold(images: Sequence[Image], keys: Sequence[int]) -> Iterator[int]:
    """The numbers of the images whose path need not be what namespace, name and tag say; `keys` are their numbers."""
    if not isinstance(images, ImageColumns):
        told = zip(_common_keys(images), images, strict=True)
        yield from (n for n, (key, one) in enumerate(told) if key != f"{one.namespace}/{one.name}:{one.tag}")
        return
    yield from images.untold()
    if NO_KEY in keys:
        yield from (number for number, key in enumerate(keys) if key == NO_KEY)


def _common_keys(images: Sequence[Image]) -> list[str | None]:
    return common_keys([image.swr_path for image in images], [image.namespace for image in images])
