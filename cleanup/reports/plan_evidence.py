"""What a page says on demand of each image of a plan: the conditions of its rule with their truths, and the outlook.

Of a kept image a plan file holds no more than its name and date: what a condition asks beyond that is unknown,
but for what follows from the reason.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from cleanup.decision.explain import OUTLOOK, terms_of
from cleanup.decision.types import Action, Decision, Reason
from cleanup.image import Image
from cleanup.plan.plan import Plan
from cleanup.plan.stored_decisions import StoredDecisions
from cleanup.policy.language import (
    All,
    AnyOf,
    Ask,
    Clock,
    Condition,
    FieldCondition,
    Leaf,
    Not,
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
_KEPT = frozenset({"id", "namespace", "name", "tag", "updated_at"})  # what a plan file holds of a kept image
_HELD = frozenset({Reason.PUBLIC, Reason.KEEP_LAST, Reason.TOO_YOUNG})  # asked of whom the match holds for
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
            truths=rule.of_kept(decision) if rule else None,
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
    leaves: list[Leaf] = field(init=False)
    judges: list[Callable[[Image], Truth]] = field(init=False)
    of_keeps: list[Callable[[Image], Truth]] = field(init=False)
    told: dict[tuple[Truth, ...], str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        leaves = list(leaves_of(self.rule.match))
        judges = [_remembering(leaf) for leaf in leaves]
        of_keeps = [
            judge if leaf.attribute in _KEPT else _unknown for leaf, judge in zip(leaves, judges, strict=True)
        ]
        for name, value in (("leaves", leaves), ("judges", judges), ("of_keeps", of_keeps)):
            object.__setattr__(self, name, value)

    def of(self, image: Image) -> str:
        """A sign for each line of the match. It follows from the truths of the conditions on single fields."""
        return self._signs(tuple([judge(image) for judge in self.judges]), None)

    def of_kept(self, decision: Decision) -> str:
        """The same by what a plan file holds of a kept image, and by what its reason says of the match."""
        held = decision.reason in _HELD or None
        return self._signs(tuple([judge(decision.image) for judge in self.of_keeps]), held)

    def _signs(self, truths: tuple[Truth, ...], held: Truth) -> str:
        key = (*truths, held)
        if (told := self.told.get(key)) is None:
            known = dict(zip(self.leaves, truths, strict=True))
            lines = _inferred(self.rule.match, known.__getitem__, held)
            told = self.told[key] = "".join(_SIGNS[truth] for truth in lines)
        return told


def _inferred(condition: Condition, ask: Ask, held: Truth) -> Iterator[Truth]:
    """The truth of a condition and of each of its parts, as a trace lists them.

    What cannot be asked follows from what is known of the whole: `held`.
    """
    found = condition.decide(ask)
    truth = held if found is None else found
    yield truth
    if isinstance(condition, Not):
        yield from _inferred(condition.part, ask, None if truth is None else not truth)
    elif isinstance(condition, All | AnyOf):
        every = isinstance(condition, All)  # all parts hold, or none does
        parts = [part.decide(ask) for part in condition.parts]
        for place, part in enumerate(condition.parts):
            others_say_nothing = all(other is every for other in parts[:place] + parts[place + 1 :])
            yield from _inferred(part, ask, truth if truth is every or others_say_nothing else None)


def _unknown(image: Image) -> Truth:
    return None


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
