"""`inventory`: everything a decision needs, read once into one sealed file."""

from pathlib import Path

from cleanup.cli import event_loop, fleet, jobs
from cleanup.cli.inventory import InventoryOptions
from cleanup.cli.output import log
from cleanup.modelarts.inventory import Inventory
from cleanup.plan.build import read_only_look
from cleanup.plan.inventory_file import write_inventory
from cleanup.plan.sealed import Over, require_replaceable
from cleanup.reports.formatting import count
from cleanup.stop import Stop


def inventory(asked: InventoryOptions) -> None:
    """Read the inventory of one target and write it."""
    target = fleet.one_target(asked.connecting, asked.working)
    settings = fleet.settings_of(asked.connecting, asked.working)
    over = Over.ANY if asked.overwrite else Over.INTACT

    async def work(stop: Stop) -> tuple[Inventory, Path]:
        job = jobs.new_job(target, settings, stop, elsewhere="choose another place with -o")
        path = asked.output or Path(f"image-cleanup-{job.run_id}.inventory.jsonl")
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
