"""What every format shows: one frozen view of a plan or a journal, so that all formats say the same.

`head` and `rows` are for programs (JSON, CSV), `facts`, `tallies` and `sections` for people
(table, Markdown). All texts in the latter are safe to print (see formatting.plain).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec


class ProseFormat(StrEnum):
    """How an answer in sentences is shown: `explain`, `diff`, `doctor`."""

    TEXT = "text"
    JSON = "json"


def indented(document: object) -> str:
    """A document as JSON for people."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


class Rows(Protocol):
    """Rows that can be counted, and gone through as often as it takes: they may be made on the way."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Fact(NamedTuple):
    """One line about the whole, e.g. `expires` and `2026-11-24 03:17:00 UTC`."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many images, by a word; a word that nothing fell under may be missing."""

    title: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column for people. `of` gives a row's text; only wide terminals show a `wide` one."""

    title: str
    of: Callable[[Any], str]
    right: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A list of images for people, the first `highlighted` of them not to be left out.

    `collapsed` is for what is only looked at on demand: the table leaves it to its counts.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Rows
    highlighted: int = 0
    collapsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A plan or a journal, ready to be shown. `rows` holds every image, all of type `row_type`.

    `verdict` says in one sentence what happened or would happen.
    """

    title: str
    verdict: str = ""
    head: msgspec.Struct
    warnings: tuple[str, ...]
    facts: tuple[Fact, ...]
    tallies: tuple[Tally, ...]
    sections: tuple[Section, ...]
    rows: Rows
    row_type: type[msgspec.Struct]
