"""Why one image is kept or deleted: every entry and rule asked, every value met, and when that would change. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final, NamedTuple

import msgspec

from cleanup.decision.force import all_sharing
from cleanup.decision.keep_last import Rank, newest_first, rank
from cleanup.decision.rulings import time_of, undated, ungrouped
from cleanup.decision.select import by_fields, ranked, select, unknown
from cleanup.decision.times import Times
from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_duration
from cleanup.errors import UsageError
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.policy.language import Finding, Policy, Protection, Rule, Truth
from cleanup.policy.match import RuleMatch, match_rules
from cleanup.reference import Reference, parse_reference, readings

_MOST_CANDIDATES = 10
_A_MOMENT = timedelta(milliseconds=1)
# What would have to change, where the reason alone says it.
OUTLOOK: Final[Mapping[Reason, str]] = {
    Reason.EXPIRED: "the next apply deletes it if nothing changes",
    Reason.KEEP_LAST: "it stays as long as it is among the newest; newer ACTIVE images in its group push it out",
    Reason.PROTECTED: "it stays as long as a protect entry holds",
    Reason.PUBLIC: "it stays as long as it is PUBLIC and the match of its rule does not name visibility",
    Reason.NO_RULE: "it stays as long as no rule's match holds for it",
    Reason.BUSY: "it stays until the service says that its status is ACTIVE, ERROR or CREATE_FAILED",
    Reason.BUILT_IN: "it is never deleted in this state",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One `protect` entry or rule as it was asked about the image.

    `truth` is None where it cannot be evaluated; `decides` marks what decided. Not `asked`: an
    earlier rule ended the search, the truth is for information. `place` is where it stands: file and line.
    """

    name: str
    truth: Truth
    findings: tuple[Finding, ...]
    decides: bool = False
    asked: bool = True
    terms: str = ""
    place: str = ""


