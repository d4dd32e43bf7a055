"""What `doctor` found as a report: text for people on a terminal, tables elsewhere."""

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from cleanup.doctor import IDENTITY_POLICIES, POLICIES, Check, CheckLevel, Diagnosis
from cleanup.reports.formatting import count, plain
from cleanup.reports.view import Body, Column, Fact, Report, Section


class DoctorHead(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON document: all checks of each target, then the policies to paste."""

    report: Literal["doctor"] = "doctor"
    schema: Literal[1] = 1
    targets: tuple[Diagnosis, ...]
    policies: dict[str, Any]
    about_policies: str


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one target as CSV gives it."""

    target: str
    level: CheckLevel
    name: str
    detail: str
    next_step: str | None
    exit_code: int


def diagnosis(found: Sequence[Diagnosis], width: int | None = None) -> Report:
    """The report of all targets that were looked at, its lines broken at `width` if there is one."""
    parts = [*map(_lines, found), _policies()]
    rows = tuple(_row(one, check) for one in found for check in one.checks)
    bad = sum(row.level is CheckLevel.FAILURE for row in rows)
    return Report(
        title="Doctor",
        verdict=f"{count(len(rows), 'check')}: {bad:,} failed",
        head=DoctorHead(targets=tuple(found), policies=dict(POLICIES), about_policies=IDENTITY_POLICIES),
        warnings=(),
        facts=tuple(
            Fact(plain(one.name), plain(f"project {one.project_id} at {one.endpoint}")) for one in found
        ),
        make_body=lambda: _body(rows, bad),
        rows=rows,
        row_type=CheckRow,
        prose="\n\n".join("\n".join(_fitted(line, width) for line in lines) for lines in parts) + "\n",
        rows_in_head=True,
    )


def _body(rows: Sequence[CheckRow], bad: int) -> Body:
    policies = tuple(POLICIES.items())
    return Body(
        tallies=(),
        sections=(
            Section(
                title="Checks",
                columns=_COLUMNS,
                rows=sorted(rows, key=lambda row: row.level is not CheckLevel.FAILURE),
                most=len(rows),
                highlighted=bad,
                images=False,
            ),
            Section(
                title="Policies to paste",
                columns=_POLICY_COLUMNS,
                rows=policies,
                most=len(policies),
                images=False,
            ),
        ),
        listed=0,
        more="",
    )


def _row(one: Diagnosis, check: Check) -> CheckRow:
    return CheckRow(
        target=one.name,
        level=check.level,
        name=check.name,
        detail=check.detail,
        next_step=check.next_step,
        exit_code=check.exit_code,
    )


_COLUMNS = (
    Column(title="target", of=lambda row: plain(row.target)),
    Column(title="is", of=lambda row: row.level.replace("-", " ")),
    Column(title="check", of=lambda row: plain(row.name)),
    Column(title="detail", of=lambda row: plain(row.detail)),
    Column(title="what to do", of=lambda row: plain(row.next_step or "")),
)
_POLICY_COLUMNS = (
    Column(title="to", of=lambda entry: entry[0]),
    Column(title="policy", of=lambda entry: json.dumps(entry[1])),
)


def _fitted(line: str, width: int | None) -> str:
    """The line, broken between words; what goes on stands below where its text began."""
    if width is None:
        return line
    column = re.match(r" {2}\S[\w ]{12}\S[\w ]{15}| {4}[a-z_]+ {2,}| *(-> )?", line)
    indent = " " * (column.end() if column else 4)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _lines(one: Diagnosis) -> Iterator[str]:
    yield plain(f"{one.name}: project {one.project_id} at {one.endpoint}")
    for check in one.checks:
        yield plain(f"  {check.level.replace('-', ' '):13}{check.name:16}{check.detail}")
        if check.next_step:
            yield plain(f"  {'':29}-> {check.next_step}")
    if one.settings:
        yield "  Settings, and where each comes from:"
    for setting in one.settings:
        yield plain(f"    {setting.name:15}{setting.value}  ({setting.origin})")


def _policies() -> Iterator[str]:
    yield "  Policies to paste; whoever deletes or restores needs the one for reading, too:"
    for what, document in POLICIES.items():
        yield f"  to {what}:"
        yield f"    {json.dumps(document)}"
    yield f"  ({IDENTITY_POLICIES})"
