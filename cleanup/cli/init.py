"""`init`: a starter policy with its test, from what an inventory shows."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop, starter_questions
from cleanup.cli.explain import look
from cleanup.cli.options import Connecting, InventoryPath, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.errors import UsageError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.reports.formatting import count, plain, size
from cleanup.starter.families import Answers
from cleanup.starter.policy import Shown, Words, starter

_POLICY, _TEST = "policy.yaml", "policy.test.yaml"


def init(
    connecting: Connecting,
    working: Working,
    inventory: InventoryPath = None,
    no_inventory: Annotated[bool, Option("--no-inventory", help="Ask no service: a generic policy.")] = False,
    interactive: Annotated[
        bool,
        Option(
            "--interactive", help="Ask three questions first: what to leave alone, how old, how many stay."
        ),
    ] = False,
    output: Annotated[
        Path, Option("--output", "-o", help=f"Where {_POLICY} and {_TEST} are written.", metavar="FOLDER")
    ] = Path(),
) -> None:
    """Write a starter policy with its test, from what the project's images are; deletes nothing."""
    if inventory and no_inventory:
        raise UsageError("--inventory and --no-inventory exclude each other: give one")
    if not output.is_dir():
        raise UsageError(f"{output} is not a folder: make it, or choose another place with -o")
    for path in (output / _POLICY, output / _TEST):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already and is not overwritten: choose another place with -o")
    if interactive:
        starter_questions.require_terminal()
    seen = _seen(connecting, working, inventory, no_inventory)
    answers = event_loop.read(starter_questions.ask) if interactive else Answers()
    made = starter(seen, _POLICY, Words(plain, _amount), answers)
    _write_both({output / _TEST: made.test, output / _POLICY: made.policy})
    policy, test = output / _POLICY, output / _TEST
    log().info(
        f"{policy} and {test} written; next: image-cleanup validate {policy}, "
        f"image-cleanup test {test}, image-cleanup plan -p {policy}"
    )


def _seen(connecting: Connecting, working: Working, inventory: Path | None, no_inventory: bool) -> Shown:
    """What the file or the target shows; nothing where none is named, which is said."""
    now = event_loop.runtime().now()
    if not inventory and not no_inventory and not connecting.names_a_place:
        log().warning("no endpoint, region or --inventory is given: the starter is a generic one")
        no_inventory = True
    if no_inventory:
        return Shown((), InUse(), now)
    found = look(connecting, working, inventory)
    if not found.images:
        log().warning("the inventory has no images: the starter is a generic one")
    return Shown(found.images, found.in_use, now)


def _amount(images: Sequence[Image]) -> str:
    sizes = [image.size for image in images if image.size is not None]
    return count(len(images), "image") + (f", {size(sum(sizes))}" if sizes else "")


def _write_both(texts: dict[Path, str]) -> None:
    """New files, both or none. Raises UsageError where one cannot be written or is there by now."""
    made: list[Path] = []
    try:
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
    except BaseException as error:
        for one in made:
            with suppress(OSError):
                one.unlink()
        if isinstance(error, OSError):
            raise UsageError(
                f"cannot write {path}: {error.strerror}; choose another place with -o"
            ) from error
        raise
