"""What every format shows: one frozen view of a plan or a journal, so that all formats say the same.

`head` and `rows` are for programs (JSON, CSV), `verdict`, `facts` and the `body` for people
(table, Markdown). All texts in the latter are safe to print (see formatting.plain).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from cleanup.reports.formatting import plain


class Rows(Protocol):
    """Rows that can be counted, and gone through as often as it takes: they may be made on the way."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


Columns: TypeAlias = Mapping[
    str, Sequence[Any]
]  # of some rows the values of each field, in the order of the fields


class ColumnRows(ABC):
    """Rows that are had as columns, which very many are asked for by."""

    @abstractmethod
    def __len__(self) -> int: ...
    @abstractmethod
    def columns(self) -> Iterator[Columns]:
        """Some hundred rows at a time."""


def columns_of(rows: Rows | ColumnRows, row_type: type[msgspec.Struct]) -> Iterator[Columns]:
    """Rows as columns, some hundred at a time, however they are held."""
    if isinstance(rows, ColumnRows):
        yield from rows.columns()
        return
    rest = iter(rows)
    while some := list(islice(rest, 1000)):
        values = zip(*map(msgspec.structs.astuple, some), strict=True)
        yield dict(zip(row_type.__struct_fields__, values, strict=True))


class Fact(NamedTuple):
    """One line about the whole, e.g. `expires` and `2026-11-24 03:17:00 UTC`."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many images, by a word; a word that nothing fell under may be missing. `sizes` are bytes, `more` is how
    many words are left out."""

    title: str
    counts: Mapping[str, int]
    sizes: Mapping[str, int] = field(default_factory=dict)
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column for people. `of` gives a row's text; only wide terminals show a `wide` one. `prose` goes over
    several lines where it must, of what is `listed` the last are left out, else texts are shortened inside."""

    title: str
    of: Callable[[Any], str]
    right: bool = False
    wide: bool = False
    prose: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A list for people, `most` rows of it, the first `highlighted` not to be left out, and what its signs mean.

    Where even some of those are left out, they are counted as `urgent`.

    `collapsed` is for what is only looked at on demand: the table leaves it to its counts. `images` says
    that each row is an image, so that what no section shows can be counted.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Rows
    most: int = 10
    highlighted: int = 0
    urgent: str = ""
    collapsed: bool = False
    images: bool = True
    legend: str = ""


class ConditionLine(NamedTuple):
    """A condition of a rule's match, one line: `attribute` is the image's field, empty for `all`, `any`, `not`."""

    text: str
    depth: int
    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTerms:
    """A rule of the policy that a report was made by: whom it is about, and from what age on."""

    name: str
    terms: str
    conditions: tuple[ConditionLine, ...]
    age_days: float | None = None
    clock: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What people look through: counts and lists. `listed` is how many images the lists that are not collapsed
    are about; `more` is the command that shows all of them, empty where none is known."""

    tallies: tuple[Tally, ...]
    sections: tuple[Section, ...]
    listed: int
    more: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """A plan or a journal, ready to be shown. `rows` holds every image, all of type `row_type`.

    `verdict` says in one sentence what happened or would happen. `make_body` is only asked by formats for people:
    it costs a look at every image. `evidence` has each of the rows once more with what else can be said of it on
    demand, of type `evidence_type`; only the page asks for it. `explain` is the command that says more of an image,
    without the image. `target` is named where there are many. `prose` is
    how people read it where tables would not do; `rows_in_head` that the JSON document has no list of them beside
    the head.
    """

    title: str
    verdict: str = ""
    head: msgspec.Struct
    warnings: tuple[str, ...]
    facts: tuple[Fact, ...]
    make_body: Callable[[], Body]
    rows: Rows
    row_type: type[msgspec.Struct]
    target: str | None = None
    prose: str = ""
    rows_in_head: bool = False
    rules: tuple[RuleTerms, ...] = ()
    evidence: ColumnRows | None = None
    evidence_type: type[msgspec.Struct] | None = None
    explain: str = ""

    @cached_property
    def body(self) -> Body:
        """Counts and lists for people."""
        return self.make_body()


def left_out(body: Body, shown: int, urgent: Mapping[str, int]) -> str:
    """`and 392 more, 3 of them failed`, whose place `more` says; empty where all is shown. `urgent` is by word."""
    if shown >= body.listed:
        return ""
    of_them = [f"{number:,} of them {word}" for word, number in urgent.items() if number]
    return ", ".join([f"and {body.listed - shown:,} more", *of_them])


def more_in(command: str) -> str:
    """The command that shows all, from one that shows the same in short; nothing where none is known."""
    return plain(f"{command} --format html") if command else ""


def top(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """The `most` words with the highest counts, the highest first; equal ones in the order of the words."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])
