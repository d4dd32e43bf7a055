"""Which deletes take the content in the registry along: at most one a content, and none that is needed. Pure."""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from cleanup.decision.keep_last import newest_first
from cleanup.decision.types import Action, Decision, Withheld
from cleanup.image import Image
from cleanup.policy.language import Policy
from cleanup.reference import Reference, ReferenceIndex, common_keys, same_content


def with_force(
    decided: Iterable[Decision],
    policy: Policy,
    others: Iterable[Image],
    *,
    all_seen: bool,
    keys: Sequence[str | None] = (),
) -> tuple[Decision, ...]:
    """The decisions, with `force` or why it is withheld for the deletes whose rule asks for it.

    `others` are records that are not decided on, so they stay. Without `all_seen` there may be
    records that could not be read, which may need any content. `keys` are the `keys_of` the images,
    where they are known.
    """
    found = list(decided)
    rules = {rule.name for rule in policy.rules if rule.force}
    if not rules:
        return tuple(found)
    asked = [number for number, d in enumerate(found) if d.action is Action.DELETE and d.rule in rules]
    records = [d.image for d in found]
    staying = _staying(others, found)
    sharers = Sharers(records + staying, asked, [*(keys or keys_of(records)), *keys_of(staying)])
    unshared = None if all_seen else Withheld.WORKSPACE_UNSEEN
    sharing = []
    for number in asked:
        if records[number].visibility != "PRIVATE" and not records[number].is_private:
            found[number] = _forced(found[number], Withheld.PUBLIC)
        elif sharers.has_none(number):  # nearly always, and told by two look-ups
            found[number] = _forced(found[number], unshared)
        else:
            sharing.append(number)
    if sharing:
        _decide_sharing(found, sharing, sharers, rules, all_seen)
    return tuple(found)


def _staying(others: Iterable[Image], decided: Sequence[Decision]) -> list[Image]:
    """The others but for records that are decided on and go."""
    records = list(others)
    ids = {one.id for one in records}
    going = _going(decided, ids)
    return [one for one in records if one.id not in going]


def _going(decided: Sequence[Decision], ids: Container[str]) -> dict[str, str | None]:
    """Those of the ids that go, and the rule by which: all that go would take much room."""
    return {d.image.id: d.rule for d in decided if d.action is Action.DELETE and d.image.id in ids}


def _decide_sharing(
    found: list[Decision], sharing: Sequence[int], sharers: "Sharers", rules: Container[str], all_seen: bool
) -> None:
    """Decide, in place, about those of these numbers, whose content other records may have."""
    going = _going(found, sharers.ids)
    asked = {id_ for id_, rule in going.items() if rule in rules}
    forced: set[str] = set()
    numbers = {found[number].image.id: number for number in sharing}
    # The youngest record of a content takes it along.
    for image in newest_first(found[number].image for number in sharing):
        why = _withheld(image, sharers, going, asked, forced, all_seen)
        if why is None:
            forced.add(image.id)
        number = numbers[image.id]
        found[number] = _forced(found[number], why)


def _forced(decision: Decision, why_not: Withheld | None) -> Decision:
    return msgspec.structs.replace(decision, force=why_not is None, force_withheld=why_not)


def keys_of(images: Sequence[Image]) -> list[str | None]:
    """The key of each image's path, None where that is not of the common form."""
    return common_keys([image.swr_path for image in images], [image.namespace for image in images])


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

    def __init__(self, records: Sequence[Image], asked: Sequence[int], keys: Sequence[str | None]) -> None:
        self._keys = keys
        vague = [records[n].reference for n in asked if keys[n] is None]
        # What names no tag may share with all of its repository, or with all there is.
        repositories = {reference.repository for reference in vague if not reference.exact}
        odd = [
            (record.reference, record)
            for record, key in zip(records, keys, strict=True)
            if key is None or (repositories and not repositories.isdisjoint((None, key.rpartition(":")[0])))
        ]
        self._odd = ReferenceIndex(odd)
        # Nearly every key is one record's own: hashes tell the others without a table of all keys.
        repeated = {one for one, other in pairwise(sorted(map(hash, keys))) if one == other}
        wanted = {key for key in keys if key and hash(key) in repeated} if repeated else set()
        wanted.update(key for reference, _ in odd for key in reference.keys)
        self._by_key: dict[str, list[Image]] = {}
        for record, key in zip(records, keys, strict=True) if wanted else ():
            if key in wanted:
                self._by_key.setdefault(key, []).append(record)
        self.ids = {one.id for same in self._by_key.values() for one in same} | {one.id for _, one in odd}

    def has_none(self, number: int) -> bool:
        """Certainly no other record has the content of the one of this number, which was asked for."""
        key = self._keys[number]
        return key is not None and len(self._by_key.get(key, ())) <= 1 and self._odd.lacks(key)

    def find(self, reference: Reference) -> Iterator[Image]:
        """The records whose reference may name the same content, of one asked for or one found."""
        for key in reference.keys:
            for one in self._by_key.get(key, ()):
                if same_content(reference, one.reference):
                    yield one
        yield from self._odd.find(reference)


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
