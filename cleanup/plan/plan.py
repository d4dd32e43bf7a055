"""A plan: what was decided, under which policy, for which target, and until when it may be applied."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Annotated, Any

import msgspec

from cleanup.config.settings import TargetRef
from cleanup.decision.decisions import Decisions, parts_of
from cleanup.decision.types import Action, Decision
from cleanup.errors import RecordRejected
from cleanup.image import label_of
from cleanup.image_columns.fields import column, moments
from cleanup.plan.sealed import SCHEMA
from cleanup.plan.summary import Summary
from cleanup.policy.language import Policy

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that was decided by: the digest of its files, their names, and all that they say."""

    sha256: str
    files: tuple[str, ...]
    document: dict[str, Any]


class InventoryRef(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan was decided on. `in_use` is the scope of notebooks that was asked for, `users` how many
    there were of each kind that was asked; `doubts` says in words why `complete` is false. `unseen` are
    workspaces that could not be read, for which `force` is withheld; `notes` what else the log said.
    `pins_sha256` is over what pins name, whatever their files; `job_history_s` in seconds."""

    images: int
    notebooks: int
    complete: bool
    own: int = 0
    in_use: str = "all"
    pins: int = 0
    pins_sha256: str = ""
    job_history_s: float | None = None
    doubts: tuple[str, ...] = ()
    users: dict[str, int] = {}
    unseen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="plan"):
    schema: int = SCHEMA
    plan_id: str
    created_at: Moment
    expires_at: Moment
    tool_version: str
    target: TargetRef
    policy: PolicyRef
    inventory: InventoryRef
    warnings: tuple[str, ...] = ()
    as_of: Moment | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan; `policy` is what its header carries, read."""

    header: Header
    policy: Policy
    decisions: Sequence[Decision]
    summary: Summary

    @property
    def deletes(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.action is Action.DELETE)


def in_plan_order(decisions: Iterable[Decision]) -> Sequence[Decision]:
    """Deletes first and oldest first, then keeps by name; ties by id, so that one inventory gives one plan."""
    held = decisions if isinstance(decisions, Decisions) else tuple(decisions)
    parts = parts_of(held)
    ids, updated = column(parts.images, "id"), moments(parts.images, "updated_at")
    namespaces, names, tags = (column(parts.images, name) for name in ("namespace", "name", "tag"))
    rulings = parts.rulings
    # In steps, for a sort keeps the order of what is equal to it: a million keys of several parts take much room.
    by_id = sorted(parts.numbers, key=ids.__getitem__)
    deletes = [number for number in by_id if rulings[number].action is Action.DELETE]
    deletes.sort(key=updated.__getitem__)
    keeps = [number for number in by_id if rulings[number].action is Action.KEEP]
    keeps.sort(key=lambda number: label_of(namespaces[number], names[number], tags[number]))
    if isinstance(held, Decisions):
        return held.in_order(chain(deletes, keeps))
    return tuple(held[number] for number in chain(deletes, keeps))


def require_policy(plan: Plan, policy: Policy) -> None:
    """Raise RecordRejected unless the plan was made from exactly this policy."""
    carried = plan.header.policy
    if (carried.sha256, carried.document) != (policy.sha256, policy.document):
        raise RecordRejected(
            f"the plan was made from another policy ({', '.join(carried.files)}, sha256 {carried.sha256[:12]}) "
            f"than {', '.join(policy.files)} (sha256 {policy.sha256[:12]}): plan again"
        )


def check_applicable(plan: Plan, target: TargetRef, now: datetime) -> None:
    """Raise RecordRejected unless this plan may be applied to this target now (exit code 8)."""
    header = plan.header
    if other := header.target.differs_from(target):
        raise RecordRejected(f"the plan is for {other}")
    if header.as_of is not None:
        raise RecordRejected(
            "the plan is a forecast (made with --as-of) and cannot be applied: plan again without it"
        )
    if now >= header.expires_at:
        raise RecordRejected(
            f"the plan expired at {header.expires_at:%Y-%m-%d %H:%M:%S} UTC: plan again (--expires gives it more time)"
        )
    if now < header.created_at and (header.created_at - now).total_seconds() > 300:
        raise RecordRejected("the plan was made in the future: is this machine's clock right?")
