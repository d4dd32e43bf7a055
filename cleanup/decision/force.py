"""Which deletes take the content in the registry along: at most one a content, and none that is needed. Pure."""

from collections.abc import Container, Iterable, Iterator, Sequence

import msgspec

from cleanup.decision.keep_last import dated, sort_newest_first
from cleanup.decision.types import Action, Decision, Withheld
from cleanup.image import Image
from cleanup.policy.language import Policy
from cleanup.reference import Reference, ReferenceIndex, common_key, same_content


def with_force(
    decided: Sequence[Decision], policy: Policy, others: Iterable[Image], *, all_seen: bool
) -> tuple[Decision, ...]:
    """The decisions, with `force` or why it is withheld for the deletes whose rule asks for it.

    `others` are records that are not decided on, so they stay. Without `all_seen` there may be
    records that could not be read, which may need any content.
    """
    rules = {rule.name for rule in policy.rules if rule.force}
    if not rules:
        return tuple(decided)
    delete = Action.DELETE
    going = {d.image.id: number for number, d in enumerate(decided) if d.action is delete}
    asked = {id_: number for id_, number in going.items() if decided[number].rule in rules}
    records = [d.image for d in decided] + [one for one in others if one.id not in going]
    sharers = Sharers(records, [decided[number].image for number in asked.values()])
    found = list(decided)
    forced: set[str] = set()
    # The youngest record of a content takes it along.
    youngest = [dated(decided[number].image, number) for number in asked.values()]
    sort_newest_first(youngest)
    for _, _, id_, number in youngest:
        why = _withheld(found[number].image, sharers, going, asked, forced, all_seen)
        if why is None:
            forced.add(id_)
        found[number] = msgspec.structs.replace(found[number], force=why is None, force_withheld=why)
    return tuple(found)


def _withheld(
    image: Image,
    sharers: "Sharers",
    going: Container[str],
    asked: Container[str],
    forced: Container[str],
    all_seen: bool,
) -> Withheld | None:
    if not image.is_private:
        return Withheld.PUBLIC
    if sharers.has_none(image):  # nearly always, and told by two look-ups
        return None if all_seen else Withheld.WORKSPACE_UNSEEN
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
    """Finds the records that may have the same content as one of some images, among very many.

    Nearly all records have a path of the common form and are told apart by its key; the odd ones,
    with digests, without tags or unreadable, are compared part by part.
    """

    def __init__(self, records: Iterable[Image], images: Iterable[Image]) -> None:
        keys: set[str] = set()
        repositories: set[str | None] = set()
        self._keys: dict[str, str] = {}  # of the images, by id
        for image in images:
            if key := common_key(image.swr_path, image.namespace):
                self._keys[image.id] = key
                keys.add(key)
            else:
                reference = image.reference
                keys.update(reference.keys)
                if not reference.exact:  # it may share with all of its repository, or with all there is
                    repositories.add(reference.repository)
        self._by_key: dict[str, list[Image]] = {}
        odd: list[tuple[Reference, Image]] = []
        for record in records:
            key = common_key(record.swr_path, record.namespace)
            if key is None or (repositories and not repositories.isdisjoint((None, key.rpartition(":")[0]))):
                odd.append((record.reference, record))
            if key in keys:
                self._by_key.setdefault(key or "", []).append(record)
        self._odd = ReferenceIndex(odd)

    def has_none(self, image: Image) -> bool:
        """Certainly no other record has the content of this one of the images."""
        key = self._keys.get(image.id)
        return key is not None and len(self._by_key[key]) == 1 and self._odd.lacks(key)

    def find(self, reference: Reference) -> Iterator[Image]:
        """All records whose reference may name the same content, as of a `ReferenceIndex`."""
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
    """The other records, by id, that may have the same content as this image."""
    found: dict[str, Image] = {}
    while True:  # what was found may link to more, which was not asked for before
        linked = [one for one in found.values() if one.reference.exact]
        more = sharing_content(image, Sharers(records, [image, *linked]))
        if len(more) == len(found):
            return found
        found = more
