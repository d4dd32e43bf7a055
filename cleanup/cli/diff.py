"""`diff`: the images whose decision changes between two policies on today's inventory."""

from pathlib import Path
from typing import Annotated

from cleanup.cli import event_loop
from cleanup.cli.explain import look
from cleanup.cli.options import Connecting, InventoryPath, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import Option
from cleanup.cli.showing import Showing
from cleanup.decision.select import select
from cleanup.errors import UsageError
from cleanup.policy import load
from cleanup.policy.lint import lint, lint_against
from cleanup.reports.comparison_view import between_policies


def diff(
    policy: Annotated[
        tuple[Path, ...],
        Option(
            "--policy",
            "-p",
            help="The old policy, then the new one.",
            metavar="PATH",
            configured=False,
        ),
    ],
    connecting: Connecting,
    working: Working,
    showing: Showing,
    inventory: InventoryPath = None,
) -> None:
    """The images whose decision changes between two policies: -p OLD -p NEW."""
    if len(policy) != 2:
        raise UsageError(
            f"diff compares two policies, -p OLD -p NEW; {len(policy)} given (a folder is one policy)"
        )
    destination = showing.destination()
    old, new = (load([path]) for path in policy)
    seen = look(connecting, working, inventory)
    for warning in (
        one for policy in (old, new) for one in (*lint(policy), *lint_against(policy, seen.images))
    ):
        log().warning(str(warning))
    now = event_loop.runtime().now()
    before, after = (
        select(seen.images, one, seen.in_use, now, others=seen.others, unseen=seen.unseen)
        for one in (old, new)
    )
    destination.show([between_policies(old, new, before, after)])
