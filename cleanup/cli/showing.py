"""`--format` and `-o`: how and where a command shows its result; the same for every command that has one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cleanup.cli.output import emit, log, terminal
from cleanup.cli.parsing import Option
from cleanup.errors import UsageError
from cleanup.files import obstacle, replacing
from cleanup.kinds import FileKind, kind_of
from cleanup.reports import Format, render
from cleanup.reports.view import Report

_ENDINGS: Final = {
    ".txt": Format.TABLE,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".md": Format.MARKDOWN,
    ".html": Format.HTML,
}
_STDOUT: Final = frozenset({Path("-"), Path("/dev/stdout")})
_REPORTS: Final = frozenset({FileKind.EMPTY, FileKind.REPORT, FileKind.PAGE, FileKind.SPREADSHEET})


@dataclass(frozen=True)
class Destination:
    """Where a result goes: to a file, which exists when it is whole, or (None) to stdout."""

    format: Format = Format.TABLE
    path: Path | None = None

    def show(self, reports: Sequence[Report], *, many: bool = False, short: bool = False) -> None:
        """Show the reports as one document. Raises UsageError where it cannot be written."""
        if self.path is None:
            emit(render(reports, self.format, many=many, short=short, **terminal()))
            return
        self._write(self.path, render(reports, self.format, many=many))
        log().info(f"report written to {self.path}")

    def _write(self, path: Path, pieces: Iterator[str]) -> None:
        try:
            with replacing(path, lambda: _require_replaceable(path, self.format)) as file:
                for piece in pieces:
                    file.write(piece.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise _refusal(path, error.strerror or str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Showing:
    """How and where the result is shown."""

    format: Annotated[
        Format | None,
        Option(help="How to show it; by the ending of -o when left out, else as a table.", panel="Result"),
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
        if self.output.is_dir():
            raise _refusal(self.output, "it is a folder")
        format = self.format or _by_ending(self.output)
        _require_replaceable(self.output, format)
        return Destination(format, self.output)


def _by_ending(path: Path) -> Format:
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"-o {path}: no format has the ending '{path.suffix}': name the file with one of "
            f"{', '.join(_ENDINGS)}, or say the format with --format"
        )
    return found


def _require_replaceable(path: Path, format: Format) -> None:
    """Raise UsageError where no report can be written, or where something else than a report lies.

    A table is plain text: of all that nothing else is known of one may be replaced.
    """
    why = obstacle(path)
    try:
        if not why and (found := kind_of(path)) not in _REPORTS:
            why = None if format is Format.TABLE and found is FileKind.OTHER else f"{found} lies there"
    except FileNotFoundError:
        return
    except OSError as error:
        why = f"what lies there cannot be read ({error.strerror})"
    if why:
        raise _refusal(path, why)


def _refusal(path: Path, why: str) -> UsageError:
    return UsageError(f"cannot write the report {path}: {why}; choose another place with -o")
