"""The question before anything is deleted, on a pseudo-terminal; and --strict, which asks nobody."""

import os
import pty
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cleanup.simulator import PROJECT_ID
from tests.support.cloud import Called, Cli, Cloud, Serve

POLICY = """\
version: 1
rules:
  - name: stale
    match: {visibility: PRIVATE}
    older_than: 60d
    force: true
limits: {max_percent: 100}
"""
IDLE_RULE = POLICY.replace(
    "limits", "  - {name: idle, match: {name: nothing-at-all}, older_than: 1d}\nlimits"
)
END = "\x04"  # Ctrl-D
Answer = Callable[..., Called]


@pytest.fixture
def cloud(serve_cloud: Serve, tmp_path: Path) -> Cloud:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return serve_cloud(images=40)


@pytest.fixture
def answer(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answer]:
    """`answer("default\\n", "apply", ...)`: the command on a terminal at which this has been typed."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r", encoding="utf-8") as terminal:

        def call(typed: str, *words: object) -> Called:
            os.write(ours, typed.encode())
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stdin", terminal)
                patch.setattr("cleanup.cli.confirmation.is_watched", terminal.isatty)
                return cli(*words)

        yield call
    os.close(ours)


@pytest.fixture
def plan(cli: Cli, cloud: Cloud) -> str:
    assert cli("plan", "-p", "policy.yaml", "-o", "plan.jsonl", *cloud.options).exit_code == 0
    return "plan.jsonl"


class TestApply:
    @pytest.mark.parametrize("typed", ["default\n", f" {PROJECT_ID} \n"], ids=["name", "project"])
    def test_the_target_s_name_or_its_project_is_a_yes(
        self, answer: Answer, cloud: Cloud, plan: str, typed: str
    ) -> None:
        called = answer(typed, "apply", plan, *cloud.options)
        assert called.exit_code == 0, called.output
        assert cloud.deleted
        assert f"{len(cloud.deleted)}  stale" in called.stderr
        assert f"project {PROJECT_ID}, workspace 0" in called.stderr
        assert "leave SWR for good" in called.stderr

    @pytest.mark.parametrize("typed", ["y\n", "\n", END, "yes\n"], ids=["y", "nothing", "end", "yes"])
    def test_anything_else_deletes_nothing(
        self, answer: Answer, cloud: Cloud, plan: str, tmp_path: Path, typed: str
    ) -> None:
        cloud.service.requests.clear()
        called = answer(typed, "apply", plan, "--journal", "j.jsonl", *cloud.options)
        assert called.exit_code == 2
        assert "aborted: nothing was deleted" in called.stderr
        assert not cloud.service.requests
        assert not (tmp_path / "j.jsonl").exists()

    def test_yes_does_not_ask(self, answer: Answer, cloud: Cloud, plan: str) -> None:
        called = answer("", "apply", plan, "--yes", *cloud.options)
        assert called.exit_code == 0
        assert cloud.deleted
        assert "type" not in called.stderr

    def test_nobody_is_asked_what_is_refused_anyway(
        self, answer: Answer, cli: Cli, cloud: Cloud, tmp_path: Path
    ) -> None:
        (tmp_path / "policy.yaml").write_text(POLICY.replace("100", "1"))
        cli("plan", "-p", "policy.yaml", "-o", "plan.jsonl", *cloud.options)
        assert answer("", "apply", "plan.jsonl", *cloud.options).exit_code == 4
        cli("plan", "-p", "policy.yaml", "-o", "far.jsonl", "--as-of", "2030-01-01", *cloud.options)
        assert answer("", "apply", "far.jsonl", *cloud.options).exit_code == 8

    def test_a_signal_at_the_question_ends_it(
        self, answer: Answer, cloud: Cloud, plan: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def waiting(_: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await sleep_forever()

        from anyio import sleep_forever

        monkeypatch.setattr("cleanup.cli.confirmation.anyio.wait_readable", waiting)
        called = answer("", "apply", plan, *cloud.options)
        assert called.exit_code == 7
        assert "nothing was deleted" in called.stderr
        assert cloud.deleted == {}

    def test_a_plan_that_is_replaced_after_the_answer_is_not_applied(
        self, answer: Answer, cli: Cli, cloud: Cloud, plan: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def answered(_: object) -> None:
            put_there()

        def put_there() -> None:
            Path("other.jsonl").replace(plan)

        assert cli("plan", "-p", "policy.yaml", "-o", "other.jsonl", *cloud.options).exit_code == 0
        monkeypatch.setattr("cleanup.cli.confirmation.anyio.wait_readable", answered)
        called = answer("default\n", "apply", plan, *cloud.options)
        assert called.exit_code == 8
        assert "replaced after it had been confirmed" in called.stderr
        assert cloud.deleted == {}

    def test_many_targets_are_asked_about_once(self, answer: Answer, serve_cloud: Serve) -> None:
        clouds = [serve_cloud(images=12, seed=seed) for seed in (1, 2)]
        entries = "".join(
            f"  - {{name: team-{number}, endpoint: '{cloud.url}', project_id: {PROJECT_ID}, auth: none}}\n"
            for number, cloud in enumerate(clouds)
        )
        Path("targets.yaml").write_text(
            f"version: 1\ndefaults: {{rate: 500, policies: [policy.yaml]}}\ntargets:\n{entries}"
        )
        Path("policy.yaml").write_text(POLICY)
        Path("plans").mkdir()
        words = ("--targets", "targets.yaml")
        assert answer("", "plan", "-o", "plans", *words).exit_code == 0
        assert answer("team-0\n", "apply", "plans", *words).exit_code == 2
        assert not clouds[0].deleted
        called = answer("2 targets\n", "apply", "plans", *words)
        assert called.exit_code == 0, called.output
        assert all(cloud.deleted for cloud in clouds)
        assert "Target team-0, " in called.stderr
        assert "Target team-1, " in called.stderr


class TestRun:
    def test_it_asks_after_the_plan_was_shown(self, answer: Answer, cloud: Cloud) -> None:
        words = ("run", "-p", "policy.yaml", "--apply", *cloud.options)
        refused = answer("no\n", *words)
        assert refused.exit_code == 2
        assert "the plan is kept: image-cleanup apply image-cleanup-" in refused.stderr
        assert cloud.deleted == {}
        assert answer("default\n", *words).exit_code == 0
        assert cloud.deleted

    def test_where_nothing_is_due_nobody_is_asked(self, answer: Answer, cloud: Cloud) -> None:
        Path("policy.yaml").write_text(POLICY.replace("60d", "9999d"))
        called = answer("", "run", "-p", "policy.yaml", "--apply", *cloud.options)
        assert called.exit_code == 0
        assert "0 planned" in called.stderr
        assert "nothing is due: " in called.stderr
        assert " too-young" in called.stderr


class TestStrict:
    @pytest.mark.parametrize("command", ["run --apply", "run", "plan"])
    def test_a_warning_ends_it_before_anything_is_deleted(
        self, cli: Cli, cloud: Cloud, tmp_path: Path, command: str
    ) -> None:
        (tmp_path / "policy.yaml").write_text(IDLE_RULE)
        called = cli(*command.split(), "-p", "policy.yaml", "--strict", *cloud.options)
        assert called.exit_code == 2, called.output
        assert "the rule 'idle' matches none" in called.stderr
        assert "1 warning and --strict: nothing was deleted" in called.stderr
        assert cloud.deleted == {}
        if command == "plan":
            assert "stale" in called.stdout
            assert not [*tmp_path.glob("*.plan.jsonl")]

    def test_the_warnings_of_a_plan_end_its_apply(self, cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(IDLE_RULE)
        planned = cli("plan", "-p", "policy.yaml", "-o", "plan.jsonl", *cloud.options)
        assert "plan written to plan.jsonl; 1 warning" in planned.stderr
        assert cli("apply", "plan.jsonl", "--strict", *cloud.options).exit_code == 2
        assert cloud.deleted == {}
        called = cli("apply", "plan.jsonl", *cloud.options)
        assert called.exit_code == 0
        assert "; 1 warning; journal: " in called.stderr

    def test_validate(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(POLICY.replace("PRIVATE", "PRIVAT"))
        assert cli("validate", "policy.yaml").exit_code == 0
        called = cli("validate", "policy.yaml", "--strict")
        assert called.exit_code == 2
        assert "valid; 1 rule, 0 protect entries; 1 warning" in called.stdout

    def test_what_holds_nothing_is_said(self, cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(POLICY)
        cloud = serve_cloud(images=1)
        words = ("run", "-p", "policy.yaml", "--apply", *cloud.options, "--workspace", "3f7c")
        called = cli(*words)
        assert called.exit_code == 0
        assert "workspace 3f7c holds no image" in called.stderr
        assert cli(*words, "--strict").exit_code == 2

    def test_an_empty_shard_is_said(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(POLICY)
        (tmp_path / "targets.yaml").write_text(
            "version: 1\ntargets:\n"
            f"  - {{name: a, endpoint: 'http://127.0.0.1:1', project_id: {PROJECT_ID}, auth: none}}\n"
        )
        words = ("run", "-p", "policy.yaml", "--targets", "targets.yaml", "--shard", "1/2")
        called = cli(*words)
        assert called.exit_code == 0
        assert "this shard has no target, so nothing was done" in called.stderr
        assert cli(*words, "--strict").exit_code == 2
