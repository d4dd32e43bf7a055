"""What a policy alone says about images: protections and the rule that decides; very many images at a time. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, count
from operator import attrgetter, not_
from typing import Any, Final, Generic, TypeVar

import msgspec

from cleanup.image import Image
from cleanup.image_columns.coded import Coded, combined, numbers_by_code
from cleanup.image_columns.fields import codes, column
from cleanup.policy.classes import FieldClasses, are_worth_it, as_judged
from cleanup.policy.language import (
    Ask,
    Condition,
    Judge,
    Leaf,
    Policy,
    Protection,
    Rule,
    Truth,
    composed,
    leaves_of,
)
from cleanup.policy.patterns import MOST_REMEMBERED

T = TypeVar("T")

# Fields with so many values that what is said of each is not worth remembering.
_MANY: Final = frozenset({"id", "name", "tag", "swr_path", "description", "size", "resource_tags"})


class RuleMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy alone says about one image, before clocks and groups are asked.

    `protection` is the first entry that holds; `unclear_protection` the first that cannot be
    evaluated. `rule` is the first whose match holds, or (with `unclear`) cannot be evaluated.
    `missing` names the fields that were missing for what is unclear.
    """

    protection: Protection | None = None
    unclear_protection: Protection | None = None
    rule: Rule | None = None
    unclear: bool = False
    missing: tuple[str, ...] = ()


def match_rules(image: Image, policy: Policy) -> RuleMatch:
    """Ask `protect` and the rules' `match` in three-valued logic; the first rule that is not False ends it."""
    return _match(policy, lambda leaf: leaf.evaluate(image))


def _match(policy: Policy, ask: Ask) -> RuleMatch:
    protection, unclear = None, None
    for entry in policy.protect:
        truth = entry.match.decide(ask)
        if truth:
            protection = entry
            break
        if truth is None:
            unclear = unclear or entry
    for rule in policy.rules:
        truth = rule.match.decide(ask)
        if truth is not False:
            break
    else:
        rule, truth = None, False
    if protection:
        return RuleMatch(protection=protection, rule=rule, unclear=truth is None)
    missing = _missing(unclear.match if unclear else rule.match if rule and truth is None else None, ask)
    return RuleMatch(unclear_protection=unclear, rule=rule, unclear=truth is None, missing=missing)


def _missing(unclear: Condition | None, ask: Ask) -> tuple[str, ...]:
    leaves = leaves_of(unclear) if unclear else ()
    return tuple(dict.fromkeys(leaf.attribute for leaf in leaves if ask(leaf) is None))


