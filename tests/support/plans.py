"""Plans from few words, for tests of what is made of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cleanup.config.settings import TargetRef
from cleanup.decision.types import Action, Decision, Reason
from cleanup.plan.plan import Header, InventoryRef, Plan, PolicyRef, in_plan_order
from cleanup.plan.summary import summarize
from tests.support.builders import EVERYTHING, NOW, make_image

HERE = TargetRef(
    name="default", endpoint="https://modelarts.example.com", project_id="0a1b2c3d4e5f", workspaces=("0",)
)


def decided(id: str, reason: Reason = Reason.EXPIRED, rule: str | None = "r", **fields: Any) -> Decision:
    """A delete, or with another reason a keep."""
    own = {key: fields.pop(key) for key in ("force", "force_withheld") if key in fields}
    return Decision(
        image=make_image(id, **fields),
        action=Action.DELETE if reason is Reason.EXPIRED else Action.KEEP,
        reason=reason,
        rule=rule,
        detail=f"because it is {reason}",
        **own,
    )


def plan_of(decisions: Sequence[Decision], **changes: Any) -> Plan:
    """A plan of these decisions; `policy` is a digest, the rest are fields of the header."""
    ordered = in_plan_order(decisions)
    policy = PolicyRef(
        sha256=changes.pop("policy", "ab" * 32), files=("policy.yaml",), document=EVERYTHING.document
    )
    values: dict[str, Any] = {
        "plan_id": "plan-1",
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
        "tool_version": "0.1.0",
        "target": HERE,
        "inventory": InventoryRef(images=len(ordered), own=len(ordered), notebooks=0, complete=True),
    }
    return Plan(
        header=Header(policy=policy, **values | changes),
        policy=EVERYTHING,
        decisions=ordered,
        summary=summarize(ordered),
    )
