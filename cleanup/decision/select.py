"""The decision: images, a policy, what is in use and the time in; one decision an image out. Pure.

`_decide` is the order in which everything is asked (policies/README.md, How an image is decided).
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from cleanup.decision.force import with_force
from cleanup.decision.keep_last import Rank, group_of, rank
from cleanup.decision.match import RuleMatch, match_rules
from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_duration
from cleanup.image import Image, Status, makes_sense, same_word
from cleanup.in_use import InUse
from cleanup.policy.language import Clock, Condition, Policy, Rule


def select(
    images: Iterable[Image],
    policy: Policy,
    in_use: InUse,
    now: datetime,
    *,
    others: Iterable[Image] = (),
    unseen: Collection[str] = (),
) -> tuple[Decision, ...]:
    """Decide about each image, in the order given. The order changes no decision.

    `now` is timezone-aware. What is unknown is kept; `force` is given only where nobody who stays
    needs the content. `others` are records that are not decided on but may need a content: those
    of the workspaces that are not cleaned. `unseen` names the workspaces that could not be read.
    """
    inventory = tuple(images)
    matches = [match_rules(image, policy) for image in inventory]
    ranks = rank(inventory, matches, now)
    decided = [
        _decide(image, match, in_use, ranks.get(image.id), now)
        for image, match in zip(inventory, matches, strict=True)
    ]
    return with_force(decided, policy, others, all_seen=not unseen)


def _decide(image: Image, match: RuleMatch, in_use: InUse, rank: Rank | None, now: datetime) -> Decision:
    # Only the project's own images can go, and none that is still being saved, whatever the policy says.
    if image.unreadable or image.type is None:
        silent = "the API did not say whether it is the project's own (type)"
        damaged = f"its record is damaged: {image.unreadable}"
        return _decided(image, Reason.UNKNOWN, damaged if image.unreadable else silent)
    if not image.is_dedicated:
        return _decided(image, Reason.BUILT_IN, f"not the project's own (type {image.type})")
    if image.known_status in (Status.INIT, Status.CREATING):
        return _decided(image, Reason.BUSY, f"still being saved (status {image.status})")
    # Protections and users come before every rule.
    if entry := match.protection:
        because = f" ({entry.because})" if entry.because else ""
        return _decided(image, Reason.PROTECTED, f"protected by '{entry.text}'{because}")
    if use := in_use.of(image):
        return _decided(image, Reason.IN_USE, f"used by {use.user}")
    # One rule decides alone: the first whose match holds, or cannot be evaluated.
    if (rule := match.rule) is None:
        return _decided(image, Reason.NO_RULE, "in no rule's scope")
    # Whatever protections and this rule need must be known.
    if gap := unknown(image, match, rule, now):
        return _decided(image, Reason.UNKNOWN, gap.detail, rule)
    # Anybody may use a PUBLIC image by its id, unseen by us: it goes only where a rule says that in so many words.
    if _is_public(image) and not rule.names_visibility:
        detail = (
            f"PUBLIC, so others may use it unseen; the match of rule '{rule.name}' does not name visibility"
        )
        return _decided(image, Reason.PUBLIC, detail, rule)
    # The newest of a group are kept whatever their age. Who has no rank is not ACTIVE, so not kept for it.
    told = []
    if newest := rule.keep_last:
        group = "/".join(part or "?" for part in group_of(image, newest))
        if rank and rank.rank <= newest.count:
            place = f"number {rank.rank} of the newest {newest.count} (of {rank.size})"
            return _decided(image, Reason.KEEP_LAST, f"{place} in {group}", rule)
        place = f"number {rank.rank} of {rank.size}" if rank else f"not ACTIVE ({image.status})"
        told.append(f"{place} in {group}, not one of the newest {newest.count}")
    # Exactly as old as the rule says is still too young.
    if older := rule.older_than:
        age = now - (time_of(image, older.clock) or now)
        verb = "updated" if older.clock is Clock.UPDATE_AT else "created"
        ago, limit = f"{verb} {format_duration(age)} ago", format_duration(older.age)
        if age <= older.age:
            until = f"until {now + older.age - age:%Y-%m-%d}"
            return _decided(image, Reason.TOO_YOUNG, f"{ago}, not more than {limit}; {until}", rule)
        told.insert(0, f"{ago}, more than {limit}")
    everything = "everything in the rule's scope is deleted (delete_all)"
    return _decided(image, Reason.EXPIRED, "; ".join(told) or everything, rule)


def _decided(image: Image, reason: Reason, detail: str, rule: Rule | None = None) -> Decision:
    action = Action.DELETE if reason is Reason.EXPIRED else Action.KEEP
    return Decision(
        image=image, action=action, reason=reason, detail=detail, rule=rule.name if rule else None
    )


class Gap(NamedTuple):
    """What is not known, as a sentence, and what the service would have to say instead."""

    detail: str
    wanted: str


def unknown(image: Image, match: RuleMatch, rule: Rule, now: datetime) -> Gap | None:
    """The first thing that would have to be known for this rule to decide; None when all is known."""
    named = f"rule '{rule.name}'"
    if entry := match.unclear_protection:
        fields = _missing(entry.match, image)
        detail = f"protect entry '{entry.text}' needs {fields}, which the API did not say"
        return Gap(detail, f"its {fields}, and '{entry.text}' does not hold for it")
    if match.unclear:
        fields = _missing(rule.match, image)
        return Gap(
            f"{named} needs {fields}, which the API did not say", f"its {fields}, and a match holds for it"
        )
    if image.known_status is None:
        detail = f"status is {image.status or 'missing'}, so it may be in the making"
        return Gap(detail, "that its status is ACTIVE, ERROR or CREATE_FAILED")
    if not (image.is_private or _is_public(image) or rule.names_visibility):
        detail = f"visibility is {image.visibility or 'missing'}, so others may use it"
        return Gap(detail, f"that its visibility is PRIVATE, or the match of {named} names visibility")
    clocks = {rule.older_than.clock} if rule.older_than else set()
    for clock in sorted(clocks | {Clock.UPDATE_AT} if rule.keep_last else clocks):
        if not makes_sense(moment := time_of(image, clock), now):
            trouble = "in the future" if moment and moment > now else "missing or zero"
            if moment and moment <= now:
                trouble = f"{moment:%Y-%m-%d}, which makes no sense"
            return Gap(f"{named} needs {clock}, which is {trouble}", f"an {clock} that lies in the past")
    for field in rule.keep_last.per if rule.keep_last else ():
        if getattr(image, field) is None:
            return Gap(f"{named} needs {field}, which is missing", f"its {field}")
    return None


def _missing(condition: Condition, image: Image) -> str:
    unclear = (
        finding for finding in condition.trace(image) if finding.truth is None and finding.value is None
    )
    return ", ".join(dict.fromkeys(finding.text.partition(":")[0] for finding in unclear))


def time_of(image: Image, clock: Clock) -> datetime | None:
    """The time of an image that a rule's clock reads."""
    return image.updated_at if clock is Clock.UPDATE_AT else image.created_at


def _is_public(image: Image) -> bool:
    return same_word(image.visibility, "PUBLIC")
