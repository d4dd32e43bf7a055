"""From a cloud to a plan: read everything, decide about everything, say what could not be seen."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

import cleanup
from cleanup.decision import limits
from cleanup.decision.select import select
from cleanup.decision.types import Action
from cleanup.errors import InventoryError
from cleanup.image import Image
from cleanup.in_use import InUse
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import NotebookListing, Scope, read_images, read_notebooks
from cleanup.plan import file as plan
from cleanup.plan.file import Header, InventoryRef, Plan, PolicyRef, TargetRef
from cleanup.policy.language import Policy

_CLOCKS_DIFFER = timedelta(minutes=15)  # beyond it signatures are refused as well


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a target: its images, who uses which, and every doubt whether that is right and all.

    `seen_at` is the monotonic second at which the look began; `notes` are for the log.
    """

    images: tuple[Image, ...]
    in_use: InUse
    notebooks: int
    doubts: tuple[str, ...]
    seen_at: float
    scope: Scope
    pins: int
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.doubts

    def require_complete(self) -> None:
        """Raise InventoryError unless everything was seen: nothing may be deleted on half a picture."""
        if self.doubts:
            raise InventoryError(
                f"the inventory is not complete, nothing was deleted: {'; '.join(self.doubts)}"
            )


async def survey(
    client: Client,
    workspaces: tuple[str, ...],
    scope: Scope,
    pins: InUse,
    *,
    clock: Callable[[], float],
    now: Callable[[], datetime],
    listed: Callable[[int], None] = lambda _: None,
) -> Survey:
    """Read all images, then all notebooks (later, so that a notebook started meanwhile is seen).

    Raises AccessDenied when nothing could be read, InventoryError when not everything could.
    """
    seen_at = clock()
    listing = await read_images(client, workspaces, listed)
    notebooks = await read_notebooks(client, workspaces, scope)
    doubts = listing.doubts + hidden_users(notebooks, scope) + _wrong_clock(client.service_time, now())
    return Survey(
        images=listing.images,
        in_use=notebooks.in_use | pins,
        notebooks=notebooks.count,
        doubts=doubts,
        seen_at=seen_at,
        scope=scope,
        pins=len(pins.uses),
        notes=notebooks.notes,
    )


def _wrong_clock(service_time: datetime | None, now: datetime) -> tuple[str, ...]:
    """The doubt that ages are right at all: a machine that is ahead takes young images for old ones."""
    if service_time is None or abs(now - service_time) <= _CLOCKS_DIFFER:
        return ()
    return (
        f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC and the service's {service_time:%Y-%m-%d %H:%M} UTC, "
        "so ages would be wrong: set the clock right",
    )


def hidden_users(notebooks: NotebookListing, scope: Scope) -> tuple[str, ...]:
    """The doubt that is left where everybody's notebooks were asked for and only one's own were shown."""
    if scope is not Scope.ALL or notebooks.others_visible:
        return ()
    return (
        "other users' notebooks were not visible (403 on notebooks/all): get the permission "
        "modelarts:notebook:list for all, or accept the risk with --in-use own",
    )


def build_plan(
    seen: Survey,
    policy: Policy,
    target: TargetRef,
    *,
    plan_id: str,
    now: datetime,
    expires: timedelta,
    as_of: datetime | None = None,
) -> Plan:
    """Decide about everything seen; pure. `as_of` decides as if it were then (a forecast)."""
    decisions = select(seen.images, policy, seen.in_use, as_of or now)
    run_limits = limits.RunLimits.of(policy)
    header = Header(
        plan_id=plan_id,
        created_at=now,
        expires_at=now + expires,
        tool_version=cleanup.__version__,
        target=target,
        policy=PolicyRef(sha256=policy.sha256, files=policy.files, limits=run_limits),
        inventory=InventoryRef(
            images=len(seen.images),
            notebooks=seen.notebooks,
            complete=seen.complete,
            own=sum(image.is_dedicated for image in seen.images),
            in_use=seen.scope,
            pins=seen.pins,
            doubts=seen.doubts,
        ),
        as_of=as_of,
    )
    deletes = [decision for decision in decisions if decision.action is Action.DELETE]
    return plan.make(header, decisions, limits.violations(deletes, seen.images, run_limits))
