"""`explain`: what it takes; `cleanup.cli.work.explain` says why this image is kept or deleted."""

from dataclasses import dataclass
from typing import Annotated

from cleanup.cli.options import Connecting, InventoryPath, PolicyPaths, Working
from cleanup.cli.parsing import Argument
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """Why this image is kept or deleted: the deciding rule or protection, every condition with its value."""

    image: Annotated[str, Argument(metavar="IMAGE", help="An image's id, or namespace/name:tag.")]
    policy: PolicyPaths
    connecting: Connecting
    working: Working
    showing: Showing
    inventory: InventoryPath = None
