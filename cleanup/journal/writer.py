"""Writing a journal: one JSON line an event through structlog, the intents durable before they are acted on."""

import errno
import fcntl
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
from cleanup.journal.records import DeleteIntent, DeleteResult, RunFinished, RunStarted
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
        self,
        path: Path,
        run_id: str,
        target: str,
        now: Callable[[], datetime],
        *,
        finish_with: str = "",
        read_size: int | None = None,
    ) -> None:
        """Open `path`, new or to be appended to, for this process alone; a torn last line is cut off and noted.

        `finish_with` is the command that goes on where a full disk ended the run, `resume` when
        left out. `read_size` is how long the journal was, in bytes, when it was read: who acts on
        what it said must not find it grown. Raises UsageError when it cannot be opened.
        """
        self.path = path
        self._finish_with = finish_with or f"image-cleanup resume {path}"
        self._sync = anyio.Lock()
        self._written = self._durable = 0
        self._broken: JournalWriteError | None = None
        torn = self._open(read_size)
        self._log = structlog.wrap_logger(
            self,
            processors=[_stamp(now), _in_order, structlog.processors.JSONRenderer(_encode)],
            wrapper_class=structlog.BoundLoggerBase,
            run_id=run_id,
            target=target,
        )
        if torn:
            self.event("warning", "journal.repaired", torn_line=torn.decode("utf-8", "replace"))

    def _open(self, read_size: int | None) -> bytes:
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise self._refused(error.strerror or "it cannot be opened") from error
        try:
            return self._take_over(read_size)
        except OSError as error:
            self._file.close()
            busy = isinstance(error, BlockingIOError)
            why = "another process is writing to it" if busy else error.strerror
            raise self._refused(why or "it cannot be written") from error
        except UsageError:
            self._file.close()
            raise

    def _refused(self, why: str) -> UsageError:
        return UsageError(f"cannot write the journal {self.path}: {why}; choose another place with --journal")

    def _take_over(self, read_size: int | None) -> bytes:
        """Lock the file and leave whole lines in it; the torn rest is returned."""
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not self.path.is_file():
            return b""
        content = self.path.read_bytes()
        if read_size is not None and len(content) != read_size:
            raise UsageError(f"another process wrote to {self.path} meanwhile: run the same command again")
        whole, torn = whole_part(content)
        self._file.truncate(whole)
        if whole and content[whole - 1 : whole] != b"\n":
            self._file.write(b"\n")
        return torn

    def msg(self, line: bytes) -> None:
        """What structlog hands a rendered line to. After a failure nothing more is written: a line that
        broke off must stay the last."""
        if self._broken:
            raise self._broken
        try:
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._broken = JournalWriteError(
                f"cannot write the journal {self.path}: {error.strerror}; "
                f"make room, then finish with: {self._finish_with}"
            )
            raise self._broken from error
        self._written += 1

    debug = info = warning = error = msg

    def event(self, level: str, event: str, **fields: Any) -> None:
        """Write one line about anything; `level` is info, warning or error."""
        self._log._proxy_to_logger(level, event, level=level, **fields)

    def started(self, started: RunStarted) -> None:
        fields = msgspec.structs.asdict(started)
        del fields["run_id"], fields["target"], fields["timestamp"]
        self.event("info", "run.started", **fields)

    async def intent(self, intent: DeleteIntent) -> None:
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

    def result(self, result: DeleteResult) -> None:
        fields = msgspec.structs.asdict(result)
        del fields["run_id"], fields["timestamp"]
        level = (
            "error" if result.outcome in BAD else "warning" if result.outcome is Outcome.DRIFTED else "info"
        )
        self.event(level, "delete.result", **fields)

    def finished(self, finished: RunFinished) -> None:
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
