"""`diff`: the images whose decision changes between two policies on today's inventory."""

from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli import event_loop as running
from cleanup.cli.explain import look
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import log, say
from cleanup.decision.diff import changes
from cleanup.decision.select import select
from cleanup.errors import UsageError
from cleanup.policy import load
from cleanup.reports.diff_view import ComparisonFormat, render_comparison


def diff(
    policy: Annotated[
        list[Path],
        typer.Option("--policy", "-p", help="The old policy, then the new one.", show_default=False),
    ],
    connecting: Connecting,
    working: Working,
    format: Annotated[ComparisonFormat, typer.Option(help="How to show it.")] = ComparisonFormat.TEXT,  # noqa: A002
) -> None:
    """The images whose decision changes between two policies: -p OLD -p NEW."""
    if len(policy) != 2:
        raise UsageError(
            f"diff compares two policies, -p OLD -p NEW; {len(policy)} given (a folder is one policy)"
        )
    old, new = (load([path]) for path in policy)
    target = connecting.one(working)
    terms = working.terms(connecting)
    seen = running.run_async(lambda: look(target, terms))
    for doubt in seen.doubts:
        log().warning(f"the inventory is not complete: {doubt}")
    now = running.now()
    before, after = (select(seen.images, one, seen.in_use, now) for one in (old, new))
    say(render_comparison(changes(before, after), len(seen.images), format))
