"""Writing a journal: one JSON line an event, the intents durable before they are acted on."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Self

import msgspec

from cleanup.config.job import Job
from cleanup.errors import JournalWriteError, UsageError
from cleanup.files import ELSEWHERE, PRIVATE, obstacle, sync_folder
from cleanup.journal.reader import whole_part
from cleanup.journal.records import JournalRepaired, Line


def require_writable(path: Path, elsewhere: str = ELSEWHERE) -> None:
    """Raise UsageError now, before any request, where a journal could not be written later.

    `elsewhere` is what to do then, for people.
    """
    if why := obstacle(path, appended=True):
        raise UsageError(f"cannot write the journal {path}: {why}; {elsewhere}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, PRIVATE)


_encode = msgspec.json.Encoder().encode


class Journal:
    """One run's writer. Every method that writes raises JournalWriteError when the disk refuses.

    Written lines reach the file at once, those of `write_behind` all together before the event loop waits
    again; `write_ahead` also waits until they are durable. Waiting workers share one write and one fsync
    (group commit), so durability costs one disk round trip, not one an image.
    Each time the file is looked at too: what was removed, replaced, cut short or written over holds no
    intent, however well it was written. A line that broke off must stay the last, and after an fsync that
    failed nobody knows what is on disk: after any failure nothing more is written.
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
        from cleanup.journal.group_commit import GroupCommit  # asyncio: readers of journals need none

        self.path = path
        self._elsewhere = elsewhere
        self._finish_with = finish_with or f"image-cleanup resume {path}"
        self._own = {"run_id": run_id, "target": target}
        self._now = now
        self._broken: JournalWriteError | None = None
        self._commit = GroupCommit(self._write, self.flush, self._watch)
        self._behind: list[bytes] = []  # lines that are to be written before the loop waits again
        self._last = b""  # the line that was written last
        self._seen = (0, b"")  # where a line stands that was there at the last look, and which
        torn = self._open(read_size)
        self._size = os.fstat(self._file.fileno()).st_size  # bytes that the file must have
        if torn:
            self.write(JournalRepaired(torn_line=torn.decode("utf-8", "replace")))

    @classmethod
    def of(cls, job: Job, *, finish_with: str = "", read_size: int | None = None) -> Self:
        """The journal that a job writes."""
        return cls(
            job.journal,
            job.run_id,
            job.target.name,
            job.runtime.now,
            elsewhere=job.elsewhere,
            finish_with=finish_with,
            read_size=read_size,
        )

    def _open(self, read_size: int | None) -> bytes:
        """Lock the file and leave whole lines in it; the torn rest is returned."""
        require_writable(self.path, self._elsewhere)
        try:
            self._file = FileIO(self.path, "ab+", opener=_private)
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
        """Write one line; its time, run and target are filled in."""
        self._write([self._spelled(line)])

    def write_behind(self, line: Line) -> None:
        """Have one line written in a moment, together with others; a failure is told to whoever writes next."""
        if self._broken:
            raise self._broken
        if not self._behind:
            self._commit.soon(self._catch_up_quietly)
        self._behind.append(self._spelled(line))

    def catch_up(self) -> None:
        """Write what is still to be written."""
        self._write(())

    def _catch_up_quietly(self) -> None:
        with suppress(JournalWriteError):
            self.catch_up()

    async def write_ahead(self, line: Line) -> None:
        """Write down what is about to be asked of the service, and return once it is on disk."""
        if self._broken:
            raise self._broken
        await self._commit.append(self._spelled(line))

    def _spelled(self, line: Line) -> bytes:
        return _encode(msgspec.structs.replace(line, timestamp=self._now(), **self._own)) + b"\n"

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._broken:
            raise self._broken
        lines, self._behind = [*self._behind, *lines], []
        rest = b"".join(lines)
        try:
            while rest:
                done = self._file.write(rest)
                self._size += done
                rest = rest[done:]
        except OSError as error:
            self._broken = self._failed(error)
            raise self._broken from error
        if lines:
            self._last = lines[-1]

    def flush(self) -> None:
        """Wait until everything written is on disk, where there is one to wait for."""
        if self._broken:
            raise self._broken
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                self._broken = self._failed(error)
                raise self._broken from error

    def _watch(self) -> None:
        """Raise JournalWriteError, now and from now on, where somebody else touched the file."""
        if self._broken is None and (done := self._done_to_it()):
            self._broken = JournalWriteError(
                f"the journal {self.path} was {done} while it was written: nothing more is asked of the "
                "service; see who touched it, then plan again"
            )
        if self._broken:
            raise self._broken
        self._seen = (self._size - len(self._last), self._last)

    def _done_to_it(self) -> str | None:
        """What somebody did to the file, None where it is as it was written."""
        mine = os.fstat(self._file.fileno())
        if not stat.S_ISREG(mine.st_mode):
            return None
        try:
            there = self.path.lstat()
        except OSError:
            return "removed"
        if not os.path.samestat(mine, there):
            return "replaced"
        if mine.st_size != self._size:
            return "cut short" if mine.st_size < self._size else "written to by somebody else"
        place, line = self._seen  # one line tells of all, where they were written over at once
        if os.pread(self._file.fileno(), len(line), place) != line:
            return "written over"
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._commit.close()
            if self._broken is None:
                self.catch_up()
                self.flush()
                self._watch()
        finally:
            self._file.close()
