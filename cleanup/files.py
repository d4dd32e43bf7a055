"""Files of our own: where they may lie, and how they come to be there, whole, private and through no link."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE: Final = 0o600  # plans, journals and inventories tell what a project holds
ELSEWHERE: Final = "choose another place"  # what to do, for people, where no option names the place
_DEVICES: Final = Path("/dev")
_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link: name the file that it leads to"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _oddity(mode: int) -> str | None:
    """What it is that is no regular file."""
    return next((f"it is {name}" for is_one, name in _KINDS if is_one(mode)), None)


def obstacle(path: Path, *, appended: bool = False) -> str | None:
    """Why no file of ours can be written at `path`, None where nothing speaks against it.

    Folders on the way may be links, the file may not: it would lie elsewhere than is said, and what is
    beside it would not be found. One that is `appended` to needs no room for another beside it.
    """
    try:
        folder = path.absolute().parent
        if not folder.is_dir():
            return "there is no such folder"
        if folder.resolve() == _DEVICES:
            return "/dev is for devices"
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return None if os.access(folder, os.W_OK) else "its folder cannot be written"
        if why := _oddity(mode):
            return why
        return None if os.access(path if appended else folder, os.W_OK) else "it cannot be written"
    except OSError as error:
        return error.strerror or "it cannot be reached"


def read_regular(path: Path, size: int = -1) -> bytes:
    """What a file holds, or its first `size` bytes.

    Raises OSError, also for what is no regular file.
    """
    with open_regular(path) as file:
        return file.read(size)


def open_regular(path: Path) -> BinaryIO:
    """A file to read. Raises OSError, also for what is no regular file: a FIFO would keep us waiting for ever."""
    if why := _oddity(path.stat().st_mode):
        raise OSError(errno.EINVAL, why)
    return path.open("rb")


@contextmanager
def replacing(path: Path, check: Callable[[], None], *, private: bool = True) -> Iterator[BinaryIO]:
    """A new file that takes its place at `path` when the block has ended well: whole or not at all.

    It is as open as the file whose place it takes; where there is none, `private` or as the umask says. `check`
    may refuse, by what it raises, when all is written: somebody else may have put a file there meanwhile.
    Raises OSError.
    """
    import tempfile  # here, for most commands write no such file

    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".image-cleanup-", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if not private:
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            _keep_mode(path, file.fileno())
            os.fsync(file.fileno())
        check()
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def write_new(folder: Path, texts: Mapping[str, str]) -> None:
    """New files of these names in a folder, all or none, each of them whole, and never in another's place.

    Raises OSError, FileExistsError where there is one by now; then, and after Ctrl-C, nothing is left.
    """
    import tempfile

    placed: list[Path] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".image-cleanup-", suffix=".partial") as hidden:
        for name, text in texts.items():
            Path(hidden, name).write_text(text, encoding="utf-8")
        try:
            for name in texts:
                _place(Path(hidden, name), folder / name)
                placed.append(folder / name)
        except BaseException:
            for path in placed:
                with suppress(OSError):
                    path.unlink()
            raise
    sync_folder(folder)


def _place(draft: Path, path: Path) -> None:
    """Give a file its name, where nothing has that; a link replaces nothing, unlike a rename."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:  # this file system knows no links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        draft.rename(path)


def _umask() -> int:
    """What new files are not for; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _keep_mode(path: Path, descriptor: int) -> None:
    """Who could read the old file can read the new one: somebody wanted that."""
    with suppress(FileNotFoundError):
        wanted = stat.S_IMODE(path.lstat().st_mode) & 0o777
        if wanted != stat.S_IMODE(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, wanted)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk, where that can be asked for. Raises OSError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # it may be written, but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
