"""What people see: logs on stderr (plain or JSON), results on stdout."""

import io
import json
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from enum import IntEnum, StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO, cast

import cleanup
from cleanup.errors import CleanupError, PolicyError, UsageError

_PIPE = 160  # columns: sentences are broken far earlier


class Talk:
    """The stream that `find` gives at the moment, for what is told while something is done.

    A reader or a terminal that went away, or a full disk, ends no run: the journal is the record, this is talk.
    """

    def __init__(self, find: Callable[[], TextIO]) -> None:
        self._find = find

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._find().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._find().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


STDERR = cast(TextIO, Talk(lambda: sys.stderr))  # a live progress bar puts itself in its place


def bare_stderr() -> TextIO:
    """What stderr is now, for a progress bar to draw on: `STDERR` would lead back to the bar."""
    stream = sys.stderr
    return cast(TextIO, Talk(lambda: stream))


class LogFormat(StrEnum):
    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"


def asked_for(words: list[str]) -> LogFormat | None:
    """What --log-format says last, anywhere, before the command line is parsed: its errors look so, too."""
    found = None
    for word, following in pairwise([*words, ""]):
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name == "--log-format" and (value or following) in list(LogFormat):
            found = LogFormat(value or following)
    return found


class Verbosity(IntEnum):
    """How much is told: messages of this level and above, as `logging` numbers them."""

    VERBOSE = 10  # --verbose: what is read, each request
    NORMAL = 20
    QUIET = 30  # --quiet: warnings and errors, no progress


_format: ContextVar[LogFormat | None] = ContextVar("log_format", default=None)
_verbosity = ContextVar("verbosity", default=Verbosity.NORMAL)


def open_missing_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr something in their places.

    Else the next file or connection would get their numbers, and what is printed would land in it. What is
    written to stderr then goes nowhere; writing a result fails, as it does for a full disk.
    """
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, flags)  # the lowest that is free: the stream's own
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123


def set_up_logs(wanted: LogFormat | None) -> None:
    """Logs for people go to stderr: plain on a terminal, JSON otherwise, unless the command line says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _format.set(wanted)
    _verbosity.set(Verbosity.NORMAL)


def configure_logs(wanted: LogFormat) -> None:
    """From now on logs look so, where the command line says nothing."""
    if _format.get() is None:
        _format.set(wanted)


def tell_only(least: Verbosity) -> None:
    """From now on tell messages of that level and above: the last word on the command line counts."""
    _verbosity.set(least)


def log() -> Any:
    """The logger for people."""
    return _logger(is_plain(), _verbosity.get())


def forget_full_stderr() -> None:
    """Let what stderr could not take go nowhere, so that Python does not end with a code of its own."""
    try:
        sys.stderr.flush()
    except OSError:
        with suppress(OSError):  # no file of the system's
            _forget(sys.stderr)


def is_quiet() -> bool:
    """Whether only warnings and errors are wanted, so that nothing is drawn either."""
    return _verbosity.get() is Verbosity.QUIET


def tracer() -> Callable[..., None] | None:
    """What tells more than most want to know, None where nobody asked for it (--verbose)."""
    if _verbosity.get() is not Verbosity.VERBOSE:
        return None

    def trace(text: str, **details: object) -> None:
        log().debug(text, **{name: value for name, value in details.items() if value is not None})

    return trace


def is_json_wanted() -> bool:
    """Whether JSON was asked for by name, so that what is wrong is read by a program on stderr."""
    return _format.get() is LogFormat.JSON


def is_plain() -> bool:
    """Whether logs are text for people, not JSON."""
    wanted = _format.get()
    return wanted is LogFormat.PLAIN or (wanted is not LogFormat.JSON and sys.stderr.isatty())


@cache
def _logger(plain: bool, least: Verbosity) -> Any:
    structlog = _structlog()
    return structlog.wrap_logger(
        structlog.PrintLogger(STDERR),
        wrapper_class=structlog.make_filtering_bound_logger(least),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(
                [_plain]
                if plain
                else [_in_order, structlog.processors.JSONRenderer(ensure_ascii=False), _escaped]
            ),
        ],
    )


def _structlog() -> Any:
    """structlog, and not rich with it: that is for tracebacks in colour, and twice as much as all the rest of it.

    It costs a twentieth of a second without, and much of what commands do says nothing.
    """
    absent = "rich" not in sys.modules
    if absent:
        sys.modules["rich"] = None  # type: ignore[assignment]  # as for a library that is not there
    try:
        import structlog
    finally:
        if absent:
            del sys.modules["rich"]
    return structlog


