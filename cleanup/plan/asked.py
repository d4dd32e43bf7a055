"""Who was asked for a plan, against who is asked where it is applied: what looks at less, or elsewhere, is said."""

from collections.abc import Iterator
from datetime import timedelta

from cleanup.config.pins import pins_digest
from cleanup.config.settings import Target
from cleanup.durations import format_duration
from cleanup.modelarts.users.kinds import AskedUsers, Scope
from cleanup.plan.plan import InventoryRef

_WIDEST_FIRST = tuple(Scope)


def forgotten(planned: InventoryRef, target: Target) -> Iterator[str]:
    """What the plan was made with and this apply looks at less; apply takes none of it from the plan."""
    here = AskedUsers(kinds=target.users, notebooks=target.in_use, job_history=target.job_history)
    if _WIDEST_FIRST.index(here.notebooks) > _WIDEST_FIRST.index(Scope(planned.in_use)):
        yield f"the plan was made with --in-use {planned.in_use}, this goes on with --in-use {here.notebooks}"
    if missing := [kind for kind in planned.users if kind not in here.wanted and kind != "notebooks"]:
        yield f"the plan asked {', '.join(missing)} whether they use an image, and this does not: see --users"
    if planned.job_history_s is not None and here.job_history.total_seconds() < planned.job_history_s:
        before = format_duration(timedelta(seconds=planned.job_history_s))
        yield f"the plan was made with --job-history {before}, this goes on with {format_duration(here.job_history)}"
    if (pins := len(target.pins.uses)) < planned.pins:
        yield (
            f"the plan was made with {planned.pins} {'pin' if planned.pins == 1 else 'pins'}, "
            f"this goes on with {pins or 'none'}: what was pinned then is not in the plan, but what was pinned "
            "since is not protected; give --pins as for the plan"
        )


def other_pins(planned: InventoryRef, target: Target) -> bool:
    """As many pins or more, but not the same: they may have been gathered anew."""
    return 0 < planned.pins <= len(target.pins.uses) and pins_digest(target.pins) != planned.pins_sha256
