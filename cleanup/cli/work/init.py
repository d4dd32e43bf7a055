"""`init`: a starter policy with its test, from what an inventory shows."""

import os
from collections.abc import Sequence
from pathlib import Path

from cleanup.cli import event_loop, fleet, starter_questions
from cleanup.cli.init import POLICY, TEST, InitOptions
from cleanup.cli.output import log
from cleanup.cli.work.explain import look
from cleanup.errors import UsageError
from cleanup.files import write_new
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.reports.formatting import count, plain, size
from cleanup.starter.families import Answers
from cleanup.starter.policy import Shown, Words, starter


def init(asked: InitOptions) -> None:
    """Write both files, or none of them."""
    policy, test = asked.output / POLICY, asked.output / TEST
    _require_free(asked, (policy, test))
    seen, answers = _seen(asked), Answers()
    if asked.interactive:
        answers = event_loop.read(starter_questions.ask, "nothing was written")
    made = starter(seen, POLICY, Words(plain, _amount), answers)
    try:
        write_new(asked.output, {POLICY: made.policy, TEST: made.test})
    except OSError as error:
        raise UsageError(
            f"cannot write {policy} and {test}: {error.strerror}; choose another place with -o"
        ) from error
    log().info(
        f"{policy} and {test} written; next: image-cleanup validate {policy}, "
        f"image-cleanup test {test}, image-cleanup plan -p {policy}"
    )


def _require_free(asked: InitOptions, paths: Sequence[Path]) -> None:
    """Raise UsageError, before any request, for what cannot be."""
    if asked.inventory and asked.no_inventory:
        raise UsageError("--inventory and --no-inventory exclude each other: give one")
    if not asked.output.is_dir():
        raise UsageError(f"{asked.output} is not a folder: make it, or choose another place with -o")
    if taken := next(filter(os.path.lexists, paths), None):
        raise UsageError(f"{taken} is there already and is not overwritten: choose another place with -o")
    if asked.interactive:
        starter_questions.require_terminal()


def _seen(asked: InitOptions) -> Shown:
    """What the file or the target shows; nothing where none is named, which is said."""
    now, no_inventory = event_loop.runtime().now(), asked.no_inventory
    if not asked.inventory and not no_inventory and not fleet.names_a_place(asked.connecting):
        log().warning("no endpoint, region or --inventory is given: the starter is a generic one")
        no_inventory = True
    if no_inventory:
        return Shown((), InUse(), now)
    found = look(asked.connecting, asked.working, asked.inventory)
    if not found.images:
        log().warning("the inventory has no images: the starter is a generic one")
    return Shown(found.images, found.in_use, now)


def _amount(images: Sequence[Image]) -> str:
    sizes = [image.size for image in images if image.size is not None]
    return count(len(images), "image") + (f", {size(sum(sizes))}" if sizes else "")
