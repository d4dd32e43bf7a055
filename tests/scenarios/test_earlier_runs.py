"""`run --apply` finds what an earlier run of its target left unfinished in the folder, and finishes that first."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cleanup.journal import read
from cleanup.journal.state import State, open_journals, state_of
from tests.support.builders import lines_of
from tests.support.chaos import Job, Prepare, Witness, preparing, read_runs
from tests.support.cloud import Called, Cli, Serve
from tests.support.killed import as_a_kill_leaves, images_of

SENT, LEFT = 3, 4


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


@pytest.fixture
def killed(cli: Cli, prepare: Prepare) -> Job:
    """An apply as a kill leaves it: SENT images in doubt and gone, LEFT not begun."""
    job = prepare(Witness(40))
    before = images_of(job.service)
    assert cli(*job.apply).exit_code == 0
    as_a_kill_leaves(job.journal, job.service, before, gone=SENT, left=LEFT)
    job.write_ahead.start_over()
    return job


def unexpected(path: Path, why: str) -> None:
    pytest.fail(f"{path}: {why}")


def run(cli: Cli, job: Job, *options: str) -> Called:
    """Tonight's run, with a journal of its own in the same folder."""
    policy, tonight = job.folder / "policy.yaml", job.folder / "tonight.jsonl"
    return cli(
        "run", "-p", policy, "--apply", "--journal", tonight, *job.cloud.options, *job.options, *options
    )


def test_it_is_resumed_first_and_then_a_new_plan_is_made(cli: Cli, killed: Job) -> None:
    job = killed
    assert [one.state for one in open_journals(job.folder, unexpected)] == [State.UNFINISHED]
    called = run(cli, job)
    assert called.exit_code == 0, called.output
    assert f"{job.journal} is unfinished: it is resumed first" in called.stderr
    resumed = read_runs(job.journal)[-1]
    assert resumed.started["resumes"]
    assert sorted(resumed.outcomes.elements()) == ["already-gone"] * SENT + ["deleted"] * LEFT
    assert state_of(read(job.journal)) is State.FINISHED
    assert read_runs(job.folder / "tonight.jsonl")[0].started["planned"] == 0
    assert "resumed first" not in run(cli, job).stderr


def test_under_another_policy_nothing_more_of_the_old_plan_is_deleted(cli: Cli, killed: Job) -> None:
    job = killed
    before = set(job.cloud.deleted)
    policy = job.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("protect:\n", "protect:\n  - name: '*'\n", 1))
    called = run(cli, job)
    assert called.exit_code == 0, called.output
    assert set(job.cloud.deleted) == before
    settled = read_runs(job.journal)[-1]
    assert sorted(settled.outcomes.elements()) == ["already-gone"] * SENT + ["not-attempted"] * LEFT
    assert state_of(read(job.journal)) is State.GIVEN_UP
    assert "resumed first" not in run(cli, job).stderr


def test_where_the_plan_is_gone_what_is_in_doubt_is_settled(cli: Cli, killed: Job) -> None:
    job = killed
    job.plan.rename(job.folder / "elsewhere.jsonl")
    called = run(cli, job)
    assert called.exit_code == 0, called.output
    settled, tonight = read_runs(job.journal)[-1], read_runs(job.folder / "tonight.jsonl")[0]
    assert settled.outcomes == {"already-gone": SENT}
    assert tonight.outcomes == {"deleted": LEFT}


def test_one_that_is_being_written_is_left_alone(cli: Cli, killed: Job) -> None:
    job = killed
    before = job.journal.read_bytes()
    with job.journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        called = run(cli, job)
    assert called.exit_code == 0, called.output
    assert f"{job.journal} is left alone: another process is writing to it" in called.stderr
    assert job.journal.read_bytes() == before


def of_another_workspace(journal: Path) -> None:
    journal.write_text(journal.read_text().replace('"workspaces": ["0"]', '"workspaces": ["1"]'))


def of_another_project(journal: Path) -> None:
    journal.write_text(journal.read_text().replace("0a1b2c3d4e5f60718293a4b5c6d7e8f9", "0" * 32))


@pytest.mark.parametrize("belong", [of_another_workspace, of_another_project])
def test_one_of_another_target_is_none_of_its_business(
    cli: Cli, killed: Job, belong: Callable[[Path], None]
) -> None:
    job = killed
    belong(job.journal)
    before = job.journal.read_bytes()
    assert [one.path for one in open_journals(job.folder, unexpected)] == [job.journal]
    called = run(cli, job)
    assert called.exit_code == 0, called.output
    assert str(job.journal) not in called.stderr
    assert job.journal.read_bytes() == before


def test_a_dry_run_and_an_apply_leave_it_and_apply_names_the_command(cli: Cli, killed: Job) -> None:
    job = killed
    before = job.journal.read_bytes()
    policy = ("-p", job.folder / "policy.yaml")
    assert cli("run", *policy, *job.cloud.options).exit_code == 0
    assert cli("plan", *policy, "-o", "new.jsonl", *job.cloud.options).exit_code == 0
    called = cli("apply", "new.jsonl", "--journal", job.folder / "new-journal.jsonl", *job.cloud.options)
    assert called.exit_code == 0, called.output
    assert f"{job.journal} is unfinished; finish it with: image-cleanup resume" in called.stderr
    assert job.journal.read_bytes() == before


def test_the_worst_exit_code_counts(cli: Cli, killed: Job) -> None:
    """What is in doubt stays so, for the service does not let it be looked up."""
    job = killed
    job.plan.unlink()
    for line in lines_of(job.journal):
        if line["event"] == "delete.intent" and line["image_id"] not in job.cloud.image_ids:
            job.service.images.put(line["image"] | {"status": "DELETING"})
    called = run(cli, job, "--settle-timeout", "0s")
    assert called.exit_code == 3, called.output


def test_what_cannot_be_read_is_told(cli: Cli, killed: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.open

    def opened(path: Path, *words: Any, **more: Any) -> Any:
        if path.name == killed.journal.name:
            raise PermissionError(13, "Permission denied")
        return whole(path, *words, **more)

    monkeypatch.setattr(Path, "open", opened)
    called = run(cli, killed, "--strict")
    assert called.exit_code == 2
    assert "cannot be read (Permission denied): it may be an unfinished journal" in called.stderr
    assert "and --strict: nothing was deleted" in called.stderr
