"""What a page says on demand of each image of a plan: the conditions of its rule with their truths, and the outlook.

Of a kept image a plan file holds no more than its name and date: what a condition asks beyond that is unknown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from cleanup.decision.explain import OUTLOOK, terms_of
from cleanup.decision.types import Action, Decision, Reason
from cleanup.image import Image
from cleanup.plan.file import Plan, StoredDecisions
from cleanup.policy.language import (
    All,
    AnyOf,
    Clock,
    Condition,
    FieldCondition,
    Finding,
    Leaf,
    Policy,
    ResourceTagCondition,
    Rule,
    SizeCondition,
    Truth,
    leaves_of,
)
from cleanup.reports.formatting import plain
from cleanup.reports.view import ConditionLine, RuleTerms

_NOTHING = Image(id="")
_DAY = timedelta(days=1)
_SIGNS = {True: "y", False: "n", None: "?"}
_SOON = "it is old enough after this time, and then goes unless something else keeps it"
_WORDS = {
    **OUTLOOK,
    Reason.TOO_YOUNG: "it is too young for its rule",
    Reason.IN_USE: "it stays as long as it is in use",
    Reason.UNKNOWN: "it stays until the service says what is missing",
}


class PlanEvidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the row of an image leaves out. `truths` has a sign for each condition of the rule: y, n or ?."""

    outlook: str
    old_enough_at: datetime | None
    truths: str | None
    created_at: datetime | None = None
    status: str | None = None
    origin: str | None = None
    service_type: str | None = None
    arch: str | None = None
    workspace_id: str | None = None
    description: str | None = None
    resource_tags: str | None = None


def rule_terms(policy: Policy) -> tuple[RuleTerms, ...]:
    """The rules of a policy as a page shows them."""
    return tuple(
        RuleTerms(
            name=plain(rule.name),
            terms=plain(terms_of(rule)),
            conditions=tuple(_lines(rule.match)),
            age_days=rule.older_than.age / _DAY if rule.older_than else None,
            clock=rule.older_than.clock if rule.older_than else "",
        )
        for rule in policy.rules
    )


def _lines(match: Condition) -> Iterator[ConditionLine]:
    for finding, attribute in zip(match.trace(_NOTHING), _attributes(match), strict=True):
        yield ConditionLine(plain(finding.text), finding.depth, attribute)


def _attributes(condition: Condition) -> Iterator[str]:
    """The field that each line of a trace asks about."""
    if isinstance(condition, FieldCondition | ResourceTagCondition | SizeCondition):
        yield condition.attribute
        return
    yield ""
    parts = condition.parts if isinstance(condition, All | AnyOf) else (condition.part,)
    for part in parts:
        yield from _attributes(part)


@dataclass(frozen=True, slots=True)
class EvidenceRows:
    """The row and the evidence of each decision of a plan, in its order, made when it is come to."""

    plan: Plan
    row: Callable[[Decision], msgspec.Struct]

    def __len__(self) -> int:
        return len(self.plan.decisions)

    def __iter__(self) -> Iterator[tuple[msgspec.Struct, PlanEvidence]]:
        decisions = self.plan.decisions
        whole = decisions.evidence if isinstance(decisions, StoredDecisions) else decisions
        rules = {rule.name: _RuleTruths(rule) for rule in self.plan.policy.rules}
        return ((self.row(one), _evidence(one, rules.get(one.rule or ""))) for one in whole)


def _evidence(decision: Decision, rule: "_RuleTruths | None") -> PlanEvidence:
    image = decision.image
    if decision.action is Action.KEEP:
        return PlanEvidence(
            outlook=_SOON if decision.reason is Reason.TOO_YOUNG and rule else _WORDS[decision.reason],
            old_enough_at=_old_enough_at(decision, rule),
            truths=rule.of(_as_kept(image)) if rule else None,
        )
    return PlanEvidence(
        outlook=_WORDS[decision.reason],
        old_enough_at=None,
        truths=rule.of(image) if rule else None,
        created_at=image.created_at,
        status=image.status,
        origin=image.origin,
        service_type=image.service_type,
        arch=image.arch,
        workspace_id=image.workspace_id,
        description=image.description,
        resource_tags=_tags(image),
    )


def _as_kept(image: Image) -> Image:
    """What a plan file holds of it, also where there is more at hand: a page says the same of both."""
    return Image(
        id=image.id, namespace=image.namespace, name=image.name, tag=image.tag, updated_at=image.updated_at
    )


def _tags(image: Image) -> str | None:
    tags = image.resource_tags
    return None if tags is None else ", ".join(f"{key}={value}" for key, value in tags.items())


def _old_enough_at(decision: Decision, rule: "_RuleTruths | None") -> datetime | None:
    """When a too young image is old enough, where the plan holds the time that its rule goes by."""
    older = rule.rule.older_than if rule and decision.reason is Reason.TOO_YOUNG else None
    moment = decision.image.updated_at
    if older is None or older.clock is not Clock.UPDATE_AT or moment is None:
        return None
    return moment + older.age


@dataclass(frozen=True, slots=True)
class _RuleTruths:
    """The truths of a rule's conditions, of very many images: what has been asked once is remembered."""

    rule: Rule
    judges: list[Callable[[Image], Truth]] = field(init=False)
    told: dict[tuple[Truth, ...], str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "judges", [_remembering(leaf) for leaf in leaves_of(self.rule.match)])

    def of(self, image: Image) -> str:
        """A sign for each line of the match. It follows from the truths of the conditions on single fields."""
        key = tuple([judge(image) for judge in self.judges])
        if (told := self.told.get(key)) is None:
            found: Sequence[Finding] = self.rule.match.trace(image)
            told = self.told[key] = "".join(_SIGNS[finding.truth] for finding in found)
        return told


_MOST_REMEMBERED = 10_000


def _remembering(leaf: Leaf) -> Callable[[Image], Truth]:
    if isinstance(leaf, ResourceTagCondition):
        return leaf.evaluate
    attribute, seen = leaf.attribute, dict[object, Truth]()

    def judge(image: Image) -> Truth:
        value = getattr(image, attribute)
        if value in seen:
            return seen[value]
        truth = leaf.evaluate(image)
        if len(seen) < _MOST_REMEMBERED:
            seen[value] = truth
        return truth

    return judge
