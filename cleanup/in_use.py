"""Who uses which image: users of images and pins, by id or by any reference to the content."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from cleanup.image import Image
from cleanup.reference import Reference, ReferenceIndex, from_fields, parse_reference, readings

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FORMS: Final = "write the image's id, namespace/name:tag, or registry/namespace/name:tag"


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
        return next(self._users(image), None)

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


def read_pin(text: str, user: str) -> Use:
    """The use that a pin stands for: an id, or a reference with a tag or a digest.

    Raises ValueError with what to write instead: a pin that names no image would protect nothing.
    """
    if hidden := next((one for one in text if not one.isprintable()), None):
        shown = "".join(one if one.isprintable() else "?" for one in text)
        raise ValueError(f"'{shown}' has a character that cannot be seen (U+{ord(hidden):04X}): type it anew")
    if found := re.search(r"\$(\{.*?\}|\(.*?\)|[A-Z_]+)", text):
        raise ValueError(f"'{found[0]}' is not filled in here: write the value itself")
    if found := re.search(r"[*?{}!|^\\,;()<>\s]", text):
        advice = "a pin is one image: one a line, for many write a protect entry with a pattern"
        raise ValueError(f"'{text}' has a {found[0]!r} in it, {advice}")
    if _UUID.fullmatch(text):
        return Use(user=user, image_id=text)
    if "://" in text.removeprefix("https://"):
        raise ValueError(f"'{text}' has a scheme: write registry/namespace/name:tag without it")
    last = text.rpartition("/")[2]
    if "/" not in text:
        raise ValueError(f"'{text}' is no image: {_FORMS}")
    if "+" in last:
        raise ValueError(f"no tag can hold '+', registries write '_' for it: write {text.replace('+', '_')}")
    if ":" not in last:
        raise ValueError(f"'{text}' names no tag: write {text}:latest if that is meant")
    reference = parse_reference(text)
    if not reference.repository or not (reference.tag or reference.digest):
        raise ValueError(f"'{text}' is no image: {_FORMS}")
    return Use(user=user, swr_path=text)
