"""`--format` and `-o`: how and where a command shows its result; the same for every command that has one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from cleanup.cli.output import emit, log, terminal
from cleanup.cli.parsing import EnumChoice, Option
from cleanup.errors import UsageError
from cleanup.files import obstacle, replacing
from cleanup.kinds import FileKind, kind_of
from cleanup.reports import FORMATS, Format, render
from cleanup.reports.view import Report

_ENDINGS: Final = {
    ".txt": Format.TABLE,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".md": Format.MARKDOWN,
    ".html": Format.HTML,
    ".xml": Format.JUNIT,
}
_STDOUT: Final = frozenset({Path("-"), Path("/dev/stdout")})
_REPORTS: Final = frozenset({FileKind.EMPTY, FileKind.REPORT, FileKind.PAGE, FileKind.SPREADSHEET})
_RESULTS: Final = frozenset({FileKind.EMPTY, FileKind.RESULTS})


@dataclass(frozen=True)
class Destination:
    """Where a result goes: to a file, which exists when it is whole, or (None) to stdout; `option` names it."""

    format: Format = Format.TABLE
    path: Path | None = None
    option: str = "-o"

    @classmethod
    def of(cls, path: Path, format: Format, option: str = "-o") -> Self:
        """Raises UsageError where the file could not be written, or in the place of anything but a report."""
        found = cls(format, path, option)
        found._require_replaceable(path)
        return found

    def show(self, reports: Sequence[Report], *, many: bool = False, short: bool = False) -> None:
        """Show the reports as one document. Raises UsageError where it cannot be written."""
        if self.path is None:
            emit(render(reports, self.format, many=many, short=short, **terminal()))
            return
        self._write(self.path, render(reports, self.format, many=many))
        log().info(f"report written to {self.path}")

    def _write(self, path: Path, pieces: Iterator[str]) -> None:
        # What a CI server reads, under whatever account, tells nothing of a project.
        is_private = self.format is not Format.JUNIT
        try:
            with replacing(path, lambda: self._require_replaceable(path), private=is_private) as file:
                for piece in pieces:
                    file.write(piece.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise _refusal(path, error.strerror or str(error), self.option) from error

    def _require_replaceable(self, path: Path) -> None:
        """Raise UsageError where no report can be written, or where something else than a report lies.

        Results of tests replace only such results. A table is plain text: of all that nothing else is known of
        one may be replaced.
        """
        replaceable = _RESULTS if self.format is Format.JUNIT else _REPORTS
        why = obstacle(path)
        try:
            if not why and (found := kind_of(path)) not in replaceable:
                is_text = self.format is Format.TABLE and found is FileKind.OTHER
                why = None if is_text else f"{found} lies there"
        except FileNotFoundError:
            return
        except OSError as error:
            why = f"what lies there cannot be read ({error.strerror})"
        if why:
            raise _refusal(path, why, self.option)


@dataclass(frozen=True, kw_only=True)
class Showing:
    """How and where the result is shown."""

    formats: ClassVar = FORMATS
    format: Annotated[
        Format | None,
        Option(
            type=EnumChoice(FORMATS),
            help="How to show it; by the ending of -o when left out, else as a table.",
            panel="Result",
        ),
    ] = None
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="Write it to this file instead of stdout; an older report there is replaced.",
            metavar="FILE",
            panel="Result",
        ),
    ] = None

    @property
    def asked(self) -> bool:
        """Whether anything was said about it: some commands show their result only then."""
        return self.format is not None or self.output is not None

    def destination(self) -> Destination:
        """Where the result will go, to be asked for before there is one.

        Raises UsageError where it could not be written, or in the place of anything but a report.
        """
        if self.output is None or self.output in _STDOUT:
            return Destination(self.format or Format.TABLE)
        if why := obstacle(self.output):  # before its ending is asked for: a folder has none
            raise _refusal(self.output, why, "-o")
        return Destination.of(self.output, self.format or self._by_ending(self.output))

    def _by_ending(self, path: Path) -> Format:
        endings = {ending: format for ending, format in _ENDINGS.items() if format in self.formats}
        found = endings.get(path.suffix.lower())
        if found is None:
            raise UsageError(
                f"-o {path}: no format has the ending '{path.suffix}': name the file with one of "
                f"{', '.join(endings)}, or say the format with --format"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class CasesShowing(Showing):
    """How and where results of policy tests are shown: in any format, and as JUnit, which ends in .xml."""

    formats: ClassVar = tuple(Format)
    format: Annotated[
        Format | None,
        Option(help="How to show them; by the ending of -o when left out, else as a table.", panel="Result"),
    ] = None


def _refusal(path: Path, why: str, option: str) -> UsageError:
    return UsageError(f"cannot write the report {path}: {why}; choose another place with {option}")
