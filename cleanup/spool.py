"""Records as the API sent them, out of the way until one of them is asked for again."""

import os
import weakref
from typing import IO, Final

from cleanup.errors import InventoryError

_ROOM: Final = 4 << 20  # bytes that are kept in memory
_PIECE: Final = 1 << 10  # bytes that are read back at first: most records are shorter


class Spool:
    """Texts of one line each: a few MiB of them in memory, the rest in a nameless file of the temporary folder.

    The file is private and is gone when the spool is. What cannot be written or read back is an
    InventoryError: without the records there is no plan.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._written = 0
        self._pending = bytearray()

    def add(self, line: bytes) -> int:
        """Keep a text without line breaks, and say at which place."""
        place = self._written + len(self._pending)
        self._pending += line
        self._pending += b"\n"
        if len(self._pending) >= _ROOM:
            self._write()
        return place

    def read(self, place: int) -> bytes:
        """The text that was given this place."""
        if place >= self._written or self._file is None:
            start = place - self._written
            return bytes(self._pending[start : self._pending.index(b"\n", start)])
        size = _PIECE
        try:
            while True:
                found = os.pread(self._file.fileno(), size, place)
                if (end := found.find(b"\n")) >= 0:
                    return found[:end]
                if len(found) < size:
                    break
                size *= 8
        except OSError as error:
            raise InventoryError(f"what the service sent cannot be read back: {error.strerror}") from error
        raise InventoryError("what the service sent cannot be read back: the temporary file was cut off")

    def _write(self) -> None:
        try:
            if self._file is None:
                import tempfile  # here, for few lists are so long

                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the spool
                weakref.finalize(self, self._file.close)
            rest = memoryview(self._pending)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise InventoryError(
                f"what the service sent finds no room in the temporary folder: {error.strerror or error}; "
                "name another folder with TMPDIR"
            ) from error
        self._written += len(self._pending)
        self._pending = bytearray()
