"""What a policy says, as frozen values: conditions in three-valued logic, rules, protections, limits."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import msgspec

from cleanup.image import Image
from cleanup.policy.bounds import Bounds
from cleanup.policy.patterns import Pattern, nfc
from cleanup.strict_yaml.location import Location

# Kleene's three values: None is "cannot be evaluated, a field is missing".
Truth: TypeAlias = bool | None


class Finding(msgspec.Struct, frozen=True):
    """One line of an explanation: a condition as the user wrote it and what the image has.

    `value` is None where the image lacks the field, and empty for `all`, `any` and `not`,
    whose parts follow one `depth` further in.
    """

    text: str
    value: str | None
    truth: Truth
    depth: int


Judge: TypeAlias = Callable[[Any], bool]
# What a condition is decided by: the truth of the conditions on single fields in it, asked in order.
Ask: TypeAlias = Callable[["Leaf"], Truth]


def composed(value: Any) -> Any:
    """A value as it is judged: a text in Unicode's composed form, as patterns are."""
    return nfc(value) if value.__class__ is str else value


def judged(judge: Judge, value: Any) -> Truth:
    """What a condition on one field says of its value; None where there is none."""
    return None if value is None else judge(composed(value))


@dataclass(frozen=True, slots=True)
class FieldCondition:
    """A pattern on one text of the image, named by its attribute, e.g. `namespace: [ml-*, sandbox]`."""

    attribute: str
    pattern: Pattern
    text: str = field(compare=False)
    judge: Judge = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "judge", self.pattern.matcher())

    def decide(self, ask: Ask) -> Truth:
        return ask(self)

    def evaluate(self, image: Image) -> Truth:
        return judged(self.judge, getattr(image, self.attribute))

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        return (Finding(self.text, getattr(image, self.attribute), self.evaluate(image), depth),)


@dataclass(frozen=True, slots=True)
class ResourceTagCondition:
    """A pattern on the value of one resource tag. An image known not to have the key: False."""

    key: str
    pattern: Pattern
    text: str = field(compare=False)
    attribute: ClassVar[str] = "resource_tags"
    judge: Judge = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        matches = self.pattern.matcher()

        def judge(tags: Mapping[str, str]) -> bool:
            if not tags:
                return False
            value = self._value(tags)
            return value is not None and matches(nfc(value))

        object.__setattr__(self, "judge", judge)

    def _value(self, tags: Mapping[str, str]) -> str | None:
        if "".join(tags).isascii():
            return tags.get(nfc(self.key))
        return next((value for key, value in tags.items() if nfc(key) == nfc(self.key)), None)

    def decide(self, ask: Ask) -> Truth:
        return ask(self)

    def evaluate(self, image: Image) -> Truth:
        return judged(self.judge, image.resource_tags)

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        tags = image.resource_tags
        value = None if tags is None else self._value(tags) or f"no {self.key}"
        return (Finding(self.text, value, self.evaluate(image), depth),)


@dataclass(frozen=True, slots=True)
class SizeCondition:
    """Bounds on the image's size in bytes, e.g. `size: "> 10GiB"`."""

    bounds: Bounds[int]
    text: str = field(compare=False)
    attribute: ClassVar[str] = "size"
    judge: Judge = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "judge", self.bounds.matcher())

    def decide(self, ask: Ask) -> Truth:
        return ask(self)

    def evaluate(self, image: Image) -> Truth:
        return judged(self.judge, image.size)

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        value = None if image.size is None else f"{image.size} bytes"
        return (Finding(self.text, value, self.evaluate(image), depth),)


