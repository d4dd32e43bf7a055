"""Which deletes take the content in the registry along: at most one a content, and none that is needed. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from cleanup.decision.keep_last import newest_first
from cleanup.decision.types import Action, Decision, Withheld
from cleanup.image import Image
from cleanup.policy.language import Policy
from cleanup.reference import ReferenceIndex


def with_force(
    decided: Sequence[Decision], policy: Policy, others: Iterable[Image], *, all_seen: bool
) -> tuple[Decision, ...]:
    """The decisions, with `force` or why it is withheld for the deletes whose rule asks for it.

    `others` are records that are not decided on, so they stay. Without `all_seen` there may be
    records that could not be read, which may need any content.
    """
    rules = {rule.name for rule in policy.rules if rule.force}
    going = {d.image.id: d for d in decided if d.action is Action.DELETE}
    asked = {id_: d for id_, d in going.items() if d.rule in rules}
    if not asked:
        return tuple(decided)
    records = [*(d.image for d in decided), *(one for one in others if one.id not in going)]
    related = _related(records, [d.image for d in asked.values() if d.image.content])
    forced: dict[str, Decision] = {}

    def withheld(image: Image) -> Withheld | None:
        if not image.is_private:
            return Withheld.PUBLIC
        if image.content is None:
            return Withheld.SHARED_CONTENT
        sharing = sharing_content(image, related)
        if any(id_ not in going for id_ in sharing):
            return Withheld.SHARED_CONTENT
        if not all_seen:
            return Withheld.WORKSPACE_UNSEEN
        if any(id_ not in asked for id_ in sharing):
            return Withheld.NOT_ASKED_BY_ALL
        # What only says a digest leaves the content to those that say a tag.
        named = not image.reference.exact and any(one.reference.exact for one in sharing.values())
        taken = any(id_ in forced and forced[id_].force for id_ in sharing)
        return Withheld.SHARED_CONTENT if named or taken else None

    # The youngest record of a content takes it along.
    for one in sorted(asked.values(), key=lambda d: newest_first(d.image)):
        why = withheld(one.image)
        forced[one.image.id] = msgspec.structs.replace(one, force=why is None, force_withheld=why)
    return tuple(forced.get(d.image.id, d) for d in decided)


def sharing_content(image: Image, records: ReferenceIndex[Image]) -> dict[str, Image]:
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
    while True:  # what was found may link to more, which was not related before
        linked = [one for one in found.values() if one.reference.exact]
        more = sharing_content(image, _related(records, [image, *linked]))
        if len(more) == len(found):
            return found
        found = more


def _related(records: Iterable[Image], images: Iterable[Image]) -> ReferenceIndex[Image]:
    """The records that may share a content with one of the images: few of very many."""
    references = [image.reference for image in images]
    keys = {key for reference in references for key in reference.keys}
    # What does not say its tag may share with all of its repository; without a repository, with all there is.
    repositories = {reference.repository for reference in references if not reference.exact}
    return ReferenceIndex(
        (reference, one)
        for one in records
        for reference in (one.reference,)
        if None in repositories
        or reference.repository in repositories
        or not reference.exact
        or not keys.isdisjoint(reference.keys)
    )
