"""Warnings about a policy that is valid and probably not what was meant. Pure; nothing here refuses."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from cleanup.errors import Problem
from cleanup.image import Image
from cleanup.policy.conditions import ENUMERATED
from cleanup.policy.coverage import covers
from cleanup.policy.language import (
    EVERY_IMAGE,
    All,
    AnyOf,
    Condition,
    FieldCondition,
    Not,
    Policy,
    Protection,
    ResourceTagCondition,
    Rule,
    SizeCondition,
)
from cleanup.policy.patterns import Either, Exact, Except, Glob, Pattern, Regex, Semver, text_pattern
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import suggestion

_FREE_TEXTS: Final = frozenset({"description", "resource_tags"})
# Signs of a regular expression; the first set cannot occur in any name, tag, path or word of the API.
_FOREIGN = re.compile(r"[\^$\\()|+]|^\.\*|^[^0-9]*\.\*")
_REGEX_IN_TEXT = re.compile(r"^\^|\$$|\\[a-zA-Z.]|^\.\*|\.\*$")
_SEVERAL = re.compile(r"[,{} ]")
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
        chain.from_iterable(_doubtful_patterns(field, pattern) for field, pattern in _patterns(policy)),
    )
    return tuple(sorted(set(found)))


def lint_against(policy: Policy, images: Sequence[Image]) -> tuple[Problem, ...]:
    """Protections and rules that do nothing on this inventory; silent where it cannot tell.

    A field that the inventory leaves out matches perhaps, so it never makes a warning.
    """
    if not images:
        return ()
    idle = (
        entry.location.problem(f"'{entry.text}' protects none of the {len(images)} images")
        for entry in policy.protect
        if all(entry.match.evaluate(image) is False for image in images)
    )
    return tuple(sorted(chain(idle, _unmatched_rules(policy.rules, images))))


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


def _patterns(policy: Policy) -> Iterator[tuple[str, Pattern]]:
    """Every single pattern of the policy with the field that it is on."""
    conditions = chain((rule.match for rule in policy.rules), (entry.match for entry in policy.protect))
    for field, pattern in chain.from_iterable(map(_of_condition, conditions)):
        yield from ((field, single) for single in _singles(pattern))


def _of_condition(condition: Condition) -> Iterator[tuple[str, Pattern]]:
    match condition:
        case FieldCondition():
            yield condition.attribute, condition.pattern
        case ResourceTagCondition():
            yield "resource_tags", condition.pattern
        case All() | AnyOf():
            yield from chain.from_iterable(map(_of_condition, condition.parts))
        case Not():
            yield from _of_condition(condition.part)
        case SizeCondition():
            pass


def _singles(pattern: Pattern) -> "Iterator[Exact | Glob | Regex | Semver]":
    match pattern:
        case Either():
            yield from chain.from_iterable(map(_singles, pattern.parts))
        case Except():
            yield from _singles(pattern.part)
        case _:
            yield pattern


def _doubtful_patterns(field: str, pattern: Pattern) -> Iterator[Problem]:
    if not isinstance(pattern, Exact | Glob):
        return
    if doubt := _mistaken(field, pattern.text) or _unknown_word(field, pattern):
        yield pattern.location.problem(doubt)


def _mistaken(field: str, text: str) -> str | None:
    """What a text that is no glob was probably meant to be."""
    signs = _REGEX_IN_TEXT if field in _FREE_TEXTS else _FOREIGN
    if signs.search(text):
        return f"'{text}' looks like a regular expression and is read as a glob: write {{regex: '{text}'}}"
    if field not in _FREE_TEXTS and _SEVERAL.search(text):
        return f"no {field} has a comma, a brace or a blank in it, '{text}' has: for several write a list, [a, b]"
    return None


def _unknown_word(field: str, pattern: Exact | Glob) -> str | None:
    words = ENUMERATED.get(field, ())
    if not words or any(pattern.matches(word) for word in words):
        return None
    return f"the API documents no {field} '{pattern.text}': {suggestion(pattern.text.upper(), words)}"


def _unmatched_rules(rules: Sequence[Rule], images: Sequence[Image]) -> Iterator[Problem]:
    left = list(images)
    for rule in rules:
        matched = [image for image in images if rule.match.evaluate(image) is not False]
        if not matched:
            yield rule.location.problem(f"the rule '{rule.name}' matches none of the {len(images)} images")
        elif not any(rule.match.evaluate(image) is not False for image in left):
            yield rule.location.problem(
                f"the rule '{rule.name}' decides on none of the {len(matched)} images it matches: "
                "earlier rules take them all"
            )
        left = [image for image in left if rule.match.evaluate(image) is False]
