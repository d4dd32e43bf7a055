"""From a project to a plan: read its inventory, decide about everything in it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import cleanup
from cleanup.config.connect import connect
from cleanup.config.job import Job
from cleanup.config.pins import pins_digest
from cleanup.decision import limits
from cleanup.decision.decisions import rules_of
from cleanup.decision.select import select
from cleanup.errors import Interrupted
from cleanup.image_columns.fields import codes
from cleanup.modelarts.client import Client
from cleanup.modelarts.inventory import Inventory, read_inventory
from cleanup.modelarts.users.kinds import UserKind
from cleanup.plan.plan import Header, InventoryRef, Plan, PolicyRef, in_plan_order
from cleanup.plan.summary import summarize
from cleanup.policy.language import Policy
from cleanup.policy.lint import lint, lint_against

LIFETIME = timedelta(hours=24)


async def make_plan(
    job: Job, policy: Policy, *, expires: timedelta = LIFETIME, as_of: datetime | None = None
) -> Plan:
    """Read the inventory of the job's target and decide; nothing is written.

    Raises AccessDenied, InventoryError, Interrupted.
    """
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        inventory = await look(job, client)
    return build_plan(inventory, policy, job, expires=expires, as_of=as_of)


async def read_only_look(job: Job) -> Inventory:
    """The inventory of the job's target, for those who only look."""
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        with job.progress:
            return await look(job, client)


async def look(job: Job, client: Client, *, again: bool = False) -> Inventory:
    """The inventory of the job's target; given up, with Interrupted, when a stop is asked for.

    `again`: a plan was made before.
    """
    job.progress.watch(lambda: client.held)
    job.progress.begin("listing images again" if again else "listing images")
    inventory = await job.stop.unless_requested(
        lambda: read_inventory(
            client, job.target.workspaces, job.asked_users, job.target.pins, job.runtime, job.progress
        )
    )
    if inventory is None:
        raise Interrupted(f"{job.stop.why}: nothing was deleted")
    for note in inventory.notes:
        job.progress.note(note)
    return inventory


def build_plan(
    inventory: Inventory,
    policy: Policy,
    job: Job,
    *,
    expires: timedelta = LIFETIME,
    as_of: datetime | None = None,
) -> Plan:
    """Decide about all images. `as_of` decides as if it were then (a forecast)."""
    job.progress.begin("deciding")
    now = job.runtime.now()
    decided = select(
        inventory.images,
        policy,
        inventory.in_use,
        as_of or now,
        others=inventory.others,
        unseen=inventory.unseen,
    )
    job.runtime.say_more(
        f"decided about {len(decided):,} images",
        policy=", ".join(policy.files),
        policy_sha256=policy.sha256[:12],
        in_use=len(inventory.in_use.uses),
    )
    deletes = decided.in_order(decided.going())
    over_limits = limits.violations(deletes, inventory.images, limits.RunLimits.of(policy))
    deciding = {rule for rule in rules_of(decided) if rule}
    warnings = (*lint(policy), *lint_against(policy, inventory.images, deciding))
    return Plan(
        header=_header(inventory, policy, job, now, now + expires, as_of, warnings),
        policy=policy,
        decisions=in_plan_order(decided),
        summary=summarize(decided, over_limits),
    )


def _header(
    inventory: Inventory,
    policy: Policy,
    job: Job,
    now: datetime,
    expires_at: datetime,
    as_of: datetime | None,
    warnings: Iterable[object],
) -> Header:
    return Header(
        plan_id=job.run_id,
        created_at=now,
        expires_at=expires_at,
        tool_version=cleanup.__version__,
        target=job.target.ref,
        policy=PolicyRef(sha256=policy.sha256, files=policy.files, document=policy.document),
        inventory=_looked_at(inventory),
        warnings=(*map(str, warnings), *_empty_places(inventory, job.target.workspaces)),
        as_of=as_of,
    )


def _looked_at(inventory: Inventory) -> InventoryRef:
    return InventoryRef(
        images=len(inventory.images),
        notebooks=inventory.users.get(UserKind.NOTEBOOKS, 0),
        users={kind.value: count for kind, count in inventory.users.items()},
        complete=not inventory.doubts,
        own=limits.own_images(inventory.images),
        in_use=inventory.asked.notebooks,
        unseen=inventory.unseen,
        notes=inventory.notes,
        pins=inventory.pins,
        pins_sha256=pins_digest(inventory.in_use),
        job_history_s=inventory.asked.job_history.total_seconds(),
        doubts=inventory.doubts,
    )


def _empty_places(inventory: Inventory, workspaces: Sequence[str]) -> Iterator[str]:
    """What was read and held nothing: a wrong workspace or project looks so, and so does a login that sees little."""
    filled = {workspace for (workspace,) in codes(inventory.images, ("workspace_id",)).values}
    for workspace in workspaces:
        if not filled & {workspace, None}:
            yield f"workspace {workspace} holds no image: is it the right one, of the right project?"
    if inventory.images and inventory.users and not any(inventory.users.values()):
        yield f"nobody uses any image: none of {', '.join(inventory.users)} was found; can this login see them all?"
