"""`inventory`: everything a decision needs, read once into one sealed file."""

from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.modelarts.inventory import Inventory
from cleanup.plan.build import read_only_look
from cleanup.plan.inventory_file import write_inventory
from cleanup.plan.sealed import require_writable
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
) -> None:
    """Read images, their users and workspaces into one sealed file, to try policies on without a service."""
    target, settings = connecting.one(working), working.settings(connecting)
    if output:
        require_writable(output, "inventory")

    async def work(stop: Stop) -> tuple[Inventory, Path]:
        job = jobs.new_job(target, settings, stop)
        found = await read_only_look(job)
        path = output or Path(f"image-cleanup-{job.run_id}.inventory.jsonl")
        write_inventory(found, job, path)
        return found, path

    found, path = event_loop.read(work)
    for doubt in found.doubts:
        log().warning(f"the inventory is not complete: {doubt}")
    others = f", {len(found.others):,} of other workspaces" if found.others else ""
    users = count(len(found.in_use.uses), "use")
    log().info(f"{count(len(found.images), 'image')}{others}, {users} of images written to {path}")
