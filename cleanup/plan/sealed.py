"""JSON Lines whose last line covers all before it with a digest: how plans and inventories are written and proven."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from cleanup.errors import RecordRejected, UsageError


def require_writable(path: Path, what: str) -> None:
    """Raise UsageError now, before any request, where a file could not be written later."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write the {what} {path}: choose another place with -o")


def write_sealed(path: Path, what: str, lines: Iterable[bytes], last: Callable[[str], bytes]) -> None:
    """Write the lines and the last one, which is made of their SHA-256; whole or not at all.

    `what` it is, for people. Raises UsageError when the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    digest = hashlib.sha256()
    try:
        with partial.open("wb") as file:
            for line in lines:
                digest.update(line + b"\n")
                file.write(line + b"\n")
            file.write(last(digest.hexdigest()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"cannot write the {what} {path}: {error.strerror}; choose another place with -o"
        ) from error


def read_sealed(path: Path, what: str) -> tuple[list[bytes], bytes, str]:
    """The lines before the last, the last, and the SHA-256 that it must have.

    Raises UsageError when there is no such file, RecordRejected when it was cut off.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the {what} {path}: {error.strerror}") from error
    if not content.endswith(b"\n"):
        raise RecordRejected(f"the {what} {path} is cut off: make it again")
    body, newline, last = content[:-1].rpartition(b"\n")
    return body.split(b"\n"), last, hashlib.sha256(body + newline).hexdigest()
