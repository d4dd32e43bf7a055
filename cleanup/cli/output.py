"""What people see: logs on stderr (plain or JSON), results on stdout."""

import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Any, TextIO, cast

import structlog

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


def set_up_logs(wanted: LogFormat) -> LogFormat:
    """Logs for people go to stderr: plain on a terminal, JSON otherwise, unless told."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    plain = wanted is LogFormat.PLAIN or (wanted is LogFormat.AUTO and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_plain] if plain else [_in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=False,
    )
    return wanted


def _in_order(_: Any, __: str, event: Any) -> Any:
    return {key: event.pop(key) for key in ("timestamp", "level", "event")} | event


def _plain(_: Any, __: str, event: Any) -> str:
    level, text = event.pop("level"), event.pop("event")
    event.pop("timestamp")
    details = "".join(f"  {key}={value}" for key, value in event.items())
    return f"{'' if level == 'info' else level + ': '}{text}{details}"


def log() -> Any:
    """The logger for people."""
    return structlog.get_logger()


def complain(error: CleanupError) -> None:
    """Say what went wrong; a set of problems gets a line each."""
    if isinstance(error, PolicyError):
        for problem in error.problems:
            log().error(str(problem), exit_code=error.exit_code)
    else:
        log().error(str(error), exit_code=error.exit_code)


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
