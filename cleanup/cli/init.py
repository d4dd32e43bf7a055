"""`init`: what it takes; `cleanup.cli.work.init` writes a starter policy with its test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Connecting, InventoryPath, Working
from cleanup.cli.parsing import Option

POLICY, TEST = "policy.yaml", "policy.test.yaml"


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """Write a starter policy with its test, from what the project's images are; deletes nothing."""

    connecting: Connecting
    working: Working
    inventory: InventoryPath = None
    no_inventory: Annotated[bool, Option("--no-inventory", help="Ask no service: a generic policy.")] = False
    interactive: Annotated[
        bool,
        Option(
            "--interactive", help="Ask three questions first: what to leave alone, how old, how many stay."
        ),
    ] = False
    output: Annotated[
        Path, Option("--output", "-o", help=f"Where {POLICY} and {TEST} are written.", metavar="FOLDER")
    ] = Path()
