"""`test`: policy unit tests, an inventory in YAML and what is expected of each image; no network."""

from pathlib import Path
from typing import Annotated

from cleanup.cli.output import log
from cleanup.cli.parsing import Argument, Option
from cleanup.cli.showing import CasesShowing, Destination
from cleanup.decision.cases import CaseFile, Difference, case_files, compare, load_cases
from cleanup.decision.select import select
from cleanup.errors import PolicyError, UsageError
from cleanup.policy import load
from cleanup.reports import Format
from cleanup.reports.cases_view import cases_view
from cleanup.strict_yaml.mappings import attempt

FAILED = 2  # the policy is wrong, or its test is


def test(
    paths: Annotated[
        tuple[Path, ...],
        Argument(metavar="PATH", help="Test files (*.test.yaml) and folders of them."),
    ],
    showing: CasesShowing,
    junit_file: Annotated[
        Path | None,
        Option("--junit", metavar="FILE", help="Also write the results to this file as JUnit XML."),
    ] = None,
) -> None:
    """Test policies: decide about the images of a test file and compare with what it expects."""
    shown = showing.destination()
    also = Destination.of(junit_file, Format.JUNIT, "--junit") if junit_file else None
    files = dict.fromkeys(file for path in paths for file in case_files(path))
    if not files:
        raise UsageError(f"no test file in {', '.join(map(str, paths))}: their names end in .test.yaml")
    results, problems = attempt(files, _tested)
    if problems:
        raise PolicyError(sorted(set(problems)))
    report, failed = cases_view(results, paths), any(differences for _, differences in results)
    shown.show([report])
    if also:
        also.show([report])
    if shown != Destination():  # the table ends in it
        (log().error if failed else log().info)(report.verdict)
    if failed:
        raise SystemExit(FAILED)


def _tested(file: Path) -> tuple[CaseFile, tuple[Difference, ...]]:
    cases = load_cases(file)
    decisions = select(cases.images, load(cases.policies), cases.in_use, cases.now)
    return cases, compare(cases, decisions)
