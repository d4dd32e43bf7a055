"""What the main commands say on a screen of 80 x 24, as goldens: no line too long, no name cut without a sign.

UPDATE_GOLDENS=1 writes down what is said now.
"""

import io
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanup.cli import output
from cleanup.config.configuration import Setting
from cleanup.decision.explain import explain
from cleanup.decision.select import select
from cleanup.doctor import Check, CheckLevel, Diagnosis
from cleanup.in_use import InUse, Use
from cleanup.journal.folder import StoredFile, StoredKind
from cleanup.journal.state import State
from cleanup.outcome import Outcome
from cleanup.policy import load
from cleanup.reports import Format, render, view
from cleanup.reports.comparison_view import between_policies
from cleanup.reports.doctor_view import diagnosis
from cleanup.reports.explain_view import explanation
from cleanup.reports.folder_view import folder_view
from cleanup.reports.journal_view import summary_line
from cleanup.reports.plan_verdict import plan_line
from cleanup.reports.restore_view import restore_view
from cleanup.reports.targets_view import TargetEnd, together
from cleanup.reports.view import Report
from cleanup.restore.candidates import Candidate
from cleanup.restore.records import RestoreState
from tests.support.builders import GOLDENS, NOW, make_image, run_finished
from tests.support.cloud import Cli
from tests.support.plans import decided, plan_of

PROTECT = """\
version: 1
protect:
  - namespace: prod-*
    because: serving images are released by hand, by those who are on duty in that week
  - tag: [latest, stable]
"""
RULES = """\
version: 1
rules:
  - name: stale-dev-images
    match:
      visibility: PRIVATE
      namespace: [ml-*, sandbox]
      tag: {any: ["dev-*", "[0-9]*-snapshot", {regex: "^pr-[0-9]+"}]}
    older_than: 90d
    keep_last: 1
"""
CASES = """\
version: 1
policy: [protect.yaml, rules.yaml]
now: "2026-11-23T12:00:00Z"
images:
  - {image: ml-vision/trainer:dev-1, age: 1d, expect: keep}
  - {image: ml-vision/trainer:dev-0, age: 100d, expect: {action: delete, rule: stale-dev-images, force: true}}
  - {image: ml-vision/a-name-that-is-rather-long-for-a-screen:dev-0, age: 100d, expect: delete}
"""
LONG: dict[str, Any] = {"namespace": "ml-speech", "name": "a-name-that-is-rather-long-for-a-narrow-table"}
IMAGES = [
    make_image("39a48c48-855b-4df9-9bf7-6e53c349dc1a", tag="dev-20251003-f5ead06"),
    *(make_image(f"id-{age}", age=age, tag=f"dev-{age}", **LONG) for age in (5, 40, 300)),
    make_image("id-new", age=1, tag="dev-new"),
]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name, text in (("protect.yaml", PROTECT), ("rules.yaml", RULES), ("a.test.yaml", CASES)):
        Path(name).write_text(text)


def check(name: str, told: str) -> None:
    golden = GOLDENS / "screens" / f"{name}.screen"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(told, encoding="utf-8")
    assert max(map(len, told.splitlines())) <= 80
    assert told == golden.read_text(encoding="utf-8")


def explained() -> Report:
    policy = load([Path("protect.yaml"), Path("rules.yaml")])
    in_use = InUse([Use(user="notebook n-of-somebody (STOPPED)", image_id="id-300")])
    return explanation([explain(one, IMAGES, policy, in_use, NOW) for one in (IMAGES[0], IMAGES[3])], NOW)


def compared() -> Report:
    Path("new.yaml").write_text(RULES.replace("90d", "30d"))
    old, new = load([Path("rules.yaml")]), load([Path("new.yaml")])
    before, after = (select(IMAGES, policy, InUse(), NOW) for policy in (old, new))
    return between_policies(old, new, before, after)


