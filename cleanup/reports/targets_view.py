"""Many targets as reports: a summary over all of them first, then one each, those that failed too."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from cleanup.reports.formatting import count, plain, size
from cleanup.reports.journal_view import JournalHead
from cleanup.reports.plan_view import PlanHead
from cleanup.reports.view import Body, Column, Fact, Report, Section, Tally

_DONE = frozenset({0, 10})


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """How one target ended; `line` says it in words, the error where there was one."""

    target: str
    exit_code: int
    line: str


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all targets that came to a report: of plans `delete` and `keep`, of journals `planned`."""

    targets: int
    done: int
    failed: int
    exit_code: int
    delete: int
    keep: int
    planned: int
    bytes: int
    bytes_freed: int
    by_reason: dict[str, int]
    by_rule: dict[str, int]
    by_outcome: dict[str, int]
    ends: tuple[TargetRow, ...]


class TargetsHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document; the document of each target follows as `targets`."""

    report: Literal["targets"] = "targets"
    schema: Literal[1] = 1
    summary: Totals


class FailureHead(msgspec.Struct, frozen=True, kw_only=True):
    """The document of a target that failed before there was anything else to say."""

    report: Literal["failure"] = "failure"
    schema: Literal[1] = 1
    target: str
    exit_code: int
    error: str


class NoRow(msgspec.Struct, frozen=True):
    """What a report without images lists."""


@dataclass(frozen=True, slots=True)
class TargetEnd:
    """How one target ended, with its report if it came to one."""

    name: str
    exit_code: int
    line: str
    report: Report | None


def together(ends: Sequence[TargetEnd], exit_code: int) -> list[Report]:
    """The summary, then a report a target in their order; the summary alone where no target has one."""
    rows = tuple(TargetRow(target=end.name, exit_code=end.exit_code, line=end.line) for end in ends)
    head = TargetsHead(summary=_totals(rows, [end.report for end in ends if end.report], exit_code))
    overview = _overview(head.summary, head)
    if not any(end.report for end in ends):
        return [overview]
    return [overview, *(replace(end.report or _failure(end), target=end.name) for end in ends)]


def _totals(rows: tuple[TargetRow, ...], reports: Sequence[Report], exit_code: int) -> Totals:
    plans = [one.head for one in reports if isinstance(one.head, PlanHead)]
    journals = [one.head for one in reports if isinstance(one.head, JournalHead)]
    done = sum(row.exit_code in _DONE for row in rows)
    return Totals(
        targets=len(rows),
        done=done,
        failed=len(rows) - done,
        exit_code=exit_code,
        delete=sum(head.delete for head in plans),
        keep=sum(head.keep for head in plans),
        planned=sum(head.planned for head in journals),
        bytes=sum(head.bytes for head in plans),
        bytes_freed=sum([head.bytes_freed for head in plans] + [head.bytes_freed for head in journals]),
        by_reason=_summed(head.by_reason for head in plans),
        by_rule=_summed([*(head.by_rule for head in plans), *(head.deleted_by_rule for head in journals)]),
        by_outcome=_summed(head.by_outcome for head in journals),
        ends=rows,
    )


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return {word: number for word, number in total.items() if number}


def _overview(totals: Totals, head: TargetsHead) -> Report:
    return Report(
        title=count(totals.targets, "target"),
        verdict=_verdict(totals),
        head=head,
        warnings=(),
        facts=tuple(_facts(totals)),
        make_body=lambda: _body(totals),
        rows=totals.ends,
        row_type=TargetRow,
        rows_in_head=True,
    )


def _body(totals: Totals) -> Body:
    return Body(
        tallies=(
            Tally(title="By reason", counts=totals.by_reason),
            Tally(title="By outcome", counts=totals.by_outcome),
        ),
        sections=(
            Section(
                title="Targets",
                columns=_COLUMNS,
                rows=sorted(totals.ends, key=lambda row: row.exit_code in _DONE),
                most=len(totals.ends),
                highlighted=totals.failed,
                images=False,
            ),
        ),
        listed=0,
        more="",
    )


def _verdict(totals: Totals) -> str:
    return f"{count(totals.targets, 'target')}: {totals.done:,} done, {totals.failed:,} failed"


def _facts(totals: Totals) -> Iterator[Fact]:
    yield Fact("targets", f"{totals.done:,} done, {totals.failed:,} failed")
    if totals.delete or totals.keep:
        of = f"{totals.delete:,} of {count(totals.delete + totals.keep, 'image')}"
        yield Fact("delete", f"{of}, {size(totals.bytes)}")
    if totals.planned:
        yield Fact("planned", count(totals.planned, "image"))
    if totals.delete or totals.planned:
        yield Fact("freed in SWR", size(totals.bytes_freed))


def _failure(end: TargetEnd) -> Report:
    return Report(
        title=f"Target {plain(end.name)}",
        verdict=plain(end.line),
        head=FailureHead(target=end.name, exit_code=end.exit_code, error=end.line),
        warnings=(),
        facts=(Fact("exit code", str(end.exit_code)), Fact("error", plain(end.line))),
        make_body=lambda: Body(tallies=(), sections=(), listed=0, more=""),
        rows=(),
        row_type=NoRow,
        rows_in_head=True,
    )


_COLUMNS = (
    Column(title="target", of=lambda row: plain(row.target)),
    Column(title="exit", of=lambda row: str(row.exit_code), right=True),
    Column(title="what came of it", of=lambda row: plain(row.line)),
)
