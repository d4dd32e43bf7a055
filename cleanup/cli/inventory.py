"""`inventory`: what it takes; `cleanup.cli.work.inventory` reads what a decision needs into one sealed file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Connecting, Overwrite, Working
from cleanup.cli.parsing import Option


@dataclass(frozen=True, kw_only=True)
class InventoryOptions:
    """Read images, their users and workspaces into one sealed file, to try policies on without a service."""

    connecting: Connecting
    working: Working
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="The inventory file, image-cleanup-ID.inventory.jsonl when left out.",
            metavar="FILE",
        ),
    ] = None
    overwrite: Overwrite = False
