"""Warnings about a policy that is valid and probably not what was meant. Pure; nothing here refuses."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from cleanup.errors import Problem
from cleanup.image import Image
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.coverage import covers
from cleanup.policy.impossible import patterns_of, why_impossible
from cleanup.policy.language import (
    EVERY_IMAGE,
    All,
    AnyOf,
    Condition,
    FieldCondition,
    Policy,
    Protection,
    Rule,
)
from cleanup.policy.patterns import Either, Exact, Glob, Semver, text_pattern
from cleanup.policy.versions import parse_version
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import suggestion

if TYPE_CHECKING:
    from cleanup.policy.match import RuleMatch

_FREE_TEXTS: Final = frozenset({"description", "resource_tags"})
# Signs of a regular expression in a glob that some value can match all the same.
_REGEX_IN_NAME = re.compile(r"^[^0-9]*\.\*")
_REGEX_IN_TEXT = re.compile(r"^\^|\$$|\\[a-zA-Z.]|^\.\*|\.\*$")
_NEVER_DELETED: Final = "images that are still being saved are never deleted anyway"
_UNFINISHED: Final = FieldCondition(
    "status",
    Either(
        tuple(
            text_pattern(word, ignores_case=True, location=Location("", 1, 1))
            for word in ("INIT", "CREATING")
        )
    ),
    "status: [INIT, CREATING]",
)


def lint(policy: Policy) -> tuple[Problem, ...]:
    """What looks wrong in the policy by itself, sorted by location; empty when nothing does."""
    found = chain(
        _undecided_rules(policy.rules),
        _extreme_rules(policy),
        _idle_protections(policy.protect),
        _doubtful_patterns(policy),
    )
    return tuple(sorted(set(found)))


def lint_against(
    policy: Policy, images: Sequence[Image], deciding: Container[str] = ()
) -> tuple[Problem, ...]:
    """Protections and rules that do nothing on this inventory, a line each; silent where it cannot tell.

    A field that the inventory leaves out matches perhaps, so it never makes a warning. Also the
    tags that a semver in `protect` cannot read, since they are in no range and so not protected.
    `deciding` names rules that are known to decide on one of the images: they are not looked for again.
    """
    if not images:
        return ()
    idle = (
        entry.location.problem(f"'{entry.text}' protects none of the {len(images)} images")
        for entry in policy.protect
        if all(entry.match.evaluate(image) is False for image in images)
    )
    return tuple(
        sorted(chain(idle, _idle_rules(policy, images, deciding), _unread_tags(policy.protect, images)))
    )


def _undecided_rules(rules: Sequence[Rule]) -> Iterator[Problem]:
    for position, rule in enumerate(rules):
        if first := next(
            (earlier for earlier in rules[:position] if covers(earlier.match, rule.match)), None
        ):
            yield rule.location.problem(
                f"the rule '{rule.name}' can never decide: '{first.name}' ({first.location}) is asked first and "
                "takes every image in its scope; put the narrower rule first, or remove one"
            )


def _extreme_rules(policy: Policy) -> Iterator[Problem]:
    for rule in policy.rules:
        guard = next((entry for entry in policy.protect if covers(entry.match, rule.match)), None)
        if guard:
            yield rule.location.problem(
                f"the rule '{rule.name}' can never delete: all in its scope is protected by '{guard.text}' "
                f"({guard.location})"
            )
        elif covers(_UNFINISHED, rule.match):
            yield rule.location.problem(f"the rule '{rule.name}' can never delete: {_NEVER_DELETED}")
        if rule.delete_all and covers(rule.match, EVERY_IMAGE):
            yield rule.location.problem(
                f"the rule '{rule.name}' deletes every image of the project that nothing protects: give it a match"
            )


def _idle_protections(protect: Sequence[Protection]) -> Iterator[Problem]:
    for position, entry in enumerate(protect):
        if covers(_UNFINISHED, entry.match):
            yield entry.location.problem(f"'{entry.text}' protects nothing: {_NEVER_DELETED}")
        # Of two that say the same the later one is idle.
        wider = (other for other in protect[position + 1 :] if not covers(entry.match, other.match))
        guards = (other for other in chain(protect[:position], wider) if covers(other.match, entry.match))
        # Each file may well protect on its own what another file protects too.
        if guard := next((guard for guard in guards if guard.location.file == entry.location.file), None):
            yield entry.location.problem(
                f"'{entry.text}' protects nothing more than '{guard.text}' ({guard.location}): remove it"
            )


def _doubtful_patterns(policy: Policy) -> Iterator[Problem]:
    """What reads otherwise than it was probably meant; in `protect` what can never match is an error already."""
    conditions = chain((rule.match for rule in policy.rules), (entry.match for entry in policy.protect))
    for field, pattern in chain.from_iterable(map(patterns_of, conditions)):
        doubt = why_impossible(field, pattern)
        if doubt is None and isinstance(pattern, Exact | Glob):
            doubt = _like_a_regex(field, pattern.text) or _unknown_word(field, pattern)
        if doubt:
            yield pattern.location.problem(doubt)


def _like_a_regex(field: str, text: str) -> str | None:
    signs = _REGEX_IN_TEXT if field in _FREE_TEXTS else _REGEX_IN_NAME
    if not signs.search(text):
        return None
    return f"'{text}' looks like a regular expression and is read as a glob: write {{regex: '{text}'}}"


def _unknown_word(field: str, pattern: Exact | Glob) -> str | None:
    words = ENUMERATED.get(field, ())
    if not words or any(pattern.matches(word) for word in words):
        return None
    return f"the API documents no {field} '{pattern.text}': {suggestion(pattern.text.upper(), words)}"


def _idle_rules(policy: Policy, images: Sequence[Image], known: Container[str]) -> Iterator[Problem]:
    if all(rule.name in known for rule in policy.rules):
        return
    deciding = {match.rule.name for match, _ in _matched(policy, images) if match.rule}
    for rule in policy.rules:
        if rule.name in deciding:
            continue
        alone = msgspec.structs.replace(policy, rules=(rule,), protect=())
        matched = sum(len(numbers) for _, numbers in _matched(alone, images))
        if not matched:
            yield rule.location.problem(f"the rule '{rule.name}' matches none of the {len(images)} images")
        else:
            yield rule.location.problem(
                f"the rule '{rule.name}' decides on none of the {matched} images it matches: "
                "earlier rules take them all"
            )


def _matched(policy: Policy, images: Sequence[Image]) -> "list[tuple[RuleMatch, list[int]]]":
    """The images that are in the scope of a rule, or may be, as numbers."""
    from cleanup.policy.match import Matcher  # here, for most validations are about no images

    matcher = Matcher(policy, lambda image, match: match, ())
    return [(match, numbers) for match, numbers in matcher.groups(images) if match.rule]


def _unread_tags(protect: Iterable[Protection], images: Sequence[Image]) -> Iterator[Problem]:
    for entry in protect:
        ranges = tuple(_ranges(entry.match))
        if not ranges:
            continue
        others = _without(ranges, entry.match)
        meant = [image for image in images if image.tag and others.evaluate(image) is not False]
        unprotected = {image.tag or "" for image in meant if entry.match.evaluate(image) is False}
        if unread := sorted(tag for tag in unprotected if parse_version(tag) is None):
            tags = {image.tag for image in meant}
            shown = ", ".join(unread[:3]) + (f" and {len(unread) - 3} more" if len(unread) > 3 else "")
            text = ranges[0].text.partition(": ")[2]
            yield entry.location.problem(
                f"{len(unread)} of {len(tags)} tags are no versions, so '{text}' does not protect them: {shown}"
            )


def _ranges(condition: Condition) -> Iterator[FieldCondition]:
    """The conditions that protect by a range of versions; below a `not` no version is what protects."""
    match condition:
        case FieldCondition():
            parts = condition.pattern.parts if isinstance(condition.pattern, Either) else (condition.pattern,)
            if any(isinstance(part, Semver) for part in parts):
                yield condition
        case All() | AnyOf():
            yield from chain.from_iterable(map(_ranges, condition.parts))


def _without(ranges: Sequence[Condition], condition: Condition) -> Condition:
    """The condition as if every version lay in these ranges."""
    match condition:
        case All() | AnyOf():
            return type(condition)(tuple(_without(ranges, part) for part in condition.parts))
        case _:
            return EVERY_IMAGE if condition in ranges else condition
