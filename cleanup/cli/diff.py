"""`diff`: what it takes; `cleanup.cli.work.diff` shows the images whose decision changes between two policies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Connecting, InventoryPath, Working
from cleanup.cli.parsing import Option
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """The images whose decision changes between two policies: -p OLD -p NEW."""

    policy: Annotated[
        tuple[Path, ...],
        Option(
            "--policy",
            "-p",
            help="The old policy, then the new one.",
            metavar="PATH",
            configured=False,
        ),
    ]
    connecting: Connecting
    working: Working
    showing: Showing
    inventory: InventoryPath = None
