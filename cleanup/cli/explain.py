"""`explain`: why this image is kept or deleted, and when that would change."""

from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, InventoryPath, PolicyPaths, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Argument
from cleanup.cli.showing import Showing
from cleanup.decision.explain import explain as explained
from cleanup.decision.explain import named
from cleanup.modelarts.inventory import Inventory
from cleanup.plan.build import read_only_look
from cleanup.plan.inventory_file import read_inventory_file
from cleanup.policy import load
from cleanup.reports.explain_view import explanation


def explain(
    image: Annotated[str, Argument(metavar="IMAGE", help="An image's id, or namespace/name:tag.")],
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    showing: Showing,
    inventory: InventoryPath = None,
) -> None:
    """Why this image is kept or deleted: the deciding rule or protection, every condition with its value."""
    destination = showing.destination()
    of_target = () if inventory else connecting.one(working).policies
    read_policy = load(of_target or policy)
    seen = look(connecting, working, inventory)
    now = event_loop.runtime().now()
    answers = [
        explained(one, seen.images, read_policy, seen.in_use, now, others=seen.others, unseen=seen.unseen)
        for one in named(image, seen.images)
    ]
    destination.show([explanation(answers, now)])


def look(connecting: Connecting, working: Working, file: Path | None) -> Inventory:
    """The inventory in the file, else of the one target; its doubts are logged, for nothing is deleted here."""
    settings = working.settings(connecting)
    if file:
        found = read_inventory_file(file, connecting.pins(working)).inventory
    else:
        target = connecting.one(working)
        found = event_loop.read(lambda stop: read_only_look(jobs.new_job(target, settings, stop)))
    for doubt in found.doubts:
        log().warning(f"the inventory is not complete: {doubt}")
    return found
