"""What a policy says, as frozen values: conditions in three-valued logic, rules, protections, limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from cleanup.image import Image
from cleanup.policy.bounds import Bounds
from cleanup.policy.patterns import Pattern, SinglePattern, nfc, singles
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


@dataclass(frozen=True, slots=True)
class FieldCondition:
    """A pattern on one text of the image, named by its attribute, e.g. `namespace: [ml-*, sandbox]`."""

    attribute: str
    pattern: Pattern
    text: str = field(compare=False)

    def evaluate(self, image: Image) -> Truth:
        value: str | None = getattr(image, self.attribute)
        return None if value is None else self.pattern.matches(nfc(value))

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        return (Finding(self.text, getattr(image, self.attribute), self.evaluate(image), depth),)


@dataclass(frozen=True, slots=True)
class ResourceTagCondition:
    """A pattern on the value of one resource tag. An image known not to have the key: False."""

    key: str
    pattern: Pattern
    text: str = field(compare=False)

    def evaluate(self, image: Image) -> Truth:
        if image.resource_tags is None:
            return None
        value = self._value(image.resource_tags)
        return value is not None and self.pattern.matches(nfc(value))

    def _value(self, tags: dict[str, str]) -> str | None:
        return next((value for key, value in tags.items() if nfc(key) == nfc(self.key)), None)

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        tags = image.resource_tags
        value = None if tags is None else self._value(tags)
        value = f"no {self.key}" if tags is not None and value is None else value
        return (Finding(self.text, value, self.evaluate(image), depth),)


@dataclass(frozen=True, slots=True)
class SizeCondition:
    """Bounds on the image's size in bytes, e.g. `size: "> 10GiB"`."""

    bounds: Bounds[int]
    text: str = field(compare=False)

    def evaluate(self, image: Image) -> Truth:
        return None if image.size is None else image.size in self.bounds

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        value = None if image.size is None else f"{image.size} bytes"
        return (Finding(self.text, value, self.evaluate(image), depth),)


@dataclass(frozen=True, slots=True)
class All:
    """Every part must hold: False if any is, else None if any is, else True. Without parts: True."""

    parts: "tuple[Condition, ...]"

    def evaluate(self, image: Image) -> Truth:
        truth: Truth = True
        for part in self.parts:
            found = part.evaluate(image)
            if found is False:
                return False
            if found is None:
                truth = None
        return truth

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        head = Finding("all" if self.parts else "every image", "", self.evaluate(image), depth)
        return (head, *_traces(self.parts, image, depth + 1))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part must hold: True if any is, else None if any is, else False."""

    parts: "tuple[Condition, ...]"

    def evaluate(self, image: Image) -> Truth:
        truth: Truth = False
        for part in self.parts:
            found = part.evaluate(image)
            if found:
                return True
            if found is None:
                truth = None
        return truth

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        return (
            Finding("any", "", self.evaluate(image), depth),
            *_traces(self.parts, image, depth + 1),
        )


@dataclass(frozen=True, slots=True)
class Not:
    """The part must not hold; what cannot be evaluated stays so."""

    part: "Condition"

    def evaluate(self, image: Image) -> Truth:
        found = self.part.evaluate(image)
        return None if found is None else not found

    def trace(self, image: Image, depth: int = 0) -> tuple[Finding, ...]:
        return (
            Finding("not", "", self.evaluate(image), depth),
            *self.part.trace(image, depth + 1),
        )


Condition: TypeAlias = FieldCondition | ResourceTagCondition | SizeCondition | All | AnyOf | Not

EVERY_IMAGE = All(())


def patterns_of(condition: Condition) -> Iterator[tuple[str, SinglePattern]]:
    """Every single pattern of a condition with the field that it is on."""
    match condition:
        case FieldCondition():
            yield from ((condition.attribute, single) for single in singles(condition.pattern))
        case ResourceTagCondition():
            yield from (("resource_tags", single) for single in singles(condition.pattern))
        case Not():
            yield from patterns_of(condition.part)
        case All() | AnyOf():
            yield from (found for part in condition.parts for found in patterns_of(part))
        case SizeCondition():
            pass


def fields_of(condition: Condition) -> Iterator[str]:
    """The image's fields that a condition asks about, anywhere in it."""
    match condition:
        case FieldCondition():
            yield condition.attribute
        case ResourceTagCondition():
            yield "resource_tags"
        case SizeCondition():
            yield "size"
        case Not():
            yield from fields_of(condition.part)
        case All() | AnyOf():
            yield from (field for part in condition.parts for field in fields_of(part))


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
    def names_visibility(self) -> bool:
        """The match says something about visibility: only such a rule may delete PUBLIC images."""
        return "visibility" in fields_of(self.match)


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
