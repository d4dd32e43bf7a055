"""What people see: logs on stderr (plain or JSON), results on stdout."""

import io
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Any, TextIO, cast

from cleanup.errors import CleanupError, PolicyError, UsageError


class _Stderr:
    """Whatever stderr is at the moment: a live progress bar puts itself in between.

    A reader that went away or a full disk ends no run: the journal is the record, this is talk.
    """

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


class LogFormat(StrEnum):
    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"


def asked_for(words: list[str]) -> LogFormat:
    """What --log-format says, before the command line is parsed: its errors shall look so, too."""
    for word, following in pairwise([*words, ""]):
        name, _, value = word.partition("=")
        if name == "--log-format" and (value or following) in list(LogFormat):
            return LogFormat(value or following)
    return LogFormat.AUTO


_format = ContextVar("log_format", default=LogFormat.AUTO)


def set_up_logs(wanted: LogFormat) -> None:
    """Logs for people go to stderr: plain on a terminal, JSON otherwise, unless told."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _format.set(wanted)


def log() -> Any:
    """The logger for people."""
    wanted = _format.get()
    return _logger(wanted is LogFormat.PLAIN or (wanted is LogFormat.AUTO and sys.stderr.isatty()))


@cache
def _logger(plain: bool) -> Any:
    import structlog  # it costs a tenth of a second, and much of what commands do says nothing

    return structlog.wrap_logger(
        structlog.PrintLogger(cast(TextIO, _Stderr())),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_plain] if plain else [_in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]),
        ],
    )


def _in_order(_: Any, __: str, event: Any) -> Any:
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | event


def _plain(_: Any, __: str, event: Any) -> str:
    level, text = event.pop("level"), event.pop("event")
    event.pop("timestamp")
    details = "".join(f"  {key}={value}" for key, value in event.items())
    return f"{'' if level == 'info' else level + ': '}{text}{details}"


def complain(error: CleanupError) -> None:
    """Say what went wrong; a set of problems gets a line each."""
    if isinstance(error, PolicyError):
        for problem in error.problems:
            log().error(str(problem), exit_code=error.exit_code)
    else:
        log().error(str(error), exit_code=error.exit_code)


def terminal() -> dict[str, Any]:
    """How wide a table may be and whether it may have colours: as the terminal, or 100 plain columns."""
    if not sys.stdout.isatty():
        return {"width": 100, "color": False}
    return {"width": shutil.get_terminal_size().columns, "color": "NO_COLOR" not in os.environ}


def emit(pieces: Iterable[str]) -> None:
    """Write a result to stdout, piece by piece; a reader that went away (`| head`) is no error."""
    try:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    except OSError as error:
        _forget_stdout()
        raise UsageError(f"cannot write to stdout: {error.strerror}") from error


def _forget_stdout() -> None:
    """Let what is still buffered go nowhere, so that Python does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Write one text to stdout, with a newline at its end."""
    emit((text, "" if text.endswith("\n") else "\n"))
