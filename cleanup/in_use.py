"""Who uses which image: users of images and pins, by id or by any reference to the content."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import compress

import msgspec

from cleanup.image import Image
from cleanup.image_columns.fields import codes, column, untold
from cleanup.reference import Reference, ReferenceIndex, common_key, from_fields, key_number, readings


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One user of one image. `user` says who it is, for people, e.g. "notebook train-7 (STOPPED)".

    `swr_path` and `name` are references in any form, with or without a host. A user that says
    neither an id nor a reference that can be read may use any image.
    """

    user: str
    image_id: str | None = None
    swr_path: str | None = None
    name: str | None = None

    @property
    def references(self) -> tuple[Reference, ...]:
        """All that the user's references may mean, in whatever registry."""
        texts = [text for text in (self.swr_path, self.name) if text and text.strip()]
        found = tuple(reading for text in texts for reading in readings(text))
        if self.image_id:  # what cannot be read at all adds nothing to an id
            return tuple(one for one in found if one.namespace or one.name)
        return found or (Reference(),)


class InUse:
    """An index over uses: who, if anybody, uses an image or the content behind it."""

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        self.uses = tuple(uses)
        self._by_id: dict[str, list[Use]] = {}
        for use in self.uses:
            if use.image_id:
                self._by_id.setdefault(use.image_id.lower(), []).append(use)
        self._by_reference = ReferenceIndex(
            (reference, use) for use in self.uses for reference in use.references
        )

    def of(self, image: Image) -> Use | None:
        """The first user of this image that is found, by id, by its path or by its name."""
        key = common_key(image.swr_path, image.namespace) if self.uses else None
        if not self.uses or self._unused(key, image.id, image.namespace, image.name, image.tag):
            return None
        return next(self._users(image), None)

    def of_each(self, images: Sequence[Image], keys: Sequence[int]) -> dict[int, Use]:
        """The same of very many images by number, where somebody does; `keys` are their `key_numbers`."""
        found = ((number, next(self._users(images[number]), None)) for number in self._asked(images, keys))
        return {number: use for number, use in found if use}

    def _asked(self, images: Sequence[Image], keys: Sequence[int]) -> Collection[int]:
        """The numbers of the images that somebody may use: as `_unused` says, of all of them at once."""
        vague, numbers = self._by_reference.vague, range(len(images))
        if not self.uses or None in vague:
            return numbers if self.uses else ()
        found = set(untold(images, keys))
        used = set(map(key_number, self._by_reference.keys))
        found.update(compress(numbers, map(used.__contains__, keys)))
        ids = map(str.lower, column(images, "id"))
        found.update(compress(numbers, map(self._by_id.__contains__, ids)))
        if vague:
            coded = codes(images, ("namespace", "name"))
            named = [f"{namespace}/{name}" in vague for namespace, name in coded.values]
            found.update(compress(numbers, map(named.__getitem__, coded.codes)))
        return sorted(found)

    def _unused(
        self, key: str | None, id_: str, namespace: str | None, name: str | None, tag: str | None
    ) -> bool:
        """Certainly nobody uses it. Nearly all are in nobody's use: where path and fields agree, two look-ups tell."""
        return (
            key == f"{namespace}/{name}:{tag}"
            and self._by_reference.lacks(key)
            and id_.lower() not in self._by_id
        )

    def users_of(self, image: Image) -> tuple[Use, ...]:
        """Every user of this image, each once."""
        return tuple(dict.fromkeys(self._users(image)))

    def _users(self, image: Image) -> Iterator[Use]:
        yield from self._by_id.get(image.id.lower(), ())
        yield from self._by_reference.find(image.reference)
        # A path and the fields of a record should agree; where they do not, both are used.
        fields = from_fields(image.namespace, image.name, image.tag)
        if fields.exact:
            yield from self._by_reference.find(fields)

    def __or__(self, other: "InUse") -> "InUse":
        return InUse(self.uses + other.uses)
