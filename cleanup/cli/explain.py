"""`explain`: why this image is kept or deleted, and when that would change."""

from typing import Annotated

from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, PolicyPaths, Working
from cleanup.cli.output import log, say
from cleanup.cli.parsing import Argument, Option
from cleanup.decision.explain import explain as explained
from cleanup.decision.explain import named
from cleanup.modelarts.inventory import Inventory
from cleanup.plan.build import read_only_look
from cleanup.policy import load
from cleanup.reports.explain_view import render_explanation
from cleanup.reports.view import ProseFormat


def explain(
    image: Annotated[str, Argument(metavar="IMAGE", help="An image's id, or namespace/name:tag.")],
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    format: Annotated[ProseFormat, Option(help="How to show it.")] = ProseFormat.TEXT,
) -> None:
    """Why this image is kept or deleted: the deciding rule or protection, every condition with its value."""
    target = connecting.one(working)
    read_policy = load(target.policies or policy)
    inventory = look(connecting, working)
    found = named(image, inventory.images)
    now = event_loop.runtime().now()
    answers = [explained(one, inventory.images, read_policy, inventory.in_use, now) for one in found]
    say(render_explanation(answers, format, now))


def look(connecting: Connecting, working: Working) -> Inventory:
    """The inventory of the one target; its doubts are logged, for nothing is deleted here."""
    target, settings = connecting.one(working), working.settings(connecting)
    inventory = event_loop.read(lambda stop: read_only_look(jobs.new_job(target, settings, stop)))
    for doubt in inventory.doubts:
        log().warning(f"the inventory is not complete: {doubt}")
    return inventory
