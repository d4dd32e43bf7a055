"""JSON Lines whose last line covers all before it with a digest: how plans and inventories are written and proven."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

import cleanup
from cleanup.errors import RecordRejected, UsageError
from cleanup.files import obstacle, open_regular, read_regular, replacing
from cleanup.kinds import UNDECODABLE

SCHEMA: Final = 1
TOGETHER: Final = 500  # lines that are encoded and written, or read, together
_PIECE: Final = 1 << 18  # bytes that are read at once


class _Version(msgspec.Struct, frozen=True):
    schema: int | None = None
    tool_version: str | None = None


def require_version(header: bytes, path: Path, what: str) -> None:
    """Raise RecordRejected for a header that says no schema, or is of a later version than this one can know.

    Raises msgspec.MsgspecError for what is no header.
    """
    said = msgspec.json.decode(header, type=_Version)
    if said.schema != SCHEMA:
        found = "no schema" if said.schema is None else f"schema {said.schema}"
        raise RecordRejected(
            f"the {what} {path} has {found}; this version reads schema {SCHEMA}: make it again with this version"
        )
    theirs = _major(said.tool_version or "")
    if theirs is None:
        raise RecordRejected(
            f"the {what} {path} does not say by which version it was made: make it again with this version"
        )
    if theirs > (_major(cleanup.__version__) or 0):
        raise RecordRejected(
            f"the {what} {path} was made by version {said.tool_version}, which may mean things that "
            f"{cleanup.__version__} does not know: make it again with this version"
        )


def _major(version: str) -> int | None:
    """The major version, None for what is not written like one."""
    found = re.match(r"([0-9]{1,9})(\.[0-9]|$)", version)
    return int(found[1]) if found else None


class Over(StrEnum):
    """What a new file may take the place of, besides an empty one: never of anything but its own kind."""

    NOTHING = "nothing"
    INTACT = "intact"  # unchanged since it was written, as its seal proves: it can be made again
    ANY = "any"  # --overwrite


class Seal(msgspec.Struct, frozen=True, tag_field="kind", tag="summary"):
    """What every last line has."""

    sha256: str


def require_replaceable(path: Path, kind: str, elsewhere: str, over: Over = Over.NOTHING) -> None:
    """Raise UsageError now, before any request, where a file of this `kind` could not be written later.

    Or where it would take the place of something else. `elsewhere` is what to do then, for people.
    """
    if why := obstacle(path) or _worth_keeping(path, kind, over):
        raise UsageError(f"cannot write the {kind} {path}: {why}; {elsewhere}")


def _worth_keeping(path: Path, kind: str, over: Over) -> str | None:
    """Why what lies there must stay, None for nothing and for what may be replaced."""
    try:
        head = read_regular(path, 64)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"what lies there cannot be read ({error.strerror})"
    if not head:
        return None
    if not head.startswith(f'{{"kind":"{kind}",'.encode()):
        return "a journal lies there" if head.startswith(b'{"event":') else f"what lies there is no {kind}"
    if over is Over.NOTHING:
        return f"there is an older {kind}"
    if over is Over.INTACT and not _is_intact(path, kind):
        return f"the {kind} that lies there was changed or cut off: --overwrite replaces it"
    return None


def _is_intact(path: Path, kind: str) -> bool:
    try:
        file = SealedFile(path, kind)
        for _ in file.lines():
            pass
        return msgspec.json.decode(file.last, type=Seal).sha256 == file.sha256
    except (RecordRejected, *UNDECODABLE):
        return False


def encoded(lines: Iterable[msgspec.Struct]) -> Iterator[bytes]:
    """The lines as texts, many of them together."""
    encode, rest = msgspec.json.Encoder().encode_lines, iter(lines)
    while some := list(islice(rest, TOGETHER)):
        yield encode(some)


def write_sealed(
    path: Path,
    kind: str,
    texts: Iterable[bytes],
    last: Callable[[str], msgspec.Struct],
    *,
    elsewhere: str,
    over: Over = Over.NOTHING,
) -> None:
    """Write the texts, which are whole lines, and the last line, which is made of their SHA-256; whole or not at all.

    Raises UsageError as `require_replaceable` does, and when the file cannot be written.
    """
    digest = hashlib.sha256()
    try:
        with replacing(path, lambda: require_replaceable(path, kind, elsewhere, over)) as file:
            for text in texts:
                digest.update(text)
                file.write(text)
            file.write(msgspec.json.encode(last(digest.hexdigest())) + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write the {kind} {path}: {error.strerror}; {elsewhere}") from error


class SealedFile:
    """A sealed file of one kind, which is read a piece at a time: it may be larger than memory."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.sha256 = ""  # what the last line must say, as soon as `lines` have ended
        self._last = b""
        self._state: tuple[int, ...] = ()

    def lines(self) -> Iterator[bytes]:
        """The lines before the last, each with its line break, to be read once and to their end.

        Raises UsageError when there is no such file.
        """
        digest = hashlib.sha256()
        for lines, _ in self._pieces():
            if self._last:
                lines.insert(0, self._last)
            self._last = lines.pop()
            digest.update(b"".join(lines))
            yield from lines
        self.sha256 = digest.hexdigest()

    @property
    def last(self) -> bytes:
        """The last line, as soon as `lines` have ended. Raises RecordRejected when it was cut off."""
        if not self._last.endswith(b"\n"):
            raise RecordRejected(f"the {self.kind} {self.path} is cut off: make it again")
        return self._last

    def again(self, start: int, stop: int) -> Iterator[bytes]:
        """Of the same lines those from `start` to before `stop`.

        Raises UsageError when the file is gone, RecordRejected when it is not what it was.
        """
        for lines, unchanged in self._pieces() if start < stop else ():
            if not unchanged:
                raise RecordRejected(f"the {self.kind} {self.path} was changed while it was read: try again")
            yield from lines[start:stop]
            start, stop = max(start - len(lines), 0), stop - len(lines)
            if stop <= 0:
                return

    def _pieces(self) -> Iterator[tuple[list[bytes], bool]]:
        """Some whole lines at a time, and whether the file still was what it was at the very beginning."""
        try:
            with open_regular(self.path) as file:
                self._state = self._state or _state(file)
                while lines := file.readlines(_PIECE):
                    yield lines, _state(file) == self._state
        except OSError as error:
            raise UsageError(f"cannot read the {self.kind} {self.path}: {error.strerror}") from error


def _state(file: BinaryIO) -> tuple[int, ...]:
    """What is another after every change."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
