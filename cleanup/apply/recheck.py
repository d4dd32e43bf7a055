"""Plan against cloud, right before deleting: what is still as the plan saw it is due, the rest is left alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from cleanup.decision.select import NeededContents
from cleanup.decision.types import Decision
from cleanup.image import Image, same_word
from cleanup.in_use import InUse
from cleanup.outcome import Outcome, Verdict


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """One image to delete. `seen_at` is the monotonic second of its last observation, None when
    the fresh listing did not show it. `after` names the records that share its content and must
    be gone before `force` may take the content too."""

    image: Image
    rule: str | None
    force: bool
    seen_at: float | None = None
    after: frozenset[str] = frozenset()


class Rechecked(msgspec.Struct, frozen=True, kw_only=True):
    """What may be deleted, in the order in which to do it, and what was left alone and why."""

    due: tuple[Due, ...]
    left_alone: tuple[tuple[Due, Verdict], ...]


def recheck(
    planned: Sequence[Decision], live: Mapping[str, Image], in_use: InUse, seen_at: float
) -> Rechecked:
    """Compare each planned image with the live inventory (by id) and with who uses what now.

    An image that the listing does not show is due with `seen_at` None: it is looked up alone.
    `force` is taken back where a record that stays has come to need the content.
    """
    due: list[Due] = []
    left_alone: list[tuple[Due, Verdict]] = []
    for decision in planned:
        found = live.get(decision.image.id)
        one = Due(
            image=decision.image,
            rule=decision.rule,
            force=decision.force,
            seen_at=None if found is None else seen_at,
        )
        if trouble := objection(decision.image, found or decision.image, in_use):
            left_alone.append((msgspec.structs.replace(one, force=False), trouble))
        else:
            due.append(one)
    going = {one.image.id for one in due}
    staying = (image for id_, image in live.items() if id_ not in going)
    return Rechecked(due=_in_order(due, NeededContents(staying)), left_alone=tuple(left_alone))


def objection(planned: Image, live: Image, in_use: InUse) -> Verdict | None:
    """Why this image must be left alone after all; None when it is as the plan saw it and unused."""
    if changes := tuple(drift(planned, live)):
        return _drifted(f"changed since the plan: {'; '.join(changes)}", live)
    if use := in_use.of(live):
        return _drifted(f"now used by {use.user}", live)
    return None


def _drifted(why: str, live: Image) -> Verdict:
    return Verdict(outcome=Outcome.DRIFTED, image_status=live.status, error_msg=why)


def drift(planned: Image, live: Image) -> Iterator[str]:
    """Each difference in the fingerprint: update_at, status, visibility, tag, swr_path."""
    if planned.updated_at != live.updated_at:
        yield f"update_at {_moment(planned)} -> {_moment(live)}"
    for field in ("status", "visibility"):
        if not same_word(getattr(planned, field), getattr(live, field)):
            yield f"{field} {getattr(planned, field)} -> {getattr(live, field)}"
    for field in ("tag", "swr_path"):
        if getattr(planned, field) != getattr(live, field):
            yield f"{field} {getattr(planned, field)} -> {getattr(live, field)}"


def _moment(image: Image) -> str:
    return image.updated_at.isoformat(timespec="milliseconds") if image.updated_at else "unknown"


def _in_order(due: Iterable[Due], needed: NeededContents) -> tuple[Due, ...]:
    """Plan order, but a record that takes shared content along comes after all that share it."""
    sharing: dict[str, set[str]] = defaultdict(set)
    ready = [_without_needed_content(one, needed) for one in due]
    for one in ready:
        if one.image.content:
            sharing[one.image.content].add(one.image.id)
    linked = [
        msgspec.structs.replace(one, after=frozenset(sharing[one.image.content or ""] - {one.image.id}))
        if one.force
        else one
        for one in ready
    ]
    return tuple(sorted(linked, key=lambda one: bool(one.after)))


def _without_needed_content(one: Due, needed: NeededContents) -> Due:
    content = one.image.content
    if one.force and (content is None or content in needed):
        return msgspec.structs.replace(one, force=False)
    return one
