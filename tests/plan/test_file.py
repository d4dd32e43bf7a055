"""Reading a plan: proven in one pass, for `apply` and for a report alike, and read again only while it is the same."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cleanup.config.settings import TargetRef
from cleanup.decision.types import Action, Decision, Reason
from cleanup.errors import RecordRejected, UsageError
from cleanup.plan import file as plans
from cleanup.plan import sealed
from cleanup.plan.plan import Header, InventoryRef, Plan, PolicyRef, in_plan_order
from cleanup.plan.summary import summarize
from tests.support.builders import EVERYTHING, NOW, lines_of, make_image, reseal

Lines = list[dict[str, Any]]
READERS = pytest.mark.parametrize("read", [plans.read, plans.read_to_show])


@pytest.fixture(params=[1, 1 << 18])
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A plan of four deletes and two keeps, read a line at a time, or all at once."""
    monkeypatch.setattr(sealed, "_PIECE", request.param)
    decisions = in_plan_order(
        [
            *(decision(f"img-{number}", Action.DELETE, Reason.EXPIRED) for number in range(4)),
            *(decision(f"img-{number}", Action.KEEP, Reason.IN_USE) for number in (4, 5)),
        ]
    )
    target = TargetRef(name="t", endpoint="https://e.example", project_id="a" * 32, workspaces=("0",))
    header = Header(
        plan_id="p",
        created_at=NOW,
        expires_at=NOW,
        tool_version="0.1.0",
        target=target,
        policy=PolicyRef(sha256="ab" * 32, files=("p.yaml",), document=EVERYTHING.document),
        inventory=InventoryRef(images=6, notebooks=0, complete=True),
    )
    path = tmp_path / "plan.jsonl"
    made = Plan(header=header, policy=EVERYTHING, decisions=decisions, summary=summarize(decisions))
    plans.write(made, path)
    return path


def decision(image_id: str, action: Action, reason: Reason) -> Decision:
    forced = action is Action.DELETE
    image = make_image(image_id, workspace_id="0")
    return Decision(image=image, action=action, reason=reason, detail="because", rule="old", force=forced)


def ids(decisions: Any) -> list[str]:
    return [one.image.id for one in decisions]


def test_decisions_that_stay_in_the_file_are_a_sequence_like_those_in_memory(plan: Path) -> None:
    whole, stored = plans.read(plan), plans.read_to_show(plan)
    assert (stored.header, stored.summary) == (whole.header, whole.summary)
    there = ids(whole.decisions)
    assert len(stored.decisions) == 6
    for _ in range(2):
        assert ids(stored.decisions) == there
    assert (ids(stored.decisions[:4]), ids(stored.decisions[4:])) == (there[:4], there[4:])
    assert ids(stored.decisions[2:][1:3]) == there[3:5]
    assert ids(stored.decisions[6:]) == []
    assert (stored.decisions[0].image.id, stored.decisions[-1].image.id) == (there[0], there[-1])
    assert ids(stored.deletes) == ids(whole.deletes)


@pytest.mark.parametrize("change", ["again", "longer", "shorter", "gone"])
def test_a_plan_that_is_changed_while_it_is_shown_is_not_shown_on(plan: Path, change: str) -> None:
    decisions = plans.read_to_show(plan).decisions
    content, times = plan.read_bytes(), plan.stat()
    match change:
        case "again":
            plan.write_bytes(content.replace(b"because", b"BECAUSE"))
            os.utime(plan, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
        case "longer":
            plan.write_bytes(content + b"{}\n")
        case "shorter":
            plan.write_bytes(content[:-200])
        case "gone":
            plan.unlink()
    with pytest.raises(
        (RecordRejected, UsageError), match=r"was changed while it was read|cannot read the plan"
    ):
        list(decisions)


def edited(change: Callable[[Lines], object]) -> Callable[[Path], None]:
    """A plan that somebody edited and sealed again."""

    def edit(path: Path) -> None:
        lines = lines_of(path)
        change(lines)
        reseal(path, lines)

    return edit


def written(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A plan that somebody edited without its seal."""

    def write(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return write


def nested(kind: bytes) -> Callable[[Path], None]:
    """A plan in one of whose lines something is nested too deep to be read."""
    start, deep = b'{"kind":"' + kind + b'",', b'"x":' + b"[" * 100_000 + b"]" * 100_000 + b","
    return written(lambda whole: whole.replace(start, start + deep, 1))


def first_image(**fields: object) -> Callable[[Path], None]:
    return edited(lambda lines: lines[1]["image"].update(fields))


@READERS
@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (written(lambda whole: b""), "is cut off"),
        (written(lambda whole: whole[:-1]), "is cut off"),
        (written(lambda whole: whole[: whole.rindex(b"\n", 0, -1) + 1]), "does not end in the summary"),
        (written(lambda whole: b"x\n"), "is not a plan"),
        (written(lambda whole: whole[whole[:-1].rindex(b"\n") + 1 :]), "was changed after it was written"),
        (written(lambda whole: whole.replace(b"because", b"x", 1)), "was changed after it was written"),
        # What is changed and damaged was changed: the seal comes first.
        (written(lambda whole: whole.replace(b'"decision"', b'"x"', 1)), "was changed after it was written"),
        (written(lambda whole: whole.replace(b'"schema":1', b'"schema":9')), "was changed after"),
        (nested(b"plan"), "was changed after"),
        (nested(b"decision"), "was changed after"),
        (nested(b"summary"), "does not end in the summary"),
        (edited(lambda lines: lines[0].update(schema=9)), "has schema 9"),
        (edited(lambda lines: lines[0]["policy"]["document"].update(version=9)), "is damaged"),
        (edited(lambda lines: lines[1].pop("reason")), "is damaged"),
        (edited(lambda lines: lines[1].update(reason="whim")), "is damaged"),
        (edited(lambda lines: lines.insert(2, {})), "is damaged"),
        (first_image(id=None), r"is damaged \(it has no id\)"),
        (first_image(id="../x"), "is damaged .*cannot stand in a URL"),
        (edited(lambda lines: lines[1].update(action="later")), "is damaged"),
        (first_image(id="IMG-5"), "names an image twice"),
        (first_image(swr_path="swr.example.com/ml-vision/trainer:dev-img-3"), "not its to take"),
        (first_image(visibility="PUBLIC"), "not its to take"),
        (first_image(type="BUILD_IN"), r"must not be: not the project's own \(type BUILD_IN\)"),
        (first_image(status="creating"), r"must not be: it may still be in the making \(status creating\)"),
        (first_image(workspace_id="9"), "must not be: it is in workspace 9"),
        (edited(lambda lines: lines[1].update(reason="in-use")), "must not be: its reason is in-use"),
    ],
)
def test_what_is_not_the_plan_that_was_written_is_refused(
    plan: Path, spoil: Callable[[Path], None], refusal: str, read: Callable[[Path], Plan]
) -> None:
    spoil(plan)
    with pytest.raises(RecordRejected, match=refusal):
        read(plan)


def test_a_summary_that_counts_otherwise_is_refused(plan: Path) -> None:
    whole = plan.read_bytes()
    for read in (plans.read, plans.read_to_show):
        plan.write_bytes(whole.replace(b'"delete":4,"keep":2', b'"delete":5,"keep":1'))
        with pytest.raises(RecordRejected, match="its summary counts other decisions than it holds"):
            read(plan)
