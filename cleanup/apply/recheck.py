"""A plan against the cloud of now: deleted is only what is as the plan saw it and would be planned again. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from cleanup.decision.decisions import about
from cleanup.decision.force import Sharers, sharing_content, with_force
from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_moment
from cleanup.image import Image, never_deleted, same_word
from cleanup.image_columns.fields import key_numbers
from cleanup.in_use import InUse
from cleanup.outcome import Outcome, Verdict
from cleanup.policy.language import Policy
from cleanup.policy.match import Matcher, RuleMatch

_UNLISTED = "the service lists it no more, so it could not be decided on again; plan again"


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """One image to delete, as it was seen last. `seen_at` is the monotonic second of that, None when it has to
    be looked up first; not `listed`: today's inventory does not have it, so it may only be found gone.
    `after` names the records that share its content and must be gone before `force` may take the
    content too."""

    image: Image
    rule: str | None
    force: bool
    seen_at: float | None = None
    listed: bool = True
    after: frozenset[str] = frozenset()


class Rechecked(msgspec.Struct, frozen=True, kw_only=True):
    """What may be deleted, in the order in which to do it, and what was left alone and why."""

    due: tuple[Due, ...]
    left_alone: tuple[tuple[Decision, Verdict], ...]


def recheck(
    planned: Sequence[Decision],
    today: Sequence[Decision],
    policy: Policy,
    *,
    others: Iterable[Image] = (),
    all_seen: bool = True,
    seen_at: float,
    now: datetime,
) -> Rechecked:
    """Due is what the plan deletes, `today` deletes, and has not changed; all else is left alone.

    `today` are the decisions of the plan's own `policy` about the inventory of now, `others` and
    `all_seen` as in `select`. `force` needs both, and is asked again for what really goes. The clock says
    `now`, whatever the plan was decided as of.
    """
    asked = {plan.image.key for plan in planned}
    decided = {decision.image.key: decision for decision in about(today, asked)}
    due: list[Due] = []
    left_alone: list[tuple[Decision, Verdict]] = []
    for plan in planned:
        found = _compared(plan, decided.get(plan.image.key), seen_at, now)
        if isinstance(found, Due):
            due.append(found)
        else:
            left_alone.append((plan, found))
    forced = _forced(due, today, policy, others, all_seen=all_seen)
    return Rechecked(due=_in_order(due, forced), left_alone=tuple(left_alone))


def _forced(
    due: Sequence[Due], today: Sequence[Decision], policy: Policy, others: Iterable[Image], *, all_seen: bool
) -> set[str]:
    """The ids of those that take their content along."""
    if not any(rule.force for rule in policy.rules):
        return set()
    # What this run does not delete stays, also where the policy of today would let it go.
    going = {one.image.id for one in due if one.listed}
    staying = [
        d if d.action is Action.KEEP or d.image.id in going else replace(d, action=Action.KEEP) for d in today
    ]
    return {d.image.id for d in with_force(staying, policy, others, all_seen=all_seen) if d.force}


def _compared(plan: Decision, current: Decision | None, seen_at: float, now: datetime) -> Due | Verdict:
    """One planned image against today's decision on it, None where the inventory does not have it any more."""
    image = plan.image
    if current is None:
        return Due(image=image, rule=plan.rule, force=plan.force, listed=False)
    if trouble := _respelled(image, current.image) or _changed(image, current.image) or _kept(current):
        return trouble
    if image.updated_at and image.updated_at > now:
        return _left_alone(f"its update_at is in the future: {format_moment(image.updated_at)}", image)
    return Due(image=current.image, rule=current.rule, force=plan.force, seen_at=seen_at)


class _Standing(msgspec.Struct, frozen=True):
    """What the fields of an image say against its deletion, the same for all that agree in them."""

    never: str | None
    match: RuleMatch


