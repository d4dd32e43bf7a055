"""What came of policy tests as a report: a row an image that something was expected of."""

import shlex
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from cleanup.decision.cases import CaseFile, Difference
from cleanup.reports.formatting import count, file_name, label, plain
from cleanup.reports.view import Body, Column, Report, Section, Tally, more_in

Tested = tuple[CaseFile, tuple[Difference, ...]]


class CaseResult(StrEnum):
    PASSED = "passed"
    FAILED = "failed"


class CasesHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document: the test files, and how many images were decided as expected and otherwise."""

    report: Literal["tests"] = "tests"
    schema: Literal[1] = 1
    files: tuple[str, ...]
    passed: int
    failed: int


class CaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a test file, and where that expects something of it; `why` it failed, in a sentence."""

    result: CaseResult
    namespace: str | None
    name: str | None
    tag: str | None
    image_id: str
    file: str
    line: int
    column: int
    why: str | None


def cases_view(tested: Sequence[Tested], paths: Sequence[Path]) -> Report:
    """The report of all test files that lie at these paths."""
    rows = tuple(row for one in tested for row in _rows(*one))
    failed = sum(row.result is CaseResult.FAILED for row in rows)
    files = tuple(file_name(Path(cases.file)) for cases, _ in tested)
    verdict = f"{count(len(files), 'file')}: {len(rows) - failed} as expected, {failed} otherwise"
    command = shlex.join(["image-cleanup", "test", *map(str, paths)])
    return Report(
        title="Policy tests",
        verdict=verdict,
        head=CasesHead(files=files, passed=len(rows) - failed, failed=failed),
        warnings=(),
        facts=(),
        make_body=lambda: _body(rows, failed, command),
        rows=rows,
        row_type=CaseRow,
        prose="".join(f"{plain(line)}\n" for line in (*_lines(tested), verdict)),
    )


def _rows(cases: CaseFile, differences: Sequence[Difference]) -> Iterator[CaseRow]:
    missed = {difference.location: difference.message for difference in differences}
    images = {image.id: image for image in cases.images}
    for one in cases.expectations:
        image, why = images[one.image_id], missed.get(one.location)
        yield CaseRow(
            result=CaseResult.PASSED if why is None else CaseResult.FAILED,
            namespace=image.namespace,
            name=image.name,
            tag=image.tag,
            image_id=image.id,
            file=file_name(Path(cases.file)),
            line=one.location.line,
            column=one.location.column,
            why=why,
        )


def _lines(tested: Sequence[Tested]) -> Iterator[str]:
    for cases, differences in tested:
        number = len(cases.expectations)
        yield f"{cases.file}: {number - len(differences)} of {number} {'FAILED' if differences else 'ok'}"
        for difference in differences:
            yield f"  {difference}"


def _body(rows: Sequence[CaseRow], failed: int, command: str) -> Body:
    counts = {CaseResult.PASSED: len(rows) - failed, CaseResult.FAILED: failed}
    return Body(
        tallies=(Tally(title="By result", counts={word.value: n for word, n in counts.items() if n}),),
        sections=(
            Section(
                title="Images, failures first" if failed else "Images",
                columns=_COLUMNS,
                rows=sorted(rows, key=lambda row: row.result is CaseResult.PASSED),
                most=len(rows),
                highlighted=failed,
                urgent="failed",
            ),
        ),
        listed=len(rows),
        more=more_in(command),
    )


_COLUMNS = (
    Column(title="result", of=lambda row: row.result),
    Column(title="image", of=lambda row: plain(label(row.namespace, row.name, row.tag))),
    Column(title="place", of=lambda row: plain(f"{row.file}:{row.line}:{row.column}")),
    Column(title="why", of=lambda row: plain(row.why or ""), prose=True),
)
