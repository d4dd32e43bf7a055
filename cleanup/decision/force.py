"""Which deletes take the content in the registry along: at most one a content, and none that is needed. Pure."""

from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from operator import not_
from typing import TypeAlias, overload

import msgspec

from cleanup.decision.keep_last import newest_first
from cleanup.decision.types import Action, Decision, Withheld
from cleanup.image import Image, same_word
from cleanup.image_columns.coded import repeated
from cleanup.image_columns.fields import codes, column, key_numbers
from cleanup.image_columns.table import ImageColumns
from cleanup.policy.language import Policy
from cleanup.reference import NO_KEY, Reference, ReferenceIndex, common_key, key_number, same_content

# The rule that deletes the image of a number; None where it stays.
RuleOf: TypeAlias = Callable[[int], str | None]
# Numbers of images with why they do not have `force`; None where they have it.
Given: TypeAlias = tuple[Iterable[int], Withheld | None]


def with_force(
    decided: Iterable[Decision], policy: Policy, others: Iterable[Image], *, all_seen: bool
) -> tuple[Decision, ...]:
    """The decisions, with `force` or why it is withheld for the deletes whose rule asks for it.

    `others` are records that are not decided on, so they stay. Without `all_seen` there may be
    records that could not be read, which may need any content.
    """
    found = list(decided)
    rules = asking(policy)
    going = {number: d.rule for number, d in enumerate(found) if d.action is Action.DELETE}
    asked = [number for number, rule in going.items() if rule in rules]
    images = [decision.image for decision in found]
    for numbers, why in forces(images, asked, going.get, rules, others, all_seen=all_seen):
        for number in numbers:
            found[number] = msgspec.structs.replace(found[number], force=why is None, force_withheld=why)
    return tuple(found)


def asking(policy: Policy) -> set[str | None]:
    """The rules that ask for `force`."""
    return {rule.name for rule in policy.rules if rule.force}


def forces(
    images: Sequence[Image],
    asked: Sequence[int],
    deleted_by: RuleOf,
    rules: Container[str | None],
    others: Iterable[Image],
    *,
    all_seen: bool,
    keys: "array[int] | None" = None,
) -> Iterator[Given]:
    """What becomes of the `force` that is asked for; of one image the last that is said counts.

    `asked` are the numbers of those that are deleted by one of the `rules` that ask for it, `keys` the `key_numbers`
    of the images where they are known. The rest is as for `with_force`.
    """
    if not asked:
        return
    staying = _without(others, images, deleted_by)
    known = key_numbers(images) if keys is None else keys
    sharers = Sharers(_Chained(images, staying), asked, known + key_numbers(staying))
    coded = codes(images, ("visibility",), asked)
    is_private = [same_word(visibility, "PRIVATE") for (visibility,) in coded.values]
    private = list(map(is_private.__getitem__, coded.codes))
    yield compress(asked, map(not_, private)), Withheld.PUBLIC
    theirs = list(compress(asked, private))
    yield theirs, None if all_seen else Withheld.WORKSPACE_UNSEEN
    if sharing := sharers.sharing(theirs):
        found = (number for number in sharers.numbers if number < len(images))
        going = {images[number].id: rule for number in found if (rule := deleted_by(number))}
        yield from _of_sharing(
            [images[number] for number in sharing], sharing, sharers, going, rules, all_seen
        )


def _without(others: Iterable[Image], images: Sequence[Image], deleted_by: RuleOf) -> Sequence[Image]:
    """The others but for records that are decided on and go."""
    records = others if isinstance(others, ImageColumns) else tuple(others)
    if not records:
        return records
    ids, known = column(images, "id"), set(column(records, "id"))
    both = compress(count(), map(known.__contains__, ids))
    deleted = {ids[number] for number in both if deleted_by(number)}
    return tuple(one for one in records if one.id not in deleted) if deleted else records


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
    images: Sequence[Image],
    numbers: Sequence[int],
    sharers: "Sharers",
    going: Mapping[str, str | None],
    rules: Container[str | None],
    all_seen: bool,
) -> Iterator[Given]:
    """Decide about those of these numbers, whose content others may have; `going` has by id who is deleted."""
    asked = {id_ for id_, rule in going.items() if rule in rules}
    number_of = {image.id: number for image, number in zip(images, numbers, strict=True)}
    forced: set[str] = set()
    # The youngest record of a content takes it along.
    for image in newest_first(images):
        why = _withheld(image, sharers, going, asked, forced, all_seen)
        if why is None:
            forced.add(image.id)
        yield (number_of[image.id],), why


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
    with digests, without tags or unreadable, are compared part by part. `asked` are the numbers of the records for
    which sharers are looked for, `keys` the `key_numbers` of all, `numbers` those of all that can be found.
    """

    def __init__(self, records: Sequence[Image], asked: Sequence[int], keys: Sequence[int]) -> None:
        self._records, self._keys = records, keys
        odd = self._odd_ones(asked) if NO_KEY in keys else {}
        self._any_odd = bool(odd)
        self._odd = ReferenceIndex((record.reference, record) for record in odd.values())
        # Who shares has a key of one that is asked for, or an odd one has it, which may link two of them.
        linked = set(map(key_number, self._odd.keys))
        wanted = linked.union(map(keys.__getitem__, asked))
        found = list(compress(count(), map(wanted.__contains__, keys)))
        # Nearly every key is one record's own, so only those of the others are held as texts.
        several = linked or len(found) > len(wanted)
        self._shared = linked | repeated(map(keys.__getitem__, found)) if several else set()
        self._by_key: dict[str, list[Image]] = {}
        self.numbers = set(odd)
        for number in found if several else ():
            if keys[number] in self._shared and (key := _key(record := records[number])):
                self._by_key.setdefault(key, []).append(record)
                self.numbers.add(number)

    def _odd_ones(self, asked: Sequence[int]) -> dict[int, Image]:
        """By number the records that have no key, and those that one of them that is asked for may share with."""
        records, keys = self._records, self._keys
        vague = [records[number].reference for number in asked if keys[number] == NO_KEY]
        # What names no tag may share with all of its repository, or with all there is.
        repositories = {reference.repository for reference in vague if not reference.exact}
        return {
            number: record
            for number, key in enumerate(keys)
            if key == NO_KEY or repositories
            if (record := records[number])
            and (key == NO_KEY or not repositories.isdisjoint((None, _repository(record))))
        }

    def has_none(self, number: int) -> bool:
        """Certainly no other record has the content of the one of this number, which was asked for."""
        hashed = self._keys[number]
        if hashed not in self._shared and not self._any_odd:
            return True
        key = None if hashed == NO_KEY else _key(self._records[number])
        return key is not None and len(self._by_key.get(key, ())) <= 1 and self._odd.lacks(key)

    def sharing(self, numbers: Sequence[int]) -> list[int]:
        """Those of the numbers, all asked for, whose content another record may have: nearly always few."""
        if not self._any_odd:
            numbers = [number for number in numbers if self._keys[number] in self._shared]
        return [number for number in numbers if not self.has_none(number)]

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
    return sharing_content(image, Sharers(records, asked, key_numbers(records)))
