"""Writing a journal: one JSON line an event through structlog, the intents durable before they are acted on."""

import errno
import os
from collections.abc import Callable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import structlog

from cleanup.errors import JournalWriteError, UsageError
from cleanup.journal.reader import whole_part
from cleanup.journal.records import Finished, Intent, Result, Started
from cleanup.outcome import BAD, Outcome

_ENVELOPE = ("timestamp", "level", "event", "run_id", "target")


def require_writable(path: Path) -> None:
    """Raise UsageError now, before any request, where a journal could not be written later."""
    place = path if path.exists() else path.absolute().parent
    if path.is_dir() or not os.access(place, os.W_OK):
        raise UsageError(f"cannot write the journal {path}: choose another place with --journal")


class Journal:
    """One run's writer. Every method that writes raises JournalWriteError when the disk refuses.

    Written lines reach the file at once; `intent` also waits until they are durable. Waiting
    workers share one fsync, so durability costs one disk round trip, not one an image.
    """

    def __init__(
        self, path: Path, run_id: str, target: str, now: Callable[[], datetime], finish_with: str = ""
    ) -> None:
        """Open `path`, new or to be appended to; a torn last line is cut off and noted.

        `finish_with` is the command that goes on where a full disk ended the run, `resume` when
        left out. Raises UsageError when the journal cannot be opened.
        """
        self.path = path
        self._finish_with = finish_with or f"image-cleanup resume {path}"
        self._sync = anyio.Lock()
        self._written = self._durable = 0
        torn = self._open()
        self._log = structlog.wrap_logger(
            self,
            processors=[_stamp(now), _in_order, structlog.processors.JSONRenderer(_encode)],
            wrapper_class=structlog.BoundLoggerBase,
            run_id=run_id,
            target=target,
        )
        if torn:
            self.event("warning", "journal.repaired", torn_line=torn.decode("utf-8", "replace"))

    def _open(self) -> bytes:
        torn, ended = b"", True
        try:
            if self.path.is_file():
                whole, torn = whole_part(content := self.path.read_bytes())
                ended = whole == 0 or content[whole - 1 : whole] == b"\n"
                os.truncate(self.path, whole)
            self._file = self.path.open("ab", buffering=0)
            if not ended:
                self._file.write(b"\n")
        except OSError as error:
            raise UsageError(
                f"cannot write the journal {self.path}: {error.strerror}; choose another place with --journal"
            ) from error
        return torn

    def msg(self, line: bytes) -> None:
        """What structlog hands a rendered line to."""
        try:
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise JournalWriteError(
                f"cannot write the journal {self.path}: {error.strerror}; "
                f"make room, then finish with: {self._finish_with}"
            ) from error
        self._written += 1

    debug = info = warning = error = msg

    def event(self, level: str, event: str, **fields: Any) -> None:
        """Write one line about anything; `level` is info, warning or error."""
        self._log._proxy_to_logger(level, event, level=level, **fields)

    def started(self, started: Started) -> None:
        fields = msgspec.structs.asdict(started)
        del fields["run_id"], fields["target"], fields["timestamp"]
        self.event("info", "run.started", **fields)

    async def intent(self, intent: Intent) -> None:
        """Write down what is about to be asked of the service, and return once it is on disk."""
        self.event(
            "info",
            "delete.intent",
            image_id=intent.image_id,
            rule=intent.rule,
            force=intent.force,
            image=intent.image,
        )
        await self.durable()

    def result(self, result: Result) -> None:
        fields = msgspec.structs.asdict(result)
        del fields["run_id"], fields["timestamp"]
        level = (
            "error" if result.outcome in BAD else "warning" if result.outcome is Outcome.DRIFTED else "info"
        )
        self.event(level, "delete.result", **fields)

    def note(self, event: str, **fields: Any) -> None:
        """Anything else worth keeping: why a run stopped, what was found on the way."""
        self.event("warning", event, **fields)

    def finished(self, finished: Finished) -> None:
        fields = msgspec.structs.asdict(finished)
        counts = {outcome.value: count for outcome, count in fields.pop("counts").items()}
        self.event("info" if finished.exit_code == 0 else "error", "run.finished", **counts, **fields)

    async def durable(self) -> None:
        """Return once everything written so far is on disk."""
        mine = self._written
        async with self._sync:
            if self._durable >= mine:
                return
            upto = self._written
            await anyio.to_thread.run_sync(self.flush)
            self._durable = upto

    def flush(self) -> None:
        """Wait until everything written is on disk (pipes and devices have no disk to wait for)."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise JournalWriteError(f"cannot write the journal {self.path}: {error.strerror}") from error

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            self._file.close()


def _stamp(now: Callable[[], datetime]) -> structlog.typing.Processor:
    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["timestamp"] = now()
        return event

    return stamp


def _in_order(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The five fields that every line has come first, so that people can read the file too."""
    return {key: event.pop(key) for key in _ENVELOPE} | dict(event)


def _encode(event: Any, **_: Any) -> Any:
    return msgspec.json.encode(event)
