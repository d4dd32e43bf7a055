"""`test`: policy unit tests, an inventory in YAML and what is expected of each image; no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cleanup.cli.output import tell
from cleanup.cli.parsing import Argument, Option
from cleanup.decision.cases import CaseFile, Difference, case_files, compare, load_cases
from cleanup.decision.select import select
from cleanup.errors import PolicyError, UsageError
from cleanup.files import obstacle
from cleanup.kinds import FileKind, kind_of
from cleanup.policy import load
from cleanup.reports.formatting import count
from cleanup.reports.junit import junit
from cleanup.strict_yaml.mappings import attempt

FAILED = 2  # the policy is wrong, or its test is


def test(
    paths: Annotated[
        tuple[Path, ...],
        Argument(metavar="PATH", help="Test files (*.test.yaml) and folders of them."),
    ],
    junit_file: Annotated[Path | None, Option("--junit", help="Also write the results as JUnit XML.")] = None,
) -> None:
    """Test policies: decide about the images of a test file and compare with what it expects."""
    if junit_file:
        _require_replaceable(junit_file)
    files = [file for path in paths for file in case_files(path)]
    if not files:
        raise UsageError(f"no test file in {', '.join(map(str, paths))}: their names end in .test.yaml")
    results, problems = attempt(files, _tested)
    if problems:
        raise PolicyError(sorted(set(problems)))
    for cases, differences in results:
        _tell(cases, differences)
    if junit_file:
        _write(junit_file, junit(results))
    failed = sum(len(differences) for _, differences in results)
    expected = sum(len(cases.expectations) for cases, _ in results)
    tell(f"{count(len(results), 'file')}: {expected - failed} as expected, {failed} otherwise")
    if failed:
        raise SystemExit(FAILED)


def _tested(file: Path) -> tuple[CaseFile, tuple[Difference, ...]]:
    cases = load_cases(file)
    decisions = select(cases.images, load(cases.policies), cases.in_use, cases.now)
    return cases, compare(cases, decisions)


def _tell(cases: CaseFile, differences: Sequence[Difference]) -> None:
    sign = "FAILED" if differences else "ok"
    tell(f"{cases.file}: {len(cases.expectations) - len(differences)} of {len(cases.expectations)} {sign}")
    for difference in differences:
        tell(f"  {difference}")


def _require_replaceable(path: Path) -> None:
    """Raise UsageError where the results could not be written, or in the place of anything but results."""
    why = obstacle(path, appended=True)
    try:
        if not why and (found := kind_of(path)) not in (FileKind.EMPTY, FileKind.RESULTS):
            why = f"{found} lies there"
    except FileNotFoundError:
        return
    except OSError as error:
        why = error.strerror
    if why:
        raise UsageError(f"cannot write {path}: {why}; choose another place with --junit")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}; choose another place with --junit"
        ) from error
