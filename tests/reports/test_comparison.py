"""Two plans: what changed and why, as far as they tell; the same in every format."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from cleanup.decision.diff import ChangeKind, changes
from cleanup.decision.types import Reason
from cleanup.errors import UsageError
from cleanup.kinds import FileKind
from cleanup.plan import file as plan_file
from cleanup.reports import Format, render
from cleanup.reports.comparison_view import between_plans
from tests.support.builders import NOW
from tests.support.cloud import Cli
from tests.support.kinds import BEGINNINGS
from tests.support.plans import HERE, decided, plan_of

LATER = NOW + timedelta(days=1)
OLD = [
    decided("same"),
    decided("aged", Reason.TOO_YOUNG),
    decided("used", Reason.EXPIRED),
    decided("freed", Reason.IN_USE, None),
    decided("forced"),
    decided("moved", rule="a"),
    decided("kept", Reason.KEEP_LAST),
    decided("gone"),
    decided("pushed", age=100),
]
NEW = [
    decided("SAME", tag="dev-same"),
    decided("aged"),
    decided("used", Reason.IN_USE, None),
    decided("freed"),
    decided("forced", force=True),
    decided("moved", rule="b"),
    decided("kept", Reason.TOO_YOUNG),
    decided("new", Reason.TOO_YOUNG),
    decided("pushed", Reason.TOO_YOUNG, age=1),
]
WHY = {
    "aged": (ChangeKind.NEWLY_DELETED, "time passed: it is old enough now"),
    "freed": (ChangeKind.NEWLY_DELETED, "it is no longer used"),
    "forced": (ChangeKind.FORCE, "who else has or uses its content changed"),
    "moved": (ChangeKind.RULE, "who else has or uses its content changed"),
    "pushed": (
        ChangeKind.NO_LONGER_DELETED,
        "the image changed: updated 2026-08-15 12:00:00 UTC -> 2026-11-22 12:00:00 UTC",
    ),
    "used": (ChangeKind.NO_LONGER_DELETED, "it is used now"),
    "kept": (ChangeKind.REASON, "newer images took its place among those that stay"),
    "new": (ChangeKind.APPEARED, "the image was not there before"),
    "gone": (ChangeKind.VANISHED, "the image is not there any more"),
}


def test_every_change_has_its_kind_and_its_why_the_worst_first() -> None:
    found = changes(OLD, NEW, same_policy=True)
    assert [(one.image.id, (one.kind, one.why)) for one in found] == list(WHY.items())
    assert changes(OLD, OLD) == ()


def test_another_policy_is_named_as_the_cause_or_as_one_of_two() -> None:
    why = {one.image.id: one.why for one in changes(OLD, NEW)}
    assert why["aged"] == "the policy changed"
    assert why["used"] == "it is used now; the policy changed, too"


def test_a_new_image_that_goes_at_once_is_newly_deleted() -> None:
    (change,) = changes([], [decided("x")])
    assert (change.kind, change.why) == (ChangeKind.NEWLY_DELETED, "the image was not there before")


def test_the_earlier_plan_is_before_whichever_is_named_first() -> None:
    old, new = plan_of(OLD), plan_of(NEW, plan_id="plan-2", created_at=LATER)
    documents = [
        json.loads("".join(render([between_plans(*pair)], Format.JSON))) for pair in ((new, old), (old, new))
    ]
    assert documents[0] == documents[1]
    document = documents[0]
    assert (document["before"]["plan_id"], document["after"]["plan_id"]) == ("plan-1", "plan-2")
    assert (document["changed"], document["unchanged"]) == (9, 1)
    assert sum(document["by_change"].values()) == 9
    rows = list(csv.DictReader(io.StringIO("".join(render([between_plans(new, old)], Format.CSV)))))
    assert [(row["id"], row["change"], row["why"]) for row in rows] == [
        (id_, kind, why) for id_, (kind, why) in WHY.items()
    ]
    assert rows[-1]["after_action"] == rows[-2]["before_action"] == ""


@pytest.mark.parametrize("form", [Format.TABLE, Format.MARKDOWN])
def test_people_read_the_same(form: Format) -> None:
    old, new = plan_of(OLD), plan_of(NEW, plan_id="plan-2", created_at=LATER, policy="cd" * 32)
    shown = "".join(render([between_plans(new, old)], form, width=200))
    for word in ("2 newly deleted", "the policies differ", "not there", "keep too-young", "with content"):
        assert word in shown


def test_what_makes_plans_hard_to_compare_is_said() -> None:
    other = plan_of(
        NEW,
        created_at=LATER,
        as_of=LATER + timedelta(days=30),
        target=msgspec.structs.replace(HERE, workspaces=("0", "1")),
        inventory=msgspec.structs.replace(
            plan_of(NEW).header.inventory, complete=False, in_use="off", pins=3, users={"jobs": 1}
        ),
    )
    told = between_plans(other, plan_of(OLD)).warnings
    for word in ("forecast for 2026-12-24", "not complete", "workspaces differ", "--users", "pins differ"):
        assert any(word in one for one in told), word
    assert between_plans(plan_of(NEW), plan_of(OLD)).warnings == ()
    stranger = plan_of(NEW, target=msgspec.structs.replace(HERE, project_id="ffff"))
    with pytest.raises(UsageError, match=r"project 0a1b2c3d4e5f at .* project ffff .*: only plans of one"):
        between_plans(stranger, plan_of(OLD))


def test_report_takes_two_plans_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    plan_file.write(plan_of(OLD), tmp_path / "old.jsonl")
    plan_file.write(plan_of(NEW, plan_id="plan-2", created_at=LATER), tmp_path / "new.jsonl")
    called = cli("report", "new.jsonl", "old.jsonl", "-o", "changes.json")
    assert (called.exit_code, called.stdout) == (0, "")
    assert json.loads((tmp_path / "changes.json").read_text())["report"] == "comparison"
    (tmp_path / "journal.jsonl").write_text(BEGINNINGS[FileKind.JOURNAL])
    called = cli("report", "new.jsonl", "journal.jsonl")
    assert called.exit_code == 8
    assert "journal.jsonl is a journal, not a plan" in called.stderr
