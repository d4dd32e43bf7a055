"""`validate`: policy files, checked; no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Strict
from cleanup.cli.output import complain, is_json_wanted, log, tell
from cleanup.cli.parsing import Argument, Option
from cleanup.errors import PolicyError, UsageError
from cleanup.image import Image
from cleanup.kinds import FileKind, kind_of, require_kind
from cleanup.policy import load
from cleanup.policy.lint import lint, lint_against
from cleanup.reports.formatting import count


def validate(
    paths: Annotated[
        tuple[Path, ...],
        Argument(metavar="PATH", help="Policy files and folders of them."),
    ],
    inventory: Annotated[
        Path | None,
        Option(
            help="An inventory or a plan: warn about rules and protect entries that match none of its images."
        ),
    ] = None,
    strict: Strict = False,
) -> None:
    """Check policy files: every problem at once, each as file:line:column and what was meant.

    What is wrong goes to stdout and exits with 2; what only looks wrong is a warning on stderr. With
    --log-format json what is wrong goes to stderr too, an object each.
    """
    images = _images(inventory) if inventory else ()
    try:
        policy = load(paths, partial=True)
    except PolicyError as error:
        if is_json_wanted():
            complain(error)
        for problem in error.problems:
            tell(str(problem))
        raise SystemExit(error.exit_code) from None
    doubts = (*lint(policy), *lint_against(policy, images))
    for doubt in doubts:
        log().warning(str(doubt))
    entries = f"{len(policy.protect)} protect {'entry' if len(policy.protect) == 1 else 'entries'}"
    told = f"; {count(len(doubts), 'warning')}" if doubts else ""
    tell(f"{', '.join(policy.files)}: valid; {count(len(policy.rules), 'rule')}, {entries}{told}")
    if strict and doubts:
        raise UsageError(f"{count(len(doubts), 'warning')} and --strict: see above")


def _images(file: Path) -> Sequence[Image]:
    """The images of an inventory or of a plan, told apart by the first bytes. Raises UsageError, RecordRejected."""
    from cleanup.plan import file as plan_file  # here, for most validations read neither
    from cleanup.plan.inventory_file import read_inventory_file

    require_kind(file, FileKind.INVENTORY, FileKind.PLAN)
    if kind_of(file) is FileKind.PLAN:
        return [line.image for line in plan_file.read(file).decisions]
    return read_inventory_file(file).inventory.images
