"""Records as the API sent them, out of the way until one of them is asked for again."""

import os
import weakref
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import IO, Final

from cleanup.errors import InventoryError

_ROOM: Final = 4 << 20  # bytes that are kept in memory
_ALONE: Final = 1 << 10  # bytes that are read back for one text: most are shorter
_NEAR: Final = 1 << 16  # bytes that are written, or read back for several texts, together
_BEYOND: Final = 1 << 62  # every place


class Spool:
    """Texts of one line each: a few MiB of them in memory, the rest in a nameless file of the temporary folder.

    The file is private and is gone when the spool is. What cannot be written or read back is an
    InventoryError: without the records there is no plan.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._written = 0
        self._pending = bytearray()

    def add(self, lines: Sequence[bytes]) -> list[int]:
        """Keep texts without line breaks, and say at which places."""
        first = self._written + len(self._pending)
        *places, _ = accumulate((len(line) + 1 for line in lines), initial=first)
        self._pending += b"\n".join([*lines, b""])
        if len(self._pending) >= (_NEAR if self._file else _ROOM):
            self._write()
        return places

    def read(self, places: Sequence[int]) -> list[bytes]:
        """The texts that were given these places. Those that lie near each other are read in one piece."""
        found: dict[int, bytes] = {}
        piece, start = b"", 0
        for place, following in pairwise([*sorted(places), _BEYOND]):
            end = piece.find(b"\n", place - start)
            if end < 0:
                piece, start = self._piece(place, _NEAR if following - place < _NEAR else _ALONE), place
                end = piece.index(b"\n")
            found[place] = piece[place - start : end]
        return [found[place] for place in places]

    def _piece(self, place: int, size: int) -> bytes:
        """So many bytes from a place on, or more, so that the text which begins there is whole."""
        while b"\n" not in (found := self._stored(place, size)):
            if len(found) < size:
                raise InventoryError(
                    "what the service sent cannot be read back: the temporary file was cut off"
                )
            size *= 8
        return found

    def _stored(self, place: int, size: int) -> bytes:
        if self._file is None or place >= self._written:
            start = place - self._written
            return bytes(self._pending[start : start + size])
        try:
            return os.pread(self._file.fileno(), size, place)
        except OSError as error:
            raise InventoryError(f"what the service sent cannot be read back: {error.strerror}") from error

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
