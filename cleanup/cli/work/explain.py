"""`explain`: why this image is kept or deleted, and when that would change."""

from pathlib import Path

from cleanup.cli import event_loop, fleet, jobs
from cleanup.cli.explain import ExplainOptions
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import log
from cleanup.decision.explain import explain as explained
from cleanup.decision.explain import named
from cleanup.modelarts.inventory import Inventory
from cleanup.plan.build import read_only_look
from cleanup.plan.inventory_file import read_inventory_file
from cleanup.policy import load
from cleanup.reports.explain_view import explanation


def explain(asked: ExplainOptions) -> None:
    """Show the explanation of every image that is named so."""
    destination = asked.showing.destination()
    of_target = () if asked.inventory else fleet.one_target(asked.connecting, asked.working).policies
    policy = load(of_target or asked.policy)
    seen = look(asked.connecting, asked.working, asked.inventory)
    now = event_loop.runtime().now()
    answers = [
        explained(one, seen.images, policy, seen.in_use, now, others=seen.others, unseen=seen.unseen)
        for one in named(asked.image, seen.images)
    ]
    destination.show([explanation(answers, now, doubts_of(seen))])


def look(connecting: Connecting, working: Working, file: Path | None) -> Inventory:
    """The inventory in the file, else of the one target; its doubts are logged, for nothing is deleted here."""
    settings = fleet.settings_of(connecting, working)
    if file:
        found = read_inventory_file(file, fleet.pins_of(working)).inventory
    else:
        target = fleet.one_target(connecting, working)
        found = event_loop.read(lambda stop: read_only_look(jobs.new_job(target, settings, stop)))
    for doubt in doubts_of(found):
        log().warning(doubt)
    return found


def doubts_of(seen: Inventory) -> tuple[str, ...]:
    """Why nothing is deleted on this inventory, whatever is decided on it."""
    return tuple(f"the inventory is not complete, so nothing is deleted: {doubt}" for doubt in seen.doubts)