class Objections:
    """What speaks against deleting images that are due, by the plan's policy; asked before each DELETE."""

    def __init__(self, policy: Policy) -> None:
        self._stand = Matcher(policy, lambda image, match: _Standing(never_deleted(image), match), ())

    def to(self, due: Due, live: Image, in_use: InUse) -> Verdict | None:
        """Why this image, looked at once more, must be left alone after all; None when it is still due."""
        if not due.listed:
            return _left_alone(_UNLISTED, live)
        if live.unreadable:
            return _left_alone(f"{Reason.UNKNOWN}: its record is damaged: {live.unreadable}", live)
        if trouble := _changed(due.image, live):
            return trouble
        standing = self._stand(live)
        if standing.never:
            return _left_alone(standing.never, live)
        if use := in_use.of(live):
            return _left_alone(f"{Reason.IN_USE}: used by {use.user}", live)
        match = standing.match
        if entry := match.protection or match.unclear_protection:
            return _left_alone(f"{Reason.PROTECTED}: protected by '{entry.text}'", live)
        if match.unclear or match.rule is None or match.rule.name != due.rule:
            return _left_alone(f"{Reason.NO_RULE}: it is no longer in the scope of rule '{due.rule}'", live)
        return None


def _respelled(planned: Image, live: Image) -> Verdict | None:
    """Ids are equal without case; but a DELETE names an image by the service's own spelling."""
    if planned.id == live.id:
        return None
    return _left_alone(f"the service spells its id {live.id}; plan again", live)


# What `drift` compares; equal in all of it is nearly everything.
_FINGERPRINT = attrgetter("updated_at", "status", "visibility", "tag", "swr_path", "workspace_id")


def _changed(planned: Image, live: Image) -> Verdict | None:
    if planned is live or _FINGERPRINT(planned) == _FINGERPRINT(live):
        return None
    changes = tuple(drift(planned, live))
    return _left_alone(f"changed since the plan: {'; '.join(changes)}", live) if changes else None


def _kept(now: Decision) -> Verdict | None:
    if now.action is Action.DELETE:
        return None
    return _left_alone(f"would be kept now: {now.reason}, {now.detail}", now.image)


def _left_alone(why: str, live: Image) -> Verdict:
    return Verdict(outcome=Outcome.DRIFTED, image_status=live.status, error_msg=why)


def drift(planned: Image, live: Image) -> Iterator[str]:
    """Each difference in the fingerprint (update_at, status, visibility, tag, swr_path), and in the workspace."""
    if planned.updated_at != live.updated_at:
        before, now = (format_moment(image.updated_at, "milliseconds") for image in (planned, live))
        yield f"update_at {before} -> {now}"
    for field in ("status", "visibility"):
        if not same_word(getattr(planned, field), getattr(live, field)):
            yield f"{field} {getattr(planned, field)} -> {getattr(live, field)}"
    for field in ("tag", "swr_path"):
        if getattr(planned, field) != getattr(live, field):
            yield f"{field} {getattr(planned, field)} -> {getattr(live, field)}"
    if planned.workspace_id and live.workspace_id and planned.workspace_id != live.workspace_id:
        yield f"workspace_id {planned.workspace_id} -> {live.workspace_id}"


def _in_order(due: Sequence[Due], forced: set[str]) -> tuple[Due, ...]:
    """Plan order, but a record that takes shared content along comes after all that share it."""
    records = [one.image for one in due]
    forces = [one.force and one.image.id in forced for one in due]
    takers = [number for number, force in enumerate(forces) if force]
    sharers = Sharers(records, takers, key_numbers(records)) if takers else None
    alone: list[Due] = []
    last: list[Due] = []
    for number, (one, force) in enumerate(zip(due, forces, strict=True)):
        after: frozenset[str] = frozenset()
        if force and sharers and not sharers.has_none(number):
            after = frozenset(sharing_content(one.image, sharers))
        ready = one if one.force is force and not after else replace(one, force=force, after=after)
        (last if after else alone).append(ready)
    return (*alone, *last)
