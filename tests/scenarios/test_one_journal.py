"""One journal over many nights: no doubt is forgotten, none needs the plan, nothing that was said is taken back."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanup.cli.event_loop import real_runtime
from cleanup.journal import read
from cleanup.simulator.routes import Operation
from tests.support.builders import events, lines_of, real_now, reseal
from tests.support.chaos import (
    POLICY,
    Job,
    Prepare,
    Witness,
    audit_chain,
    check_run,
    nth,
    preparing,
    read_runs,
    set_faults,
)
from tests.support.cloud import Cli, Serve
from tests.support.killed import as_a_kill_leaves, images_of

SENT = 3  # images whose DELETE had its effect and whose result nobody wrote down
LEFT = 4  # images that were not begun


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


@pytest.fixture
def killed(cli: Cli, prepare: Prepare) -> Job:
    """An apply as a kill leaves it: SENT images in doubt and gone, one in doubt and still there, LEFT not begun."""
    job = prepare(Witness(60))
    before = images_of(job.service)
    assert cli(*job.apply).exit_code == 0
    as_a_kill_leaves(job.journal, job.service, before, gone=SENT, left=LEFT, there=1)
    job.write_ahead.start_over()
    job.service.requests.clear()
    assert len(read(job.journal).in_doubt) == SENT + 1
    return job


def outcomes(line: list[dict[str, Any]]) -> list[str]:
    return sorted(one["outcome"] for one in line)


def plan_anew(cli: Cli, job: Job, *options: object) -> None:
    job.plan.unlink()
    policy = ("-p", job.folder / "policy.yaml")
    assert cli("plan", *policy, "-o", job.plan, *(options or job.cloud.options)).exit_code == 0


class TestADoubtIsNeverForgotten:
    @pytest.mark.parametrize("again", ["run", "another plan", "the same plan"])
    def test_whoever_appends_to_the_journal_settles_it_first(self, cli: Cli, killed: Job, again: str) -> None:
        job = killed
        if again == "another plan":
            plan_anew(cli, job)
        called = cli(*(job.run if again == "run" else job.apply))
        assert called.exit_code == 0, called.output
        assert f"{SENT} already-gone, 1 not-attempted" in called.stderr
        first, settled, last = read_runs(job.journal)
        assert settled.started["resumes"] == first.started["run_id"]
        assert settled.started["plan_id"] == first.started["plan_id"]
        check_run(settled, dict.fromkeys(first.intents.keys() - first.results.keys(), True), 7)
        assert outcomes([*settled.results.values()]) == ["already-gone"] * SENT + ["not-attempted"]
        assert last.started["resumes"] is None
        assert last.outcomes["deleted"] == LEFT + 1
        assert not read(job.journal).in_doubt
        before = job.journal.read_bytes()
        assert "nothing to resume" in cli(*job.resume).stderr
        assert job.journal.read_bytes() == before

    def test_resume_settles_those_of_every_plan(self, cli: Cli, killed: Job) -> None:
        """A journal of before, to which another plan was applied over the doubts."""
        job = killed
        old = job.journal.read_bytes()
        job.journal.unlink()
        job.write_ahead.start_over()
        assert cli(*job.run).exit_code == 0
        job.journal.write_bytes(old + job.journal.read_bytes())
        assert (
            "4 deletes of earlier plans in doubt" not in cli("report", job.journal).stdout
        )  # one went since
        assert f"{SENT} deletes of earlier plans in doubt" in cli("report", job.journal).stdout
        called = cli(*job.resume)
        assert called.exit_code == 0, called.output
        first, last, settled = read_runs(job.journal)
        assert settled.started["resumes"] == first.started["run_id"]
        assert outcomes([*settled.results.values()]) == ["already-gone"] * SENT
        assert last.outcomes["deleted"] == LEFT + 1
        assert "nothing to resume" in cli(*job.resume).stderr

    def test_those_of_another_project_are_not_looked_up_in_this_one(self, cli: Cli, killed: Job) -> None:
        job = killed
        job.journal.write_text(job.journal.read_text().replace(job.service.project_id, "0" * 32))
        before = job.journal.read_bytes()
        called = cli(*job.run)
        assert called.exit_code == 2
        assert "image-cleanup resume" in called.stderr
        resumed = cli(*job.resume)
        assert resumed.exit_code == 8
        assert not {Operation.DELETE, Operation.SHOW} & {one.operation for one in job.service.requests}
        assert job.journal.read_bytes() == before


def expire(cli: Cli, job: Job) -> None:
    cli.runtime = replace(cli.runtime, now=lambda: real_now() + timedelta(hours=25))


def move(_: Cli, job: Job) -> None:
    job.plan.rename(job.folder / "elsewhere.jsonl")


def replace_by_a_folder(_: Cli, job: Job) -> None:
    job.plan.unlink()
    job.plan.mkdir()


def overwrite(cli: Cli, job: Job) -> None:
    plan_anew(cli, job)


def edit(_: Cli, job: Job) -> None:
    job.plan.write_text(job.plan.read_text().replace("ACTIVE", "ERROR", 1))


@pytest.mark.parametrize("lose", [expire, move, replace_by_a_folder, overwrite, edit])
def test_a_doubt_is_settled_without_the_plan_and_nothing_is_deleted(
    cli: Cli, killed: Job, lose: Callable[[Cli, Job], None]
) -> None:
    job = killed
    lose(cli, job)
    resumed = cli(*job.resume)
    assert resumed.exit_code == 8, resumed.output
    assert "plan again" in resumed.stderr
    assert not job.service.asked(Operation.DELETE)
    first, settled = read_runs(job.journal)
    left = LEFT if lose is expire else 0  # without the plan nobody knows what was never begun
    assert outcomes([*settled.results.values()]) == ["already-gone"] * SENT + ["not-attempted"] * (1 + left)
    check_run(settled, dict.fromkeys(settled.results, True), 8)
    assert first.intents.keys() - first.results.keys() <= settled.results.keys()
    before, asked = job.journal.read_bytes(), len(job.service.requests)
    again = cli(*job.resume)
    assert again.exit_code == 8
    assert job.journal.read_bytes() == before
    assert len(job.service.requests) == asked


def told(cli: Cli, job: Job) -> dict[str, Any]:
    """What `report` says of the journal, but for its runs and how long they took."""
    document = json.loads(cli("report", job.journal, "--format", "json").stdout)
    return {key: document[key] for key in ("planned", "by_outcome", "no_result", "to_resume", "bytes_freed")}


@pytest.mark.parametrize("again", ["the same plan", "another plan of the same inventory"])
def test_applying_again_takes_nothing_back(cli: Cli, prepare: Prepare, again: str) -> None:
    job = prepare(Witness(60))
    assert cli("inventory", "-o", "inventory.jsonl", *job.cloud.options).exit_code == 0
    assert cli(*job.apply).exit_code == 0
    before, restorable = told(cli, job), cli("restore", job.journal, *job.cloud.options).stdout
    assert before["by_outcome"]["deleted"] == len(job.planned)
    assert before["bytes_freed"] > 0
    if again != "the same plan":
        plan_anew(cli, job, "--inventory", "inventory.jsonl")
    called = cli(*job.apply)
    assert called.exit_code == 0
    assert {line["outcome"] for line in events(job.journal, "delete.result")} == {"deleted", "already-gone"}
    assert told(cli, job) == before
    assert cli("restore", job.journal, *job.cloud.options).stdout == restorable
    assert "nothing to resume" in cli(*job.resume).stderr


def remove(journal: Path) -> None:
    journal.unlink()


def replace_it(journal: Path) -> None:
    copy = journal.with_name("copy.jsonl")
    copy.write_bytes(journal.read_bytes())
    copy.replace(journal)


def cut_short(journal: Path) -> None:
    os.truncate(journal, journal.stat().st_size // 2)


def add_to(journal: Path) -> None:
    with journal.open("a") as file:
        file.write('{"event":"x"}\n')


def write_over(journal: Path) -> None:
    with journal.open("r+b") as file:
        file.write(b"x" * journal.stat().st_size)


def lead_elsewhere(journal: Path) -> None:
    journal.symlink_to(journal.rename(journal.with_name("elsewhere.jsonl")))


@pytest.mark.parametrize("touch", [remove, replace_it, cut_short, add_to, write_over, lead_elsewhere])
def test_no_delete_leaves_when_the_journal_is_touched(
    cli: Cli, prepare: Prepare, touch: Callable[[Path], None]
) -> None:
    job = prepare(Witness(60), "--concurrency", "1")
    job.service.onlookers.append(nth(Operation.DELETE, 5, lambda: touch(job.journal)))
    called = cli(*job.apply, "--format", "json")
    assert called.exit_code == 7, called.output
    assert len(job.service.asked(Operation.DELETE)) == 5
    assert f"the journal {job.journal} was" in called.stderr
    assert ("finish it with" in called.stderr) is job.journal.exists()


def test_a_plan_that_expires_while_it_is_applied_is_not_gone_on_with(cli: Cli, prepare: Prepare) -> None:
    job = prepare(Witness(60), "--concurrency", "1")
    late = timedelta()

    def jump() -> None:
        nonlocal late
        late = timedelta(hours=24)

    cli.runtime = replace(cli.runtime, now=lambda: real_now() + late)
    job.service.onlookers.append(nth(Operation.DELETE, 5, jump))
    called = cli(*job.apply)
    assert called.exit_code == 7, called.output
    assert "plan again" in called.stderr
    (run,) = read_runs(job.journal)
    check_run(run, job.planned, 7)
    assert run.outcomes == {"deleted": 5, "not-attempted": len(job.planned) - 5}
    assert cli(*job.resume).exit_code == 8
    assert len(job.service.asked(Operation.DELETE)) == 5
    audit_chain(job)


def header(**fields: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(lines: list[dict[str, Any]]) -> None:
        lines[0] |= fields
        for name in [name for name, value in fields.items() if value is None]:
            del lines[0][name]

    return change


def first_delete(
    image: dict[str, Any] | None = None, **fields: Any
) -> Callable[[list[dict[str, Any]]], None]:
    def change(lines: list[dict[str, Any]]) -> None:
        lines[1] |= fields
        lines[1]["image"] |= image or {}

    return change


def twice(lines: list[dict[str, Any]]) -> None:
    copy = lines[1] | {"image": lines[1]["image"] | {"id": lines[1]["image"]["id"].upper()}, "force": False}
    lines.insert(1, copy)


@pytest.mark.parametrize(
    "forge",
    [
        header(schema=None),
        header(schema=2),
        header(tool_version="99.0.0"),
        header(tool_version="v99.0.0"),
        header(tool_version=""),
        first_delete(reason="keep-last"),
        first_delete({"type": "BUILD_IN"}),
        first_delete({"type": None}),
        first_delete({"status": "CREATING"}),
        first_delete({"status": "SOMETHING_NEW"}),
        first_delete({"workspace_id": "w-1"}),
        twice,
    ],
)
def test_a_plan_that_no_version_of_ours_writes_is_refused(
    cli: Cli, prepare: Prepare, forge: Callable[[list[dict[str, Any]]], None]
) -> None:
    job = prepare(Witness(60))
    lines = lines_of(job.plan)
    forge(lines)
    reseal(job.plan, lines)
    called = cli(*job.apply)
    assert called.exit_code == 8, called.output
    assert not job.service.asked(Operation.DELETE)
    assert not job.journal.exists()


def test_an_id_in_another_case_names_the_same_image_and_is_not_sent(cli: Cli, prepare: Prepare) -> None:
    job = prepare(Witness(60))
    lines = lines_of(job.plan)
    first_delete({"id": (image_id := lines[1]["image"]["id"]).upper()})(lines)
    reseal(job.plan, lines)
    assert cli(*job.apply).exit_code == 0
    (result,) = (one for one in events(job.journal, "delete.result") if one["image_id"] == image_id.upper())
    assert (result["outcome"], result["attempts"]) == ("drifted", 0)
    assert image_id in job.cloud.image_ids


def test_what_says_it_was_updated_in_the_future_is_left_alone(cli: Cli, prepare: Prepare) -> None:
    policy = POLICY.replace("older_than: 1d", "delete_all: true")
    service = Witness(60)
    image_id = next(image["id"] for image in service.images if image["status"] == "ERROR")
    service.change(image_id, update_at=service.milliseconds() + 86_400_000)
    job = prepare(service, policy=policy)
    assert image_id in job.planned
    assert cli(*job.apply).exit_code == 0
    (result,) = (one for one in events(job.journal, "delete.result") if one["image_id"] == image_id)
    assert (result["outcome"], result["attempts"]) == ("drifted", 0)
    assert "in the future" in result["error_msg"]


def test_a_doubt_that_nobody_can_settle_stays_one_and_stops_nobody(cli: Cli, killed: Job) -> None:
    job = killed
    set_faults(job.cloud, "show:500=1")
    called = cli(*job.run, "--max-attempts", "1")
    assert called.exit_code == 0, called.output
    assert f"{SENT + 1} unknown" in called.stderr
    assert len(read(job.journal).in_doubt) == SENT  # the one that was there is deleted now
    set_faults(job.cloud)
    assert cli(*job.resume).exit_code == 0
    assert not read(job.journal).in_doubt


def test_staleness_goes_by_a_clock_that_a_suspend_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    boottime = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    monkeypatch.setattr(time, "clock_gettime", {boottime: 4321.0}.get)
    assert real_runtime().clock() == 4321.0