def _escaped(_: Any, __: str, line: str) -> str:
    """JSON without what has an effect on a terminal or cannot be written in its encoding: as JSON escapes."""
    try:
        line.encode(sys.stderr.encoding or "utf-8")
        ascii_only = False
    except UnicodeEncodeError:
        ascii_only = True
    return "".join(
        char if char.isprintable() and (char.isascii() or not ascii_only) else json.dumps(char)[1:-1]
        for char in line
    )


def _in_order(_: Any, __: str, event: Any) -> Any:
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | event


def _plain(_: Any, __: str, event: Any) -> str:
    """One line without control characters, folded where a terminal would; then the traceback of a bug."""
    from cleanup.reports.formatting import plain  # it costs as much, and only people need it

    level, text, trace = event.pop("level"), event.pop("event"), event.pop("traceback", "")
    event.pop("timestamp")
    details = "".join(f"  {key}={value}" for key, value in event.items())
    line = plain(f"{'' if level == 'info' else level + ': '}{text}{details}")
    return "\n".join([_folded(line, sys.stderr), *map(plain, trace.splitlines())])


def _folded(line: str, stream: TextIO) -> str:
    """The line, on a terminal broken at its width between words; in pipes it stays whole."""
    if not stream.isatty():
        return line
    return textwrap.fill(
        line,
        _columns(stream),
        subsequent_indent="  ",
        replace_whitespace=False,
        break_long_words=False,  # paths and command lines are copied
        break_on_hyphens=False,
    )


def complain(error: CleanupError, **about: object) -> None:
    """Say what went wrong; a set of problems gets a line each."""
    if isinstance(error, PolicyError):
        for problem in error.problems:
            log().error(str(problem), **about, exit_code=error.exit_code)
    else:
        log().error(str(error), **about, exit_code=error.exit_code)


def report_bug(error: BaseException, **about: object) -> None:
    """Say what to report: the kind of error, its place and our version; the traceback goes with it."""
    log().error(
        f"{bug_line(error)}; please report this line",
        **about,
        exit_code=1,
        traceback="".join(traceback.format_exception(error)),
    )


def bug_line(error: BaseException) -> str:
    """A bug in one line: the kind of error, where in our code, and the version."""
    ours = Path(cleanup.__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(ours)] or frames
    place = ""
    if inside:
        file = Path(inside[-1].filename)
        shown = file.relative_to(ours.parent) if file.is_relative_to(ours) else file.name
        place = f" at {shown}:{inside[-1].lineno}"
    return f"this is a bug in image-cleanup {cleanup.__version__}: {type(error).__name__}{place}"


def _columns(stream: TextIO) -> int:
    """The width of the terminal, 80 where it has none to tell; COLUMNS says otherwise."""
    return _told_columns() or _size(stream).columns or 80


def _told_columns() -> int | None:
    wanted = os.environ.get("COLUMNS", "")
    return int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) else None


def _size(stream: TextIO) -> os.terminal_size:
    """Of the terminal, zeros where it has none to tell."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno())
    return os.terminal_size((0, 0))


def terminal() -> dict[str, Any]:
    """How wide a table may be, whether it may have colours, and how many lines the screen has.

    In a pipe it is plain, and as wide as COLUMNS says or the terminal that is behind (`| less`), where there is
    none wide enough for whole names.
    """
    if not sys.stdout.isatty():
        return {"width": _told_columns() or _size(sys.stderr).columns or _PIPE, "color": False}
    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return {"width": _columns(sys.stdout), "color": color, "height": _size(sys.stdout).lines or 24}


def emit(pieces: Iterable[str]) -> None:
    """Write a result to stdout, piece by piece; a reader that went away (`| head`) is no error."""
    try:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget(sys.stdout)
    except KeyboardInterrupt:  # a reader that does not read: Python would wait for it at its end
        _forget(sys.stdout)
        raise
    except OSError as error:
        _forget(sys.stdout)
        raise UsageError(f"cannot write to stdout: {error.strerror}") from error


def _forget(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, so that Python does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Write one document to stdout as it is, with a newline at its end."""
    emit((text, "" if text.endswith("\n") else "\n"))


def tell(line: str) -> None:
    """Write a line for people to stdout: file names and words in it have no effect on a terminal."""
    from cleanup.reports.formatting import plain

    say(_folded(plain(line), sys.stdout))
