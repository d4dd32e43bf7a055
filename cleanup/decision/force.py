"""Which deletes take the content in the registry along: at most one a content, and none that is needed. Pure."""

from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Final, overload

import msgspec

from cleanup.decision.keep_last import newest_first
from cleanup.decision.types import Action, Decision, Withheld
from cleanup.image import Image, same_word
from cleanup.image_columns.coded import repeated
from cleanup.image_columns.fields import codes, column, content_keys
from cleanup.image_columns.table import ImageColumns
from cleanup.policy.language import Policy
from cleanup.reference import Reference, ReferenceIndex, common_key, same_content

NO_KEY: Final = hash(None)  # a key that has this hash by chance is compared part by part, as what has none


def with_force(
    decided: Iterable[Decision], policy: Policy, others: Iterable[Image], *, all_seen: bool
) -> tuple[Decision, ...]:
    """The decisions, with `force` or why it is withheld for the deletes whose rule asks for it.

    `others` are records that are not decided on, so they stay. Without `all_seen` there may be
    records that could not be read, which may need any content.
    """
    found = list(decided)
    going = {number: d.rule for number, d in enumerate(found) if d.action is Action.DELETE}
    images = [decision.image for decision in found]
    for number, why in forces(images, going, going.__getitem__, policy, others, all_seen=all_seen):
        found[number] = msgspec.structs.replace(found[number], force=why is None, force_withheld=why)
    return tuple(found)


def forces(
    images: Sequence[Image],
    going: Iterable[int],
    rule_of: Callable[[int], str | None],
    policy: Policy,
    others: Iterable[Image],
    *,
    all_seen: bool,
    keys: "array[int] | None" = None,
) -> Iterator[tuple[int, Withheld | None]]:
    """Those of the images that are deleted by a rule that asks for `force`, and why they do not have it, or None.

    `going` are the numbers of all that are deleted, `rule_of` says by which rule, `keys` are the `keys_of` the
    images where they are known. The rest is as for `with_force`.
    """
    rules = {rule.name for rule in policy.rules if rule.force}
    if not rules:
        return
    deleted = _Deleted(images, going, rule_of)
    asked = [number for number in deleted.numbers if rule_of(number) in rules]
    staying = deleted.without(others)
    known = keys_of(images) if keys is None else keys
    sharers = Sharers(_Chained(images, staying), asked, known + keys_of(staying))
    coded = codes(images, ("visibility",))
    private = [same_word(visibility, "PRIVATE") for (visibility,) in coded.values]
    unshared = None if all_seen else Withheld.WORKSPACE_UNSEEN
    sharing = []
    for number in asked:
        if not private[coded.codes[number]]:
            yield number, Withheld.PUBLIC
        elif sharers.has_none(number):  # nearly always, and told by a look-up
            yield number, unshared
        else:
            sharing.append(number)
    if sharing:
        yield from _of_sharing(
            {images[number].id: number for number in sharing}, images, sharers, deleted, rules, all_seen
        )


class _Deleted:
    """The images that are deleted."""

    def __init__(
        self, images: Sequence[Image], numbers: Iterable[int], rule_of: Callable[[int], str | None]
    ) -> None:
        self.numbers = array("I", numbers)
        self._images = images
        self._rule_of = rule_of

    def among(self, ids: Container[str]) -> dict[str, str | None]:
        """Those of the ids that go, and the rule by which: all that go would take much room."""
        id_of = column(self._images, "id").__getitem__
        return {id_: self._rule_of(number) for number in self.numbers if (id_ := id_of(number)) in ids}

    def without(self, others: Iterable[Image]) -> Sequence[Image]:
        """The others but for records that are decided on and go."""
        records = others if isinstance(others, ImageColumns) else tuple(others)
        going = self.among(set(column(records, "id"))) if records else {}
        return tuple(one for one in records if one.id not in going) if going else records


class _Chained(Sequence[Image]):
    """Two sequences of images, one after the other."""

    def __init__(self, first: Sequence[Image], then: Sequence[Image]) -> None:
        self._first, self._then = first, then

    def __len__(self) -> int:
        return len(self._first) + len(self._then)

    @overload
    def __getitem__(self, number: int) -> Image: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Image]: ...
    def __getitem__(self, number: int | slice) -> Image | Sequence[Image]:
        if isinstance(number, slice):
            return tuple(map(self.__getitem__, range(*number.indices(len(self)))))
        count = len(self._first)
        return self._first[number] if number < count else self._then[number - count]


def _of_sharing(
    numbers: dict[str, int],
    images: Sequence[Image],
    sharers: "Sharers",
    deleted: _Deleted,
    rules: Container[str],
    all_seen: bool,
) -> Iterator[tuple[int, Withheld | None]]:
    """Decide about those, by id, whose content other records may have."""
    going = deleted.among(sharers.ids)
    asked = {id_ for id_, rule in going.items() if rule in rules}
    forced: set[str] = set()
    # The youngest record of a content takes it along.
    for image in newest_first(images[number] for number in numbers.values()):
        why = _withheld(image, sharers, going, asked, forced, all_seen)
        if why is None:
            forced.add(image.id)
        yield numbers[image.id], why


