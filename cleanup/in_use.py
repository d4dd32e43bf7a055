"""What is using which image: notebooks and pins, by id, by registry path, or by name and tag."""

from collections.abc import Iterable

import msgspec

from cleanup.image import Image, content_key


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One user of one image; at least one of the three keys is set.

    `name` is `namespace/name:tag`; `user` says who it is, for people, e.g. "notebook train-7 (STOPPED)".
    """

    user: str
    image_id: str | None = None
    swr_path: str | None = None
    name: str | None = None


class InUse:
    """An index over uses: who, if anybody, uses an image or the content behind it."""

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        self.uses = tuple(uses)
        self._by_id: dict[str, Use] = {}
        self._by_content: dict[str, Use] = {}
        self._by_name: dict[str, Use] = {}
        self._by_path_name: dict[str, Use] = {}
        for use in self.uses:
            self._index(use)

    def _index(self, use: Use) -> None:
        if use.image_id:
            self._by_id.setdefault(use.image_id.casefold(), use)
        if use.name:
            self._by_name.setdefault(use.name.casefold(), use)
        if key := content_key(use.swr_path):
            self._by_content.setdefault(key, use)
            self._by_path_name.setdefault(path_name(key), use)

    def of(self, image: Image) -> Use | None:
        """Who uses this image: by id, by path, by name, or by a path of that name in whatever registry."""
        label = image.label.casefold()
        found = self._by_id.get(image.id.casefold()) or self._by_content.get(image.content or "")
        if found or None not in (image.namespace, image.name, image.tag):
            return found or self._by_name.get(label) or self._by_path_name.get(label)
        named = self._by_name | self._by_path_name
        return next((use for name, use in named.items() if not image.content and may_be(image, name)), None)

    def __or__(self, other: "InUse") -> "InUse":
        return InUse(self.uses + other.uses)


def path_name(key: str) -> str:
    """`namespace/name:tag` out of a content key `registry/namespace/name:tag`."""
    registry, _, rest = key.partition("/")
    return rest if "/" in rest else f"{registry}/{rest}"


def may_be(image: Image, name: str) -> bool:
    """Whether `namespace/name:tag` may be this image's; a part that the API did not say may be anything."""
    namespace, _, rest = name.rpartition("/")
    base, _, tag = rest.partition(":")
    parts = ((image.namespace, namespace), (image.name, base), (image.tag, tag))
    return all(own is None or own.casefold() == other for own, other in parts)
