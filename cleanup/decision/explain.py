"""Why one image is kept or deleted: every entry and rule asked, every value met, and when that would change. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from cleanup.decision.keep_last import Rank, rank
from cleanup.decision.match import RuleMatch, match_rules
from cleanup.decision.select import select, time_of
from cleanup.decision.types import Action, Decision, Reason
from cleanup.durations import format_duration
from cleanup.errors import UsageError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.policy.language import Finding, Policy, Rule, Truth

_A_MOMENT = timedelta(milliseconds=1)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One `protect` entry or rule as it was asked about the image.

    `truth` is None where it cannot be evaluated; `decides` marks what decided. Not `asked`: an
    earlier rule ended the search, the truth is for information.
    """

    name: str
    truth: Truth
    findings: tuple[Finding, ...]
    decides: bool = False
    asked: bool = True
    terms: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. `changes_at` is when the image becomes deletable if nothing else changes."""

    decision: Decision
    protections: tuple[Asked, ...]
    used_by: str | None
    rules: tuple[Asked, ...]
    place: Rank | None
    forward: str
    changes_at: datetime | None = None


def explain(
    image: Image, images: Sequence[Image], policy: Policy, in_use: InUse, now: datetime
) -> Explanation:
    """Explain the decision about `image`, which is one of `images`."""
    decision = _decided(image, images, policy, in_use, now)
    matches = [match_rules(one, policy) for one in images]
    own = next(one for one, other in zip(matches, images, strict=True) if other.id == image.id)
    changes_at, forward = _forward(decision, images, policy, in_use, now)
    use = in_use.of(image)
    return Explanation(
        decision=decision,
        protections=_protections(image, policy, decision),
        used_by=use.user if use else None,
        rules=_rules(image, policy, own, decision),
        place=rank(images, matches, now).get(image.id),
        forward=forward,
        changes_at=changes_at,
    )


def _decided(image: Image, images: Sequence[Image], policy: Policy, in_use: InUse, now: datetime) -> Decision:
    return next(d for d in select(images, policy, in_use, now) if d.image.id == image.id)


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
        )
        for number, rule in enumerate(policy.rules)
    )


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
    decision: Decision, images: Sequence[Image], policy: Policy, in_use: InUse, now: datetime
) -> tuple[datetime | None, str]:
    match decision.reason:
        case Reason.EXPIRED:
            return now, "the next apply deletes it if nothing changes"
        case Reason.TOO_YOUNG:
            return _when_old_enough(decision, images, policy, in_use, now)
        case Reason.KEEP_LAST:
            return (
                None,
                "it stays as long as it is among the newest; newer ACTIVE images in its group push it out",
            )
        case Reason.PROTECTED:
            return None, "it stays as long as a protect entry holds"
        case Reason.IN_USE:
            return None, f"it stays as long as it is {decision.detail}"
        case Reason.PUBLIC:
            return None, "it stays as long as it is PUBLIC and the match of its rule does not name visibility"
        case Reason.UNKNOWN:
            return None, "it stays as long as that is unknown"
        case Reason.NO_RULE:
            return None, "it stays as long as no rule's match holds for it"
        case Reason.BUILT_IN | Reason.BUSY:
            return None, "it is never deleted in this state"


def _when_old_enough(
    decision: Decision, images: Sequence[Image], policy: Policy, in_use: InUse, now: datetime
) -> tuple[datetime | None, str]:
    rule = next(rule for rule in policy.rules if rule.name == decision.rule)
    moment = time_of(decision.image, rule.older_than.clock) if rule.older_than else None
    if rule.older_than is None or moment is None:
        return None, "it is too young"
    then = moment + rule.older_than.age + _A_MOMENT
    later = _decided(decision.image, images, policy, in_use, then)
    if later.action is Action.DELETE:
        wait = format_duration(then - now)
        return then, f"becomes deletable on {then:%Y-%m-%d} (in {wait}) if nothing changes"
    return None, f"on {then:%Y-%m-%d} it is old enough, and then stays for another reason: {later.detail}"


def named(text: str, images: Sequence[Image]) -> list[Image]:
    """The images that an id or a namespace/name:tag names. Raises UsageError when there are none."""
    found = [image for image in images if image.id.casefold() == text.casefold() or image.label == text]
    if not found:
        raise UsageError(
            f"there is no image '{text}' among the {len(images)} images of this project: give its id or "
            "namespace/name:tag, and --workspace if it is in another workspace"
        )
    return found
