"""The text of a starter policy and of its test: the families of images that are there, in the safest form.

Foreign names stand in comments only, on one line, and in the test's images where they need no quoting.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import yaml

from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.policy.language import Policy
from cleanup.policy.load import from_document
from cleanup.starter.families import PROTECT, Answers, Entry, known, quoted, shown_by, untouchable

_NAMESPACES: Final = 10  # in the header
_HARMLESS: Final = re.compile(r"[a-z][a-z0-9-]{0,60}[a-z0-9]")  # needs no quotes anywhere
_LIMITS: Final = """
# Over a limit nothing at all is deleted. Raise them when you have read a plan and agree with it.
limits:
  max_deletes: 50
  max_percent: 10
"""


class Words(NamedTuple):
    """How what came from the service is written in a comment: foreign text, and a number of images."""

    plain: Callable[[str], str]
    amount: Callable[[Sequence[Image]], str]


class Shown(NamedTuple):
    """What the starter is made from; no images: a generic one."""

    images: Sequence[Image]
    in_use: InUse
    now: datetime


class Starter(NamedTuple):
    """The two files."""

    policy: str
    test: str


Found = dict[Entry, list[Image]]


def starter(seen: Shown, policy_name: str, words: Words, answers: Answers) -> Starter:
    """The starter for what is seen; the generic one where no rule would decide on any of it."""
    asked = untouchable(answers)
    protect, rules = _decided(seen.images, asked, answers)
    if not rules:
        protect, rules = {one: [] for one in (*asked, *PROTECT)}, {one: [] for one in known(answers)}
    protect = {one: [] for one in asked} | protect
    policy = "".join(
        (
            *(f"# {line}\n" for line in _header(seen, words)),
            "version: 1\n\n",
            "# Kept, whatever a rule says.\nprotect:\n" if protect else "",
            *(one.text + _note("    # Today", found, words) for one, found in protect.items()),
            "\n# The first rule whose match holds decides; what no rule matches is kept. No rule has `force`:\n"
            "# the content stays in SWR, and `image-cleanup restore` can register an image again.\nrules:\n",
            *(_rule_text(rule, found, seen.now, words) for rule, found in rules.items()),
            _LIMITS,
        )
    )
    return Starter(policy, _test(protect, rules, seen.now, policy_name))


def _decided(images: Sequence[Image], asked: tuple[Entry, ...], answers: Answers) -> tuple[Found, Found]:
    """Each entry that decides on some image, with all it decides on: protections first, then the first rule."""
    guards, rules = (*asked, *PROTECT), known(answers)
    policy = _policy(guards, rules)
    free = [
        one for one in images if not any(guard.match.evaluate(one) is not False for guard in policy.protect)
    ]
    tags = [
        one.tag
        for one in free
        if one.tag and one.is_private and all(rule.match.evaluate(one) is False for rule in policy.rules)
    ]
    rules = (*rules, *shown_by(tags, answers))
    policy = _policy(guards, rules)
    kept: Found = {}
    for entry, guard in zip(guards, policy.protect, strict=True):
        if matched := [one for one in images if guard.match.evaluate(one) is True]:
            kept[entry] = matched
    going: Found = {}
    for image in free:
        judged = ((one, rule.match.evaluate(image)) for one, rule in zip(rules, policy.rules, strict=True))
        first, holds = next(((one, holds) for one, holds in judged if holds is not False), (None, None))
        if first and holds:  # where it is unknown whether a rule holds, the image is kept
            going.setdefault(first, []).append(image)
    return kept, {entry: going[entry] for entry in rules if entry in going}


def _policy(guards: Sequence[Entry], rules: Sequence[Entry]) -> Policy:
    text = "version: 1\nprotect:\n" + "".join(entry.text for entry in guards)
    text += "rules:\n" + "".join(entry.text for entry in rules)
    return from_document(yaml.safe_load(text), ["starter"], "0" * 64)


def _rule_text(rule: Entry, found: list[Image], now: datetime, words: Words) -> str:
    stay = f", and not among the {rule.keep_last} newest of its name" if rule.keep_last else ""
    note = _note("  # In scope today", found, words)
    return f"  # One goes when nobody changed it for {rule.days} days{stay}.\n{note}{_ages(found, now)}{rule.text}\n"


def _note(start: str, found: list[Image], words: Words) -> str:
    return f"{start}: {words.amount(found)}.\n" if found else ""


def _ages(found: list[Image], now: datetime) -> str:
    """The youngest, the median and the oldest, by the clock that `older_than` reads."""
    days = sorted((now - one.updated_at).days for one in found if one.updated_at)
    if not days:
        return ""
    return (
        f"  # Days since the last change: {days[0]:,} to {days[-1]:,}, half over {days[len(days) // 2]:,}.\n"
    )


def _header(seen: Shown, words: Words) -> Iterator[str]:
    yield "A starter policy, made by `image-cleanup init`: look at each line before you let it delete."
    if not seen.images:
        yield "Made without an inventory: remove what your project does not have."
        return
    used = [one for one in seen.images if seen.in_use.of(one)]
    public = [one for one in seen.images if not one.is_private]
    yield f"The project's images: {words.amount(seen.images)}."
    yield f"In use, which always stay: {words.amount(used)}. Not PRIVATE, which no rule names: {words.amount(public)}."
    yield "By namespace:"
    counts = Counter(image.namespace for image in seen.images)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
    for namespace, number in ordered[:_NAMESPACES]:
        yield f"  {number:,} {words.plain(namespace or '?')}"
    if len(ordered) > _NAMESPACES:
        yield f"  and {len(ordered) - _NAMESPACES:,} namespaces more"


def _test(protect: Found, rules: Found, now: datetime, policy_name: str) -> str:
    """One image of each protection, and of each rule one young, those that keep_last keeps, one that goes."""
    lines = [
        f"  - {{image: {one.namespace}/app:{one.tag}, age: 900d, expect: {{reason: protected}}}}"
        for one in protect
    ]
    taken: set[tuple[str, str]] = set()
    asked = [one for entry in protect for one in entry.untouchable]
    free = (
        "0-team" if any(fnmatchcase("team", one) for one in asked) else "team"
    )  # theirs begin with a letter
    for rule, found in rules.items():
        lines += _rule_cases(rule, *_place(rule, found, taken, free))
    head = "# Tests of the starter policy. Add the images that you fear to lose, each with `expect: keep`.\n"
    return (
        f'{head}version: 1\npolicy: {quoted(policy_name)}\nnow: "{now:%Y-%m-%dT%H:%M:%SZ}"\nimages:\n'
        + "\n".join(lines)
        + "\n"
    )


def _place(rule: Entry, found: list[Image], taken: set[tuple[str, str]], namespace: str) -> tuple[str, str]:
    """A namespace and a name that the rule's images have, where they need no quoting and no other rule took them."""
    for image in found:
        place = (image.namespace or "", image.name or "")
        if place not in taken and all(map(_HARMLESS.fullmatch, place)):
            taken.add(place)
            return place
    return namespace, rule.name


def _rule_cases(rule: Entry, namespace: str, name: str) -> Iterator[str]:
    last = max(rule.keep_last, 1)
    for number in range(last + 1):
        age = 2 * rule.days + number if number else 1
        expect = f"{{action: delete, rule: {rule.name}, force: false}}" if number == last else "keep"
        image = f"{namespace}/{name}:{rule.tag}{number}{rule.fields}"
        yield f"  - {{image: {image}, age: {age}d, expect: {expect}}}"