@dataclass(frozen=True, slots=True)
class All:
    """Every part must hold: False if any is, else None if any is, else True. Without parts: True."""

    parts: "tuple[Condition, ...]"

    def decide(self, ask: Ask) -> Truth:
        truth: Truth = True
        for part in self.parts:
            found = part.decide(ask)
            if found is False:
                return False
            if found is None:
                truth = None
        return truth

    def evaluate(self, image: Image) -> Truth:
        return self.decide(lambda leaf: leaf.evaluate(image))

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        head = Finding("all" if self.parts else "every image", "", self.evaluate(image), depth)
        return (head, *_traces(self.parts, image, depth + 1))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part must hold: True if any is, else None if any is, else False."""

    parts: "tuple[Condition, ...]"

    def decide(self, ask: Ask) -> Truth:
        truth: Truth = False
        for part in self.parts:
            found = part.decide(ask)
            if found:
                return True
            if found is None:
                truth = None
        return truth

    def evaluate(self, image: Image) -> Truth:
        return self.decide(lambda leaf: leaf.evaluate(image))

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        return (
            Finding("any", "", self.evaluate(image), depth),
            *_traces(self.parts, image, depth + 1),
        )


@dataclass(frozen=True, slots=True)
class Not:
    """The part must not hold; what cannot be evaluated stays so."""

    part: "Condition"

    def decide(self, ask: Ask) -> Truth:
        found = self.part.decide(ask)
        return None if found is None else not found

    def evaluate(self, image: Image) -> Truth:
        return self.decide(lambda leaf: leaf.evaluate(image))

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        return (
            Finding("not", "", self.evaluate(image), depth),
            *self.part.trace(image, depth + 1),
        )


Condition: TypeAlias = FieldCondition | ResourceTagCondition | SizeCondition | All | AnyOf | Not

EVERY_IMAGE = All(())


Leaf: TypeAlias = FieldCondition | ResourceTagCondition | SizeCondition


def leaves_of(condition: Condition) -> Iterator[Leaf]:
    """The conditions on single fields, anywhere in a condition; `attribute` is the image's field."""
    match condition:
        case Not():
            yield from leaves_of(condition.part)
        case All() | AnyOf():
            yield from (leaf for part in condition.parts for leaf in leaves_of(part))
        case _:
            yield condition


def _traces(parts: "Iterable[Condition]", image: Image, depth: int) -> Iterable[Finding]:
    return (finding for part in parts for finding in part.trace(image, depth))


class Clock(StrEnum):
    """Which of an image's two times its age is reckoned from."""

    UPDATE_AT = "update_at"
    CREATE_AT = "create_at"


class OlderThan(msgspec.Struct, frozen=True, kw_only=True):
    """Only images older than `age` by `clock` are deleted."""

    clock: Clock
    age: timedelta


class KeepLast(msgspec.Struct, frozen=True, kw_only=True):
    """The newest `count` of each group are kept; `per` names the image fields that make a group."""

    count: int
    per: tuple[str, ...] = ("namespace", "name")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one run may delete; None is no limit. `max_percent` is 0 to 100."""

    max_deletes: int | None = None
    max_percent: float | None = None
    min_remaining: int | None = None


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """What no rule may delete. `text` is the condition in one line, `because` its author's reason."""

    match: Condition
    text: str
    because: str | None
    location: Location


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: the images in its scope (`match`) and which of them are to be deleted.

    At least one of `older_than`, `keep_last`, `delete_all` is given; `limits` are the rule's own.
    """

    name: str
    description: str | None
    match: Condition
    older_than: OlderThan | None
    keep_last: KeepLast | None
    delete_all: bool
    force: bool
    limits: Limits | None
    location: Location

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The times that the rule reckons with."""
        clocks = {self.older_than.clock} if self.older_than else set()
        return tuple(sorted(clocks | {Clock.UPDATE_AT} if self.keep_last else clocks))

    @property
    def names_visibility(self) -> bool:
        """The match says something about visibility: only such a rule may delete PUBLIC images."""
        return any(leaf.attribute == "visibility" for leaf in leaves_of(self.match))


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Several policy files read as one. `limits` has the defaults filled in.

    `files` are the files in the order read; `sha256` is over their contents in that order. `document`
    is the policy as one file of plain values, limits included: what a plan carries.
    """

    rules: tuple[Rule, ...]
    protect: tuple[Protection, ...]
    limits: Limits
    files: tuple[str, ...]
    sha256: str
    document: dict[str, Any] = {}