class Matcher(Generic[T]):
    """Asks a policy about very many images, each no more than it must be asked, and remembers the answers.

    Fields with few values are looked up all at once. What they leave open is a tree of questions:
    conditions on the other fields, in the order of the policy, each following from the truths
    before it. `answer` makes the answer from a RuleMatch, once for all images of which the same is
    true; it is given an image that has type, status and the `fields` of theirs, and may read no others.
    """

    def __init__(
        self, policy: Policy, answer: Callable[[Image, RuleMatch], T], fields: Sequence[str]
    ) -> None:
        conditions = [entry.match for entry in policy.protect] + [rule.match for rule in policy.rules]
        leaves = tuple(chain.from_iterable(map(leaves_of, conditions)))
        told = tuple(dict.fromkeys(("type", "status", *fields)))
        few = sorted({leaf.attribute for leaf in leaves} - _MANY - set(told))
        self._policy = policy
        self._answer = answer
        self._names = (*told, *few)
        self._told = len(told)  # so many of the names may be read by the answer
        self._few = [leaf for leaf in leaves if leaf.attribute not in _MANY]
        many = {leaf.attribute: [one for one in leaves if one.attribute == leaf.attribute] for leaf in leaves}
        self._fields = [FieldClasses(*one) for one in many.items() if one[0] in _MANY and are_worth_it(*one)]
        self._values_of = attrgetter(*self._names)
        self._by_values = Remembered(self._first)
        self._by_truths: dict[tuple[Any, ...], _Question[T] | T] = {}
        self._questions = 0

    def __call__(self, image: Image) -> T:
        found: T | _Question[T] = self._by_values[self._values_of(image)]
        return self._ask(found, image) if isinstance(found, _Question) else found

    def each(self, images: Sequence[Image]) -> list[T]:
        """The answers, in the order of the images."""
        found: list[Any] = [None] * len(images)
        for answer, numbers in self.groups(images):
            for number in numbers:
                found[number] = answer
        return found

    def groups(self, images: Sequence[Image]) -> list[tuple[T, list[int]]]:
        """Each answer with the numbers of the images that it is given for; each image is in one of them."""
        coded = codes(images, self._names)
        first = [self._by_values[values] for values in coded.values]
        if self._fields:
            to_ask = self._at_once(images, coded.codes, first)
        else:
            to_ask = list(zip(first, numbers_by_code(coded.codes, count(), len(first)), strict=True))
        found: dict[int, tuple[Any, list[int]]] = {}
        columns: dict[str, _Column] = {}
        while to_ask:
            one, numbers = to_ask.pop()
            if one.__class__ is not _Question:
                # An answer is known by itself, so that it need not be comparable.
                found.setdefault(id(one), (one, []))[1].extend(numbers)
                continue
            if (asked := columns.get(one.field)) is None:
                asked = columns[one.field] = _Column(images, one.field)
            to_ask += (
                (self._follow(one, truth), some) for truth, some in asked.parted(one.judge, numbers) if some
            )
        return list(found.values())

    def _at_once(
        self, images: Sequence[Image], found: Sequence[int], first: "Sequence[_Question[T] | T]"
    ) -> "list[tuple[Any, list[int]]]":
        """What follows from all that can be told of many values at once, with the numbers of the images.

        `first` is what follows from the fields with few values, by the codes that were `found`.
        """
        open_ = {id(one): one for one in first if isinstance(one, _Question)}
        places = {key: place for place, key in enumerate(open_, 1)}  # 0 for what is answered
        asked = list(map([places.get(id(one), 0) for one in first].__getitem__, found))
        numbers = list(compress(count(), asked))
        parts = [Coded(list(filter(None, asked)), [(None,), *((one,) for one in open_.values())])]
        leaves: list[Leaf] = []
        for field in self._fields if numbers else ():
            if classes := field.of(images, numbers):
                parts.append(classes)
                leaves += field.leaves
        together = combined(parts, len(numbers))
        then = [self._then(one, zip(leaves, truths, strict=True)) for one, *truths in together.values]
        answered = list(map(not_, asked))
        settled = numbers_by_code(compress(found, answered), compress(count(), answered), len(first))
        rest = numbers_by_code(together.codes, numbers, len(then))
        return [
            (one, some)
            for one, some in (*zip(first, settled, strict=True), *zip(then, rest, strict=True))
            if some
        ]

    def _then(self, one: Any, told: Iterable[tuple[Leaf, Any]]) -> Any:
        """What follows a question when more is known; `...` is not."""
        known = {id(leaf): truth for leaf, truth in told if truth is not ...}
        return self._question({**one.known, **known}, one.alike) if known else one

    def _follow(self, question: "_Question[T]", truth: Truth) -> "_Question[T] | T":
        try:
            return question.then[truth]
        except KeyError:
            return self._next(question, truth)

    def _ask(self, one: Any, image: Image) -> T:
        field, value = None, None
        while one.__class__ is _Question:
            if one.field is not field:  # several questions about one field follow each other
                field = one.field
                value = getattr(image, field)
                if value.__class__ is str and not value.isascii():
                    value = composed(value)
            judge = one.judge
            truth = None if value is None else judge(value)
            one = self._follow(one, truth)
        found: T = one
        return found

    def _first(self, values: tuple[Any, ...]) -> "_Question[T] | T":
        """What follows from the fields with few values."""
        alike = Image(id="", **dict(zip(self._names, values, strict=True)))
        truths = {id(leaf): leaf.evaluate(alike) for leaf in self._few}
        key = (values[: self._told], *truths.values())
        found = self._by_truths.get(key) or self._question(truths, alike)
        if len(self._by_truths) < MOST_REMEMBERED:
            self._by_truths[key] = found
        return found

    def _next(self, question: "_Question[T]", truth: Truth) -> "_Question[T] | T":
        found = self._question({**question.known, id(question.leaf): truth}, question.alike)
        if self._questions < MOST_REMEMBERED:
            self._questions += 1
            question.then[truth] = found
        return found

    def _question(self, known: dict[int, Truth], alike: Image) -> "_Question[T] | T":
        """What follows from the truths that are known: the answer, or what must be asked next."""
        open_: list[Leaf] = []

        def ask(leaf: Leaf) -> Truth:
            if id(leaf) in known:
                return known[id(leaf)]
            open_.append(leaf)
            raise _OpenQuestion

        try:
            return self._answer(alike, _match(self._policy, ask))
        except _OpenQuestion:
            return _Question(open_[0], known, alike)


class _Column:
    """One field of all images, as it is judged."""

    def __init__(self, images: Sequence[Image], field: str) -> None:
        self._values = values = as_judged(field, column(images, field))
        self._all_there = None not in values

    def parted(self, judge: Judge, numbers: Sequence[int]) -> Iterator[tuple[Truth, list[int]]]:
        """The numbers of the images for which a condition is true, false, or cannot be evaluated."""
        values = self._values
        if not self._all_there:
            yield None, [number for number in numbers if values[number] is None]
            numbers = [number for number in numbers if values[number] is not None]
        truths = list(map(judge, map(values.__getitem__, numbers)))
        yield True, list(compress(numbers, truths))
        yield False, list(compress(numbers, map(not_, truths)))


class Remembered(dict[Any, Any]):
    """What a function says of a value, asked once a value, for not too many of them."""

    def __init__(self, ask: Callable[[Any], Any]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, value: Any) -> Any:
        found = self._ask(value)
        if len(self) < MOST_REMEMBERED:
            self[value] = found
        return found


class _OpenQuestion(Exception):
    """The truth of a condition is asked for that is not known yet."""


class _Question(Generic[T]):
    """A condition on one field, with all truths that were known when it had to be asked, and what follows.

    `alike` has what images that come here have in common.
    """

    __slots__ = ("alike", "field", "judge", "known", "leaf", "then")

    def __init__(self, leaf: Leaf, known: dict[int, Truth], alike: Image) -> None:
        self.leaf, self.field, self.judge = leaf, leaf.attribute, leaf.judge
        self.known, self.alike = known, alike
        self.then: dict[Truth, _Question[T] | T] = {}