def keys_of(images: Sequence[Image]) -> "array[int]":
    """The key of each image's path as a number, its hash: the texts of a million take a hundred MB.

    Equal keys have equal numbers; what has equal numbers has to be compared by its key.
    """
    return array("q", map(hash, content_keys(images)))


def _withheld(
    image: Image,
    sharers: "Sharers",
    going: Container[str],
    asked: Container[str],
    forced: Container[str],
    all_seen: bool,
) -> Withheld | None:
    # Only a path that says all of it proves where the content lies.
    if image.content is None:
        return Withheld.SHARED_CONTENT
    sharing = sharing_content(image, sharers)
    if not all(id_ in going for id_ in sharing):
        return Withheld.SHARED_CONTENT
    if not all_seen:
        return Withheld.WORKSPACE_UNSEEN
    if not all(id_ in asked for id_ in sharing):
        return Withheld.NOT_ASKED_BY_ALL
    if any(id_ in forced for id_ in sharing):
        return Withheld.SHARED_CONTENT
    # What only says a digest leaves the content to those that say a tag.
    named = sharing and not image.reference.exact and any(one.reference.exact for one in sharing.values())
    return Withheld.SHARED_CONTENT if named else None


class Sharers:
    """Finds the records that may have the same content as some of them, among very many.

    Nearly all records have a path of the common form and are told apart by its key; the odd ones,
    with digests, without tags or unreadable, are compared part by part. `asked` are the numbers of
    the records for which sharers are looked for, `keys` the `keys_of` all, `ids` those of all that can be found.
    """

    def __init__(self, records: Sequence[Image], asked: Sequence[int], keys: Sequence[int]) -> None:
        self._records, self._keys = records, keys
        odd = self._odd_ones(asked)
        self._any_odd = bool(odd)
        self._odd = ReferenceIndex(odd)
        # Nearly every key is one record's own, so only those of the others are held as texts.
        self._shared = repeated(keys)
        self._shared.update(hash(key) for reference, _ in odd for key in reference.keys)
        self._by_key: dict[str, list[Image]] = {}
        for number, hashed in enumerate(keys) if self._shared else ():
            if hashed in self._shared and (key := _key(record := records[number])):
                self._by_key.setdefault(key, []).append(record)
        self.ids = {one.id for same in self._by_key.values() for one in same} | {one.id for _, one in odd}

    def _odd_ones(self, asked: Sequence[int]) -> list[tuple[Reference, Image]]:
        """The records that have no key, and those that one of them that is asked for may share with."""
        records, keys = self._records, self._keys
        vague = [records[number].reference for number in asked if keys[number] == NO_KEY]
        # What names no tag may share with all of its repository, or with all there is.
        repositories = {reference.repository for reference in vague if not reference.exact}
        return [
            (record.reference, record)
            for number, key in enumerate(keys)
            if key == NO_KEY or repositories
            if (record := records[number])
            and (key == NO_KEY or not repositories.isdisjoint((None, _repository(record))))
        ]

    def has_none(self, number: int) -> bool:
        """Certainly no other record has the content of the one of this number, which was asked for."""
        hashed = self._keys[number]
        if hashed not in self._shared and not self._any_odd:
            return True
        key = None if hashed == NO_KEY else _key(self._records[number])
        return key is not None and len(self._by_key.get(key, ())) <= 1 and self._odd.lacks(key)

    def find(self, reference: Reference) -> Iterator[Image]:
        """The records whose reference may name the same content, of one asked for or one found."""
        for key in reference.keys:
            for one in self._by_key.get(key, ()):
                if same_content(reference, one.reference):
                    yield one
        yield from self._odd.find(reference)


def _key(image: Image) -> str | None:
    return common_key(image.swr_path, image.namespace)


def _repository(image: Image) -> str | None:
    key = _key(image)
    return key.rpartition(":")[0] if key else None


def sharing_content(image: Image, records: ReferenceIndex[Image] | Sharers) -> dict[str, Image]:
    """The other records, by id, that may have the same content, directly or by a digest that links two tags."""
    found: dict[str, Image] = {}
    to_follow = [image]
    while to_follow:
        new = {one.id: one for one in records.find(to_follow.pop().reference) if one.id not in found}
        found |= new
        to_follow += [one for one in new.values() if one.reference.exact and one.reference.digest]
    found.pop(image.id, None)
    return found


def all_sharing(image: Image, records: Sequence[Image]) -> dict[str, Image]:
    """The other records, by id, that may have the same content as this image, which is one of them."""
    asked = [number for number, record in enumerate(records) if record.id == image.id]
    return sharing_content(image, Sharers(records, asked, keys_of(records)))