def examined() -> Report:
    denied = Check(
        name="list images",
        level=CheckLevel.FAILURE,
        detail="403 ModelArts.0203: no permission for the project 0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        next_step="grant modelarts:image:list to the user, or to the agency that this machine has",
    )
    where = {"endpoint": "https://modelarts.cn-north-4.myhuaweicloud.com", "project_id": "0a1b" * 8}
    settings = (
        Setting(name="endpoint", value=where["endpoint"], origin="the region: image-cleanup.yaml:4:13"),
        Setting(name="project_id", value=where["project_id"], origin="HUAWEICLOUD_SDK_PROJECT_ID"),
    )
    fine = Check(name="clock", level=CheckLevel.OK, detail="this machine is 1 s ahead")
    found = Diagnosis(name="vision", exit_code=5, checks=(fine, denied), settings=settings, **where)
    return diagnosis([found], 80)


def stored() -> Report:
    about: dict[str, Any] = {"target": "vision-prod", "size": 120_000, "identity": ()}
    journal = StoredFile(
        path=Path("image-cleanup-vision-prod-20261122T010000Z-0a1b2c3d.jsonl"),
        kind=StoredKind.JOURNAL,
        last=NOW - timedelta(days=1),
        state=State.UNFINISHED,
        planned=67,
        outcomes={"deleted": 60, "not-attempted": 4},
        in_doubt=3,
        **about,
    )
    plan = StoredFile(
        path=Path("vision-prod.plan.jsonl"),
        kind=StoredKind.PLAN,
        last=NOW - timedelta(hours=2),
        planned=12,
        expires_at=NOW + timedelta(hours=22),
        **about,
    )
    return folder_view(Path("/var/lib/image-cleanup"), [journal, plan], NOW)


def restorable() -> Report:
    states = (RestoreState.RESTORABLE, RestoreState.RESTORABLE, RestoreState.NOT_RESTORABLE)
    found = [
        Candidate(
            image=image,
            state=state,
            outcome=Outcome.DELETED,
            deleted_at=NOW,
            why="its content was deleted, too" if state is RestoreState.NOT_RESTORABLE else None,
        )
        for image, state in zip(IMAGES, states, strict=False)
    ]
    return restore_view(found, {}, journal="j.jsonl", restore_journal="j.restore.jsonl", applied=False)


def of_targets() -> list[Report]:
    plan = plan_of([decided("a"), decided("b", size=41 << 30, force=True, **LONG)])
    line = plan_line(plan.summary)
    failed = "the jobs of workspace 0 could not be read completely: 403; get the permission modelarts:trainJob:list"
    return together([TargetEnd("vision-prod", 0, line, view(plan)), TargetEnd("speech", 6, failed, None)], 6)


SUBJECTS: dict[str, Callable[[], Report | list[Report]]] = {
    "explain": explained,
    "diff": compared,
    "doctor": examined,
    "journals": stored,
    "restore": restorable,
    "targets": of_targets,
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_report_on_a_screen(name: str) -> None:
    made = SUBJECTS[name]()
    many = isinstance(made, list)
    reports = made if isinstance(made, list) else [made]
    check(name, "".join(render(reports, Format.TABLE, many=many, width=80, height=24)))


@pytest.mark.parametrize(
    ("name", "words", "exit_code"),
    [
        ("validate", ("validate", "protect.yaml", "rules.yaml"), 0),
        ("validate-wrong", ("validate", "wrong.yaml"), 2),
        ("test", ("test", "."), 2),
    ],
    ids=["validate", "validate-wrong", "test"],
)
def test_a_command_on_a_screen(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, words: tuple[str, ...], exit_code: int
) -> None:
    Path("wrong.yaml").write_text(RULES.replace("90d", "3 months").replace("keep_last", "kep_last"))
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    assert cli(*words).exit_code == exit_code
    check(name, screen.getvalue())


def test_the_lines_at_the_end_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    output.set_up_logs(None)
    finished = run_finished({Outcome.DELETED: 60, Outcome.FAILED: 3, Outcome.NOT_ATTEMPTED: 4})
    journal = "/var/lib/image-cleanup/image-cleanup-vision-prod-20261122T010000Z-0a1b2c3d.jsonl"
    output.log().info(f"{summary_line(finished)}; 2 warnings; journal: {journal}")
    output.log().warning("stopped early: interrupted by SIGINT")
    plan = plan_of([decided("a"), decided("b", size=41 << 30, force=True)])
    output.log().info(f"plan written to night.plan.jsonl; {plan_line(plan.summary)}")
    check("run", "\n".join(line for line in screen.getvalue().splitlines() if journal not in line) + "\n")
    assert journal in screen.getvalue()  # whole, for it is copied
