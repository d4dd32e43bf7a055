"""What a page says on demand of each image of a plan: the conditions of its rule with their truths, and the outlook.

Of a kept image a plan file holds no more than its name and date: what a condition asks beyond that is unknown,
but for what follows from the reason.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any

import msgspec

from cleanup.decision.explain import OUTLOOK, terms_of
from cleanup.decision.types import Action, Reason
from cleanup.image import Image
from cleanup.plan.lines import Decided
from cleanup.plan.plan import Plan
from cleanup.plan.stored_decisions import ImageFields, in_columns
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
    composed,
    leaves_of,
)
from cleanup.reports.formatting import plain
from cleanup.reports.view import ColumnRows, Columns, ConditionLine, RuleTerms

_MOST_REMEMBERED = 10_000
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


class PlanEvidence(msgspec.Struct, frozen=True, gc=False):
    """What the row of an image leaves out. `truths` has a sign for each condition of the rule: y, n or ?."""

    outlook: str
    old_enough_at: datetime | None
    truths: str | None
    created_at: datetime | None
    status: str | None
    origin: str | None
    service_type: str | None
    arch: str | None
    workspace_id: str | None
    description: str | None
    resource_tags: str | None


_OF_DELETES = PlanEvidence.__struct_fields__[3:]  # what a plan file holds of a delete alone


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
class EvidenceRows(ColumnRows):
    """The row and the evidence of each decision of a plan, in its order."""

    plan: Plan
    row: Callable[[Sequence[Decided], ImageFields], Columns]

    def __len__(self) -> int:
        return len(self.plan.decisions)

    def columns(self) -> Iterator[Columns]:
        rules = {rule.name: _RuleTruths(rule) for rule in self.plan.policy.rules}
        for decided, images in in_columns(self.plan.decisions):
            yield {**self.row(decided, images), **_evidence(decided, images, rules)}


def _evidence(decided: Sequence[Decided], images: ImageFields, rules: "Mapping[str, _RuleTruths]") -> Columns:
    """The fields of PlanEvidence, in their order."""
    goes = [one.action is Action.DELETE for one in decided]
    by = [rules.get(one.rule or "") for one in decided]
    nothing = [None] * len(decided)
    asked = {name: of_deletes(goes, images[name]) if any(goes) else nothing for name in _OF_DELETES}
    return {
        "outlook": [
            _SOON if one.reason is Reason.TOO_YOUNG and rule and not going else _WORDS[one.reason]
            for one, rule, going in zip(decided, by, goes, strict=True)
        ],
        "old_enough_at": [
            None if going or rule is None else rule.old_enough_at(one.reason, moment)
            for one, rule, going, moment in zip(decided, by, goes, images["updated_at"], strict=True)
        ],
        "truths": _truths(decided, goes, images, rules),
        **asked,
        "resource_tags": list(map(_tags, asked["resource_tags"])),
    }


def of_deletes(goes: Sequence[bool], values: Sequence[Any]) -> Sequence[Any]:
    """The values of those that go, None for the others."""
    if all(goes):
        return values
    return [value if here else None for value, here in zip(values, goes, strict=True)]


def _tags(tags: Mapping[str, str] | None) -> str | None:
    return None if tags is None else ", ".join(f"{key}={value}" for key, value in tags.items())


def _truths(
    decided: Sequence[Decided],
    goes: Sequence[bool],
    images: ImageFields,
    rules: "Mapping[str, _RuleTruths]",
) -> list[str | None]:
    """A sign for each line of the rule's match; of what a rule decides alike all at once."""
    alike = defaultdict[tuple[str | None, Reason | None], list[int]](list)
    for number, (one, going) in enumerate(zip(decided, goes, strict=True)):
        alike[one.rule, None if going else one.reason].append(number)
    found: list[str | None] = [None] * len(decided)
    for (name, reason), numbers in alike.items():
        if rule := rules.get(name or ""):
            for number, signs in zip(numbers, rule.signs(images, numbers, reason), strict=True):
                found[number] = signs
    return found


class _Truths(dict[object, Truth]):
    """What a condition says of a value; of not too many of them that is remembered."""

    def __init__(self, leaf: Leaf) -> None:
        super().__init__()
        self._judge = leaf.judge

    def __missing__(self, value: object) -> Truth:
        truth = self.of(value)
        if len(self) < _MOST_REMEMBERED:
            self[value] = truth
        return truth

    def of(self, value: object) -> Truth:
        """The same of a value that has no hash."""
        return None if value is None else self._judge(composed(value))


class _RuleTruths:
    """The truths of a rule's conditions, of very many images: what has been asked once is remembered."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._leaves = {leaf: _Truths(leaf) for leaf in leaves_of(rule.match)}
        self._told: dict[tuple[Truth, ...], str] = {}

    def signs(self, images: ImageFields, numbers: Sequence[int], kept: Reason | None) -> Iterator[str]:
        """A sign for each line of the match, of the images of these numbers.

        It follows from the truths of the conditions on single fields. Where they are `kept` those are asked that a
        plan file holds of a kept image, and the reason says something of the match, too.
        """
        held = None if kept is None else kept in _HELD or None
        columns = [
            self._asked(leaf, images, numbers) if kept is None or leaf.attribute in _KEPT else repeat(None)
            for leaf in self._leaves
        ]
        return (self._signs(truths, held) for _, *truths in zip(numbers, *columns, strict=False))

    def _asked(self, leaf: Leaf, images: ImageFields, numbers: Sequence[int]) -> Iterator[Truth]:
        truths, column = self._leaves[leaf], images[leaf.attribute]
        ask = truths.of if isinstance(leaf, ResourceTagCondition) else truths.__getitem__
        return map(ask, map(column.__getitem__, numbers))

    def _signs(self, truths: Sequence[Truth], held: Truth) -> str:
        key = (*truths, held)
        if (told := self._told.get(key)) is None:
            known = dict(zip(self._leaves, truths, strict=True))
            lines = _inferred(self._rule.match, known.__getitem__, held)
            told = self._told[key] = "".join(_SIGNS[truth] for truth in lines)
        return told

    def old_enough_at(self, reason: Reason, updated_at: datetime | None) -> datetime | None:
        """When a too young image is old enough, where the plan holds the time that its rule goes by."""
        older = self._rule.older_than if reason is Reason.TOO_YOUNG else None
        if older is None or older.clock is not Clock.UPDATE_AT or updated_at is None:
            return None
        return updated_at + older.age


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
