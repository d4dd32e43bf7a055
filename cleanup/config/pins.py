"""Pins: images that are in use elsewhere, named in a file one a line; a line that can protect nothing is refused."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from cleanup.errors import UsageError
from cleanup.files import read_regular
from cleanup.in_use import InUse, Use
from cleanup.kinds import FileKind, kind_in, mistaken
from cleanup.policy.impossible import why_impossible
from cleanup.policy.patterns import text_pattern
from cleanup.reference import is_host
from cleanup.strict_yaml.location import Location

_PIN = "pin"  # begins the name of this kind of user


def read_pins(paths: Iterable[Path]) -> InUse:
    """Ids, `namespace/name:tag` or registry paths, one a line, `#` comments; several files add up.

    Raises UsageError with every line that is none of these, or that no image can ever be called.
    """
    uses: list[Use] = []
    mistakes: list[str] = []
    for path in dict.fromkeys(paths):
        _read_file(path, uses, mistakes)
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return InUse(uses)


def pins_digest(in_use: InUse) -> str:
    """The sha256 of what pins name among the users of images, whatever their files and order; empty without any."""
    named = sorted({f"{use.image_id or ''} {use.swr_path or ''}" for use in in_use.uses if _is_pin(use)})
    return hashlib.sha256("\n".join(named).encode()).hexdigest() if named else ""


def _is_pin(use: Use) -> bool:
    return use.user.startswith(f"{_PIN} ")


def _read_file(path: Path, uses: list[Use], mistakes: list[str]) -> None:
    try:
        content = read_regular(path)
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the pins {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read the pins {path}: this is not UTF-8 text") from error
    if why := mistaken(kind_in(content), FileKind.PINS):
        raise UsageError(f"{path} {why}")
    for number, line in enumerate(lines, 1):
        text = line.split(" #")[0].strip(" \t")
        if not text or text.startswith("#"):
            continue
        try:
            uses.append(_pin(text, f"{_PIN} {path.name}:{number}"))
        except ValueError as error:
            mistakes.append(f"{path}:{number}:1: {error}")


def _pin(text: str, user: str) -> Use:
    if hidden := next((one for one in text if not one.isprintable() or one.isspace()), None):
        if hidden.isspace() and hidden.isascii():
            raise ValueError(f"'{text}' is not one id, one namespace/name:tag or one registry path")
        raise ValueError(f"a character that cannot be seen (U+{ord(hidden):04X}): type the line anew")
    path, _, digest = text.removeprefix("https://").partition("@")
    if "://" in path or (digest and ":" not in path.rpartition("/")[2]):
        raise ValueError(
            f"'{text}' names no tag: write registry/namespace/name:tag, without a scheme; "
            "a digest alone does not say which image it is"
        )
    if "/" not in path and ":" not in path:
        _require_possible([("id", path)])
        return Use(user=user, image_id=path)
    if (path.count("/") == 1 and ":" not in path.partition("/")[2]) or "/" not in path:
        raise ValueError(
            f"'{text}' is no image: write its id, namespace/name:tag, or registry/namespace/name:tag"
        )
    _require_possible(_parts(path))
    return Use(user=user, swr_path=path)


def _parts(path: str) -> Iterator[tuple[str, str]]:
    """What has to be possible of `[registry/]namespace/name[:tag]`, each with the field it stands in."""
    *folders, last = path.split("/")
    name, colon, tag = last.partition(":")
    for folder in folders[1:] if len(folders) > 1 and is_host(folders[0]) else folders:
        yield "namespace", folder
    yield "name", name
    if colon:
        yield "tag", tag


def _require_possible(parts: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
    """Raises ValueError for what no image is ever called: such a pin would protect nothing."""
    for field, text in parts:
        if wild := next((sign for sign in "*?[" if sign in text), None):
            raise ValueError(f"'{text}' has a {wild}: a pin names one image and is no pattern; use `protect`")
        try:
            pattern = text_pattern(text, ignores_case=False, location=Location("", 1, 1)) if text else None
        except ValueError as error:
            raise ValueError(str(error)) from None
        if pattern is None or (mistake := why_impossible(field, pattern)):
            raise ValueError(mistake if pattern else f"its {field} is empty")
