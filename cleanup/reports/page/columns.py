"""The images of reports by column, as compact as a page of 100,000 needs it.

A column of text whose values repeat is a list of its values and a code a row; times are milliseconds.
"""

import types
from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Union, get_args, get_origin

import msgspec

from cleanup.reports.formatting import plain
from cleanup.reports.view import Columns, Report, columns_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NONE: Final = -1
_FEW: Final = 400  # values that can be chosen from a list
_BYTES: Final = frozenset({"size", "bytes", "bytes_freed"})
# What stands in the table, first; of another report all that is not below.
_FIRST: Final = ("outcome", "action", "image", "age_days", "size", "reason", "rule")
_LEFT_OUT: Final = frozenset(
    {"report", "namespace", "name", "tag", "id", "image_id", "swr_path", "request_id", "run_id", "plan_id"}
    | {"image_status", "duration_ms", "updated_at", "timestamp", "visibility", "force_withheld"}
    | {"before_action", "before_force", "before_detail", "after_action", "after_force", "after_detail"}
)
_PROSE: Final = frozenset({"detail", "error_msg", "why", "line"})
_TITLES: Final = {
    "age_days": "age",
    "http_status": "http",
    "error_code": "code",
    "error_msg": "error",
    "attempts": "tries",
}
_CHOSEN: Final = frozenset({"target", "action", "outcome", "reason", "rule", "namespace"})
TARGET: Final = "target"


class ColumnKind(StrEnum):
    """How a column's values are shown and sorted."""

    TEXT = "text"
    NUMBER = "number"
    BYTES = "bytes"
    TIME = "time"
    FLAG = "flag"


class TableColumn(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A column as the page reads it: either `raw` values, or a code for each row and the `values` of the codes; of
    the last rows those without a value are left out.

    `choice`: the table can be narrowed to one of its values; `shown`: it stands in the table.
    """

    name: str
    title: str
    kind: ColumnKind
    shown: bool = False
    choice: bool = False
    values: Sequence[str] | None = None
    codes: Sequence[int] | None = None
    raw: Sequence[Any] | None = None


class ColumnBuilder:
    """Takes the values of one field, some rows at a time."""

    def __init__(self, name: str, kind: ColumnKind, *, evidence: bool) -> None:
        self.name = name
        self.kind = kind
        self._evidence = evidence
        self._codes = array("q")
        self._codes_of: dict[Any, int] = {None: _NONE}
        self._texts: dict[str, int] = {}  # with their codes
        self._numbers: list[Any] = []

    def __len__(self) -> int:
        return len(self._codes) + len(self._numbers)

    def add(self, values: Sequence[Any]) -> None:
        """The field's values of the next rows."""
        if self.kind is ColumnKind.TEXT:
            codes = self._codes_of
            if dict in set(map(type, values)):  # it has no hash; there are few such rows
                values = [_listed(one) if isinstance(one, dict) else one for one in values]
            # In their order: one report makes one page.
            new = [value for value in dict.fromkeys(values) if value not in codes]
            for value, text in zip(new, _texts(new), strict=True):
                codes[value] = self._texts.setdefault(text, len(self._texts))
            self._codes.fromlist(list(map(codes.__getitem__, values)))
        elif self.kind is ColumnKind.TIME:
            self._numbers.extend(None if one is None else (one - _EPOCH) // _MILLISECOND for one in values)
        elif self.kind is ColumnKind.FLAG:
            self._numbers.extend(None if one is None else int(one) for one in values)
        else:
            self._numbers.extend(values)

    def column(self) -> TableColumn | None:
        """The whole column; None where no row has a value."""
        column = TableColumn(name=self.name, title=_title(self.name), kind=self.kind)
        if self.kind is not ColumnKind.TEXT:
            column.raw = _cut(self._numbers, None)
            empty = not column.raw
        else:
            self._tell(column)
            empty = not self._texts
        told = self.kind is not ColumnKind.FLAG or len(set(self._numbers)) > 1
        column.shown = told and not self._evidence and self.name not in _LEFT_OUT
        return None if empty else column

    def _tell(self, column: TableColumn) -> None:
        known, codes = list(self._texts), self._codes
        repeated = len(known) * 2 <= len(codes)
        column.choice = (
            not self._evidence and len(known) <= _FEW and (repeated or self.name in _CHOSEN) and self._is_word
        )
        if repeated or column.choice:
            column.values, column.codes = known, _cut(codes.tolist(), _NONE)
        else:
            column.raw = _cut([None if code == _NONE else known[code] for code in codes], None)

    @property
    def _is_word(self) -> bool:
        """Whether people look for one of the values, not for what is in one."""
        return self.name in _CHOSEN or self.name not in (_LEFT_OUT | _PROSE)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in counts.items())


def _cut(values: list[Any], nothing: object) -> list[Any]:
    """The values without those at the end that say nothing, as of all kept images of a plan."""
    end = len(values)
    while end and values[end - 1] == nothing:
        end -= 1
    return values[:end]


def _texts(values: Sequence[Any]) -> Sequence[str]:
    if set(map(type, values)) == {str} and "".join(values).isprintable():
        return values
    return list(map(_text, values))


def _text(value: object) -> str:
    """A value as text without effect on whoever shows it."""
    if isinstance(value, str):
        return plain(value)
    return plain(", ".join(map(str, value)) if isinstance(value, Sequence) else str(value))


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def ordered(columns: Sequence[TableColumn]) -> list[TableColumn]:
    """As they stand in the table: what is looked for first, the others as they were."""
    places = {name: place for place, name in enumerate((TARGET, *_FIRST))}
    return sorted(columns, key=lambda column: places.get(column.name, len(places)))


def fields_of(reports: Sequence[Report]) -> Mapping[str, tuple[ColumnKind, bool]]:
    """Of all fields of their rows the kind, and whether it is evidence, which the table leaves out."""
    found: dict[str, tuple[ColumnKind, bool]] = {}
    for report in reports:
        for field in msgspec.structs.fields(report.row_type):
            found.setdefault(field.name, (_kind(field.name, field.type), False))
    for report in reports:
        for field in msgspec.structs.fields(report.evidence_type) if report.evidence_type else ():
            found.setdefault(field.name, (_kind(field.name, field.type), field.name not in _BYTES))
    return found


def _kind(name: str, type_: Any) -> ColumnKind:
    union = get_origin(type_) in (Union, types.UnionType)
    kinds = set(get_args(type_) if union else (type_,)) - {types.NoneType}
    if kinds == {datetime}:
        return ColumnKind.TIME
    if kinds == {bool}:
        return ColumnKind.FLAG
    if kinds and kinds <= {int, float}:
        return ColumnKind.BYTES if name in _BYTES else ColumnKind.NUMBER
    return ColumnKind.TEXT


def pieces_of(report: Report) -> Iterator[Columns]:
    """Its rows with their evidence, some hundred at a time."""
    return columns_of(report.rows if report.evidence is None else report.evidence, report.row_type)