class Sharer(msgspec.Struct, frozen=True, kw_only=True):
    """Another record that may have the same content. `why` says by what; `stays` whether it is kept."""

    id: str
    label: str
    workspace_id: str | None
    reference: str
    why: str
    stays: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. `changes_at` is when the image becomes deletable if nothing else changes.

    `reference` is what names the content as it was read; `users` are all of them, `used_by` the first.
    """

    decision: Decision
    protections: tuple[Asked, ...]
    reference: str
    used_by: str | None
    users: tuple[str, ...]
    sharing: tuple[Sharer, ...]
    rules: tuple[Asked, ...]
    place: Rank | None
    forward: str
    changes_at: datetime | None = None


class _Inventory(NamedTuple):
    """All that a decision is made from."""

    images: Sequence[Image]
    policy: Policy
    in_use: InUse
    others: Sequence[Image]
    unseen: Collection[str]

    def decide(self, now: datetime) -> dict[str, Decision]:
        """The decisions by id."""
        decisions = select(self.images, self.policy, self.in_use, now, others=self.others, unseen=self.unseen)
        return {decision.image.id: decision for decision in decisions}


def explain(
    image: Image,
    images: Sequence[Image],
    policy: Policy,
    in_use: InUse,
    now: datetime,
    *,
    others: Sequence[Image] = (),
    unseen: Collection[str] = (),
) -> Explanation:
    """Explain the decision about `image`, which is one of `images`; the rest is as for `select`."""
    inventory = _Inventory(images, policy, in_use, others, unseen)
    decisions = inventory.decide(now)
    decision = decisions[image.id]
    own = match_rules(image, policy)
    ranks = rank(ranked(by_fields(images, policy)), Times(images, now))
    number = next(number for number, one in enumerate(images) if one.id == image.id)
    users = tuple(use.user for use in in_use.users_of(image))
    changes_at, forward = _forward(decision, own, users, inventory, now)
    return Explanation(
        decision=decision,
        protections=_protections(image, policy, decision),
        reference=str(image.reference),
        used_by=users[0] if users else None,
        users=users,
        sharing=_sharing(image, [*images, *others], decisions),
        rules=_rules(image, policy, own, decision),
        place=ranks[number],
        forward=forward,
        changes_at=changes_at,
    )


def named(text: str, images: Iterable[Image]) -> tuple[Image, ...]:
    """The images that an id or a reference in any spelling names; an id is preferred.

    Raises UsageError when there are none, with those that may be meant.
    """
    inventory = tuple(images)
    if found := tuple(image for image in inventory if image.id.lower() == text.strip().lower()):
        return found
    wanted = InUse([Use(user="", swr_path=text)])
    # Where images say no tag they mean `latest`; people mean that they do not know which.
    if _has_tag(text) and any(reading.repository for reading in readings(text)):
        found = tuple(image for image in inventory if wanted.of(image))
    if not found:
        raise UsageError(_not_named(text, inventory))
    return found


def _has_tag(text: str) -> bool:
    return ":" in text.rpartition("/")[2] or "@" in text


def _not_named(text: str, images: Sequence[Image]) -> str:
    """That there is no such image, and what there is of its repository, the newest first."""
    meant = parse_reference(text)
    alike = [image for image in images if meant.repository and image.reference.repository == meant.repository]
    if not alike:
        found = _near(meant.repository or meant.name or "", images)
        near = f"; near names are {', '.join(found)}" if found else ""
        return (
            f"there is no image '{text}' among the {len(images)} images of this project"
            f"{near}: give its id or "
            "namespace/name:tag, and --workspace if it is in another workspace"
        )
    told = [
        f"{image.label} (id {image.id}, {image.status or 'status unknown'})"
        for image in newest_first(alike)[:_MOST_CANDIDATES]
    ]
    more = f", and {len(alike) - len(told)} more" if len(alike) > len(told) else ""
    trouble = "is no image of this project" if _has_tag(text) else "names no tag"
    return (
        f"'{text}' {trouble}; {meant.repository} has {len(alike)}, the newest first: {', '.join(told)}{more}: "
        "give one of them, or its id"
    )


def _near(wanted: str, images: Iterable[Image]) -> list[str]:
    """The repositories whose whole name or last part is like what was written, the most alike first."""
    names: dict[str, set[str]] = {}
    for repository in filter(None, (image.reference.repository for image in images)):
        for spelling in (repository, repository.rpartition("/")[2]):
            names.setdefault(spelling, set()).add(repository)
    alike = get_close_matches(wanted, names, n=_MOST_CANDIDATES)
    found = dict.fromkeys(repository for spelling in alike for repository in sorted(names[spelling]))
    return list(found)[:_MOST_CANDIDATES]


def _sharing(image: Image, records: Sequence[Image], decisions: Mapping[str, Decision]) -> tuple[Sharer, ...]:
    found = newest_first(all_sharing(image, records).values())
    return tuple(
        Sharer(
            id=one.id,
            label=one.label,
            workspace_id=one.workspace_id,
            reference=one.swr_path or str(one.reference),
            why=_likeness(image.reference, one.reference),
            stays=one.id not in decisions or decisions[one.id].action is Action.KEEP,
        )
        for one in found
    )


def _likeness(one: Reference, other: Reference) -> str:
    """Why two references may name the same content."""
    if one.exact and other.exact:
        if one.tag == other.tag and one.repository == other.repository:
            return "the same reference"
        return (
            "the same digest" if one.digest and one.digest == other.digest else "linked by another's digest"
        )
    if one.digest and one.digest == other.digest:
        return "the same digest"
    vague = other if one.exact else one
    parts = {"namespace": vague.namespace, "name": vague.name, "tag": vague.tag}
    missing = " and ".join(part for part, value in parts.items() if not value)
    return f"cannot be told apart, {missing} not known"


def _protections(image: Image, policy: Policy, decision: Decision) -> tuple[Asked, ...]:
    asked: list[Asked] = []
    for entry in policy.protect:
        truth = entry.match.evaluate(image)
        because = f"because: {entry.because}" if entry.because else ""
        decides = truth is True and decision.reason is Reason.PROTECTED and not any(a.decides for a in asked)
        asked.append(
            Asked(
                name=entry.text,
                truth=truth,
                findings=entry.match.trace(image),
                decides=decides,
                terms=because,
                place=_place(entry),
            )
        )
    return tuple(asked)


def _rules(image: Image, policy: Policy, own: RuleMatch, decision: Decision) -> tuple[Asked, ...]:
    ended_at = policy.rules.index(own.rule) if own.rule else len(policy.rules)
    return tuple(
        Asked(
            name=rule.name,
            truth=rule.match.evaluate(image),
            findings=rule.match.trace(image),
            decides=decision.rule is not None and rule is own.rule,
            asked=number <= ended_at,
            terms=terms_of(rule),
            place=_place(rule),
        )
        for number, rule in enumerate(policy.rules)
    )


def _place(one: Rule | Protection) -> str:
    return f"{one.location.file}:{one.location.line}"


def terms_of(rule: Rule) -> str:
    """What a rule does with the images in its scope, in the policy's own words."""
    words = []
    if rule.older_than:
        words.append(f"older_than {format_duration(rule.older_than.age)} by {rule.older_than.clock}")
    if rule.keep_last:
        words.append(f"keep_last {rule.keep_last.count} per {'/'.join(rule.keep_last.per)}")
    if rule.delete_all:
        words.append("delete_all")
    if rule.force:
        words.append("force")
    return ", ".join(words)


def _forward(
    decision: Decision, match: RuleMatch, users: Sequence[str], inventory: _Inventory, now: datetime
) -> tuple[datetime | None, str]:
    """When the image becomes deletable, if that is known, and what would have to change."""
    image = decision.image
    match decision.reason:
        case Reason.EXPIRED:
            return now, OUTLOOK[decision.reason]
        case Reason.TOO_YOUNG:
            return _when_old_enough(decision, inventory, now)
        case Reason.IN_USE:
            return None, f"it stays as long as it is used by {', '.join(users)}"
        case Reason.UNKNOWN:
            if image.unreadable:
                return None, "it stays until the service sends a record of it that can be read"
            gap = None
            if image.type and (rule := match.rule):
                gap = unknown(image, match, rule) or undated(image, rule, now) or ungrouped(image, rule)
            wanted = gap.wanted if gap else "that its type is DEDICATED"
            return None, f"it stays until the service says {wanted}"
        case _:
            return None, OUTLOOK[decision.reason]


def _when_old_enough(decision: Decision, inventory: _Inventory, now: datetime) -> tuple[datetime | None, str]:
    rule = next(rule for rule in inventory.policy.rules if rule.name == decision.rule)
    moment = time_of(decision.image, rule.older_than.clock) if rule.older_than else None
    if rule.older_than is None or moment is None:
        return None, "it is too young"
    then = moment + rule.older_than.age + _A_MOMENT
    later = inventory.decide(then)[decision.image.id]
    if later.action is Action.DELETE:
        wait = format_duration(then - now)
        return then, f"becomes deletable on {then:%Y-%m-%d} (in {wait}) if nothing changes"
    return None, f"on {then:%Y-%m-%d} it is old enough, and then stays for another reason: {later.detail}"
