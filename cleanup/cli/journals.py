"""`journals`: what lies in a folder, finished or not; and removing what is old and done with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop
from cleanup.cli.output import log, tell
from cleanup.cli.parsing import Argument, Option
from cleanup.cli.showing import Showing
from cleanup.config.settings import duration
from cleanup.errors import UsageError
from cleanup.journal.folder import Stored, stored_in
from cleanup.journal.tidy import judge, remove, restore_journal_of
from cleanup.reports.folder_view import folder_view
from cleanup.reports.formatting import count, size


class FolderAction(StrEnum):
    LIST = "list"
    TIDY = "tidy"


def journals(
    action: Annotated[
        FolderAction, Argument(metavar="list|tidy", help="Show what lies there, or remove what is old.")
    ],
    showing: Showing,
    folder: Annotated[Path, Argument(metavar="[FOLDER]", help="The current one when left out.")] = Path(),
    keep: Annotated[
        str | None,
        Option(
            help="For tidy, which needs it: remove only what nothing was written to for so long.",
            metavar="DURATION",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="For tidy: say what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """List the plans and journals of a folder, finished or not; remove old ones, never an unfinished one.

    `tidy` leaves alone: an unfinished or damaged journal and its plan, a journal that is being written, a plan
    that can still be applied, and everything that is neither a plan nor a journal.
    """
    if action is FolderAction.LIST:
        if keep is not None or dry_run:
            raise UsageError("--keep and --dry-run are for `journals tidy`")
        destination, stored = showing.destination(), _stored(folder)
        destination.show([folder_view(folder, stored.files, event_loop.runtime().now())])
        return
    if keep is None:
        raise UsageError("give --keep, how old a file must be to be removed, such as --keep 90d")
    if showing.asked:
        raise UsageError("--format and -o are for `journals list`")
    _tidy(folder, keep, dry_run)


def _stored(folder: Path) -> Stored:
    """What lies there; what may be ours and cannot be read is warned of."""
    stored = stored_in(folder)
    for path, why in stored.unreadable.items():
        log().warning(f"{path} cannot be read ({why}): it may be an unfinished journal")
    return stored


def _tidy(folder: Path, keep: str, dry_run: bool) -> None:
    """Say each file that is removed, and why an old one stays. Raises UsageError where one could not be."""
    removed = freed = 0
    failed: dict[Path, str] = {}
    for one in judge(_stored(folder), duration(keep, "--keep"), event_loop.runtime().now()):
        path = one.file.path
        if one.stays:
            log().info(f"{path} stays: {one.stays}")
            continue
        if path in map(restore_journal_of, failed):  # without it the images could be restored twice
            continue
        try:
            if not dry_run:
                remove(one.file)
        except OSError as error:
            failed[path] = f"{path}: {error.strerror}"
            continue
        removed, freed = removed + 1, freed + one.file.size
        tell(f"{'would remove' if dry_run else 'removed'} {path}")
    tell(f"{count(removed, 'file')} {'would be ' if dry_run else ''}removed, {size(freed)}")
    if failed:
        raise UsageError(f"cannot remove {'; '.join(failed.values())}")
