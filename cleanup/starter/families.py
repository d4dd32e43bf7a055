"""The families of images that a starter policy knows, and those that the tags of an inventory show."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, count
from typing import Final, NamedTuple

_SHARED_BY: Final = 3  # tags; fewer are chance
_SHOWN: Final = 12  # families that the tags show; more are no start but a list
_PREFIX: Final = re.compile(r"([A-Za-z][A-Za-z_-]{0,30}[_-])(?:[0-9]+(?:[^.0-9]|$)|[0-9a-f]{7,}$)")
_DEAR: Final = re.compile(
    r"(?i)(?:^|[_-])(?:v|ver|version|rc|rel|ga|lts|final|golden|base|main|master)[_-]"
    r"|prod|release|live|serving|stable|latest|hotfix"
)


class Answers(NamedTuple):
    """What a person wants: namespaces (or their beginnings with `*`) to leave alone, how old, how many stay."""

    untouchable: tuple[str, ...] = ()
    days: int = 90
    keep: int = 5


class Entry(NamedTuple):
    """One protection or rule: its YAML, and the tags and fields of an image it is tested on."""

    text: str
    tag: str
    fields: str = ""
    keep_last: int = 0
    namespace: str = "team"
    name: str = "app"
    days: int = 0
    untouchable: tuple[str, ...] = ()


PROTECT: Final = (
    Entry("  - tag: [latest, stable]\n    because: people pull these by name\n", "latest"),
    Entry("  - tag: {regex: '^[vV]?[0-9]+[.][0-9]'}\n    because: releases\n", "1.4.0"),
    Entry(
        "  - namespace: {regex: '(?i)prod|release|live|serving'}\n    because: production is released by hand\n",
        "dev-1",
        namespace="prod",
    ),
)


def untouchable(answers: Answers) -> tuple[Entry, ...]:
    """The protection that a person asked for."""
    if not answers.untouchable:
        return ()
    listed = ", ".join(f'"{name}"' for name in answers.untouchable)
    text = f"  - namespace: [{listed}]\n    because: nobody but their owners deletes here\n"
    return (
        Entry(text, "dev-1", namespace=answers.untouchable[0].rstrip("*"), untouchable=answers.untouchable),
    )


def known(answers: Answers) -> tuple[Entry, ...]:
    """The families that most projects have. Saved notebooks stay twice as long: people come back to them."""
    days, keep = answers.days, answers.keep
    return (
        _rule(
            "failed-builds",
            "builds that never became an image",
            "status: [ERROR, CREATE_FAILED]",
            max(30, min(days, 90)),
            0,
        )._replace(tag="broken-", fields=", status: ERROR"),
        _rule("saved-notebooks", "saved notebooks", "origin: IMAGE_SAVE", 2 * days, keep)._replace(
            tag="save-", fields=", origin: IMAGE_SAVE"
        ),
        _rule("development", "development builds", 'tag: "dev-*"', days, keep)._replace(tag="dev-"),
        _rule("pull-requests", "pull-request builds", "tag: {regex: '^(pr|mr)-[0-9]+'}", days, keep)._replace(
            tag="pr-"
        ),
        _rule("nightlies", "nightly builds", 'tag: "nightly*"', days, keep)._replace(tag="nightly-"),
    )


def shown_by(tags: Iterable[str], answers: Answers) -> tuple[Entry, ...]:
    """A rule for each beginning that tags share before a number, a date or a commit, the most frequent first.

    Never for one that sounds like a release, and never for a version. Letters, `-` and `_` are all that a
    beginning holds, so that it needs no quoting.
    """
    found = Counter(match[1] for tag in set(tags) if (match := _PREFIX.match(tag)))
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    beginnings = [text for text, times in ordered if times >= _SHARED_BY and not _DEAR.search(text)]
    shown = beginnings[:_SHOWN]
    taken = {one.name for one in known(answers)}
    return tuple(
        _rule(
            name,
            f"builds tagged {text} and a number",
            f"tag: {{regex: '^{text}([0-9]+([^.0-9]|$)|[0-9a-f]{{7,}}$)'}}",
            answers.days,
            answers.keep,
        )._replace(tag=text)
        for text, name in zip(shown, _names(shown, taken), strict=True)
    )


def _names(beginnings: Iterable[str], taken: Collection[str]) -> Iterator[str]:
    """A rule's name for each: `Exp_` is `exp-builds`, `exp-` after it `exp-builds-2`, and `build-` is `builds`."""
    used = set(taken)
    for text in beginnings:
        words = re.findall("[a-z]+", text.lower().rstrip("-_").removesuffix("build"))
        plain = "-".join([*words, "builds"])
        spellings = chain([plain], (f"{plain}-{number}" for number in count(2)))
        name = next(one for one in spellings if one not in used)
        used.add(name)
        yield name


def _rule(name: str, description: str, match: str, days: int, keep_last: int) -> Entry:
    text = (
        f"  - name: {name}\n    description: {quoted(description)}\n"
        f"    match: {{visibility: PRIVATE, {match}}}\n    older_than: {days}d\n"
        + (f"    keep_last: {keep_last}\n" if keep_last else "")
    )
    return Entry(text, "", keep_last=keep_last, name=name, days=days)


def quoted(text: str) -> str:
    """A text in YAML's double quotes, on one line."""
    return json.dumps(text)
