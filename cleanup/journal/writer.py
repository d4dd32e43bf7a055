"""Writing a journal: one JSON line an event through structlog, the intents durable before they are acted on."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, MutableMapping
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import structlog

from cleanup.errors import JournalWriteError, UsageError
from cleanup.files import ELSEWHERE, PRIVATE, obstacle, sync_folder
from cleanup.journal.reader import whole_part
from cleanup.journal.records import JournalRepaired, Level, Line


def require_writable(path: Path, elsewhere: str = ELSEWHERE) -> None:
    """Raise UsageError now, before any request, where a journal could not be written later.

    `elsewhere` is what to do then, for people.
    """
    if why := obstacle(path, appended=True):
        raise UsageError(f"cannot write the journal {path}: {why}; {elsewhere}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, PRIVATE)


class LineLogger:
    """The logger that structlog hands rendered lines to, as `structlog.BytesLogger` is for a buffered file.

    A line that broke off must stay the last: after a failure nothing more is written. `size` is how many
    bytes the file must have.
    """

    def __init__(self, file: FileIO, failed: Callable[[OSError], JournalWriteError]) -> None:
        self._file = file
        self._failed = failed
        self.broken: JournalWriteError | None = None
        self.written = 0
        self.size = os.fstat(file.fileno()).st_size

    def msg(self, line: bytes) -> None:
        """Append one line. Raises JournalWriteError when the disk refuses."""
        if self.broken:
            raise self.broken
        try:
            rest = memoryview(line + b"\n")
            while rest:
                done = self._file.write(rest)
                self.size += done
                rest = rest[done:]
        except OSError as error:
            self.broken = self._failed(error)
            raise self.broken from error
        self.written += 1

    debug = info = warning = error = msg


class Journal:
    """One run's writer. Every method that writes raises JournalWriteError when the disk refuses.

    Written lines reach the file at once; `write_ahead` also waits until they are durable. Waiting
    workers share one fsync, so durability costs one disk round trip, not one an image. Each time the file
    is looked at too: what was removed, replaced or cut short holds no intent, however well it was written.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        target: str,
        now: Callable[[], datetime],
        *,
        elsewhere: str = ELSEWHERE,
        finish_with: str = "",
        read_size: int | None = None,
    ) -> None:
        """Open `path`, new or to be appended to, for this process alone; a torn last line is cut off and noted.

        `elsewhere` is what to do where it cannot be opened, for people. `finish_with` is the command that
        goes on where a full disk ended the run, `resume` when left out. `read_size` is how long the
        journal was, in bytes, when it was read: who acts on what it said must not find it grown. Raises
        UsageError when it cannot be opened.
        """
        self.path = path
        self._elsewhere = elsewhere
        self._finish_with = finish_with or f"image-cleanup resume {path}"
        self._sync = anyio.Lock()
        self._durable = 0
        torn = self._open(read_size)
        self._lines = LineLogger(self._file, self._failed)
        log = structlog.wrap_logger(
            self._lines,
            processors=[_stamped(now), _rendered],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        ).bind(run_id=run_id, target=target)
        self._log = {Level.INFO: log.info, Level.WARNING: log.warning, Level.ERROR: log.error}
        if torn:
            self.write(JournalRepaired(torn_line=torn.decode("utf-8", "replace")))

    def _open(self, read_size: int | None) -> bytes:
        """Lock the file and leave whole lines in it; the torn rest is returned."""
        require_writable(self.path, self._elsewhere)
        try:
            self._file = FileIO(self.path, "ab", opener=_private)
        except OSError as error:
            raise self._refused(f"{error.strerror}; {self._elsewhere}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_folder(self.path.parent)  # it may be new
            return self._repair(read_size)
        except OSError as error:
            self._file.close()
            if isinstance(error, BlockingIOError):
                raise self._refused("another process is writing to it; wait until that has ended") from error
            raise self._refused(f"{error.strerror}; {self._elsewhere}") from error
        except UsageError:
            self._file.close()
            raise

    def _repair(self, read_size: int | None) -> bytes:
        content = self.path.read_bytes()
        if read_size is not None and len(content) != read_size:
            raise UsageError(f"another process wrote to {self.path} meanwhile: run the same command again")
        whole, torn = whole_part(content)
        self._file.truncate(whole)
        if whole and content[whole - 1 : whole] != b"\n":
            self._file.write(b"\n")
        return torn

    def _refused(self, why: str) -> UsageError:
        return UsageError(f"cannot write the journal {self.path}: {why}")

    def _failed(self, error: OSError) -> JournalWriteError:
        return JournalWriteError(
            f"cannot write the journal {self.path}: {error.strerror}; "
            f"make room, then finish with: {self._finish_with}"
        )

    def write(self, line: Line) -> None:
        """Write one line; its level decides how loud it is."""
        self._log[line.level](line)

    async def write_ahead(self, line: Line) -> None:
        """Write down what is about to be asked of the service, and return once it is on disk."""
        self.write(line)
        mine = self._lines.written
        async with self._sync:
            if self._durable >= mine:
                return
            upto = self._lines.written
            await anyio.to_thread.run_sync(self.flush)
            self._watch()
            self._durable = upto

    def flush(self) -> None:
        """Wait until everything written is on disk (pipes and devices have no disk to wait for)."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise self._failed(error) from error

    def _watch(self) -> None:
        """Raise JournalWriteError, now and from now on, where somebody else touched the file."""
        if self._lines.broken is None and (done := self._done_to_it()):
            self._lines.broken = JournalWriteError(
                f"the journal {self.path} was {done} while it was written: nothing more is asked of the "
                "service; see who touched it, then plan again"
            )
        if self._lines.broken:
            raise self._lines.broken

    def _done_to_it(self) -> str | None:
        """What somebody did to the file, None where it is as it was written."""
        mine = os.fstat(self._file.fileno())
        if not stat.S_ISREG(mine.st_mode):
            return None
        try:
            there = self.path.stat()
        except OSError:
            return "removed"
        if not os.path.samestat(mine, there):
            return "replaced"
        if mine.st_size != self._lines.size:
            return "cut short" if mine.st_size < self._lines.size else "written to by somebody else"
        return None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
            if self._lines.broken is None:
                self._watch()
        finally:
            self._file.close()


def _stamped(now: Callable[[], datetime]) -> structlog.typing.Processor:
    """The processor that fills in what every line has."""

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["event"] = msgspec.structs.replace(
            event["event"], timestamp=now(), run_id=event["run_id"], target=event["target"]
        )
        return event

    return stamp


_encode = msgspec.json.Encoder().encode


def _rendered(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    """The renderer: the typed line as JSON."""
    return _encode(event["event"])
