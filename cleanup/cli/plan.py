"""`plan`: what it takes; `cleanup.cli.work.plan` lists, decides, shows, and writes down what `apply` may delete."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.options import Connecting, InventoryPath, Measuring, Overwrite, PolicyPaths, Strict, Working
from cleanup.cli.parsing import EnumChoice, FileOrFolder, Option
from cleanup.reports import FORMATS, Format


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """List, decide and show, read-only; write the plan file that `apply` takes.

    With --strict a warning ends it with exit 2: the plan is shown, and not written.
    """

    policy: PolicyPaths
    connecting: Connecting
    working: Working
    measuring: Measuring
    inventory: InventoryPath = None
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            type=FileOrFolder(),
            help="The plan file, image-cleanup-PLAN_ID.plan.jsonl when left out; a folder with a slash at its "
            "end, and with --targets.",
            metavar="FILE",
        ),
    ] = None
    overwrite: Overwrite = False
    format: Annotated[Format, Option(type=EnumChoice(FORMATS), help="How to show the plan.")] = Format.TABLE
    expires: Annotated[str, Option(help="How long the plan may be applied.", metavar="DURATION")] = "24h"
    as_of: Annotated[
        str | None,
        Option(help="Decide as if it were then (RFC 3339); such a plan cannot be applied.", metavar="TIME"),
    ] = None
    detailed_exitcode: Annotated[
        bool, Option("--detailed-exitcode", help="Exit with 10 when there is something to delete.")
    ] = False
    strict: Strict = False
