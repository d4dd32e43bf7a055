"""`inventory`: everything a decision needs, read once into one sealed file."""

from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Overwrite, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.modelarts.inventory import Inventory
from cleanup.plan.build import read_only_look
from cleanup.plan.inventory_file import write_inventory
from cleanup.plan.sealed import Over, require_replaceable
from cleanup.reports.formatting import count
from cleanup.stop import Stop


def inventory(
    connecting: Connecting,
    working: Working,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="The inventory file, image-cleanup-ID.inventory.jsonl when left out.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Read images, their users and workspaces into one sealed file, to try policies on without a service."""
    target, settings = connecting.one(working), working.settings(connecting)
    over = Over.ANY if overwrite else Over.INTACT

    async def work(stop: Stop) -> tuple[Inventory, Path]:
        job = jobs.new_job(target, settings, stop, elsewhere="choose another place with -o")
        path = output or Path(f"image-cleanup-{job.run_id}.inventory.jsonl")
        require_replaceable(path, "inventory", job.elsewhere, over)
        found = await read_only_look(job)
        write_inventory(found, job, path, over)
        return found, path

    found, path = event_loop.read(work)
    for doubt in found.doubts:
        log().warning(f"the inventory is not complete: {doubt}")
    others = f", {len(found.others):,} of other workspaces" if found.others else ""
    users = count(len(found.in_use.uses), "use")
    log().info(f"{count(len(found.images), 'image')}{others}, {users} of images written to {path}")
