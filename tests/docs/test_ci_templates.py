"""CI templates of deploy/ci and our own workflows: valid, pinned, few permissions; their scripts do what is said."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import command_lines
from tests.support.builders import ROOT
from tests.support.cloud import Cli, Serve

GITHUB, GITLAB = "deploy/ci/github-actions.yaml", "deploy/ci/gitlab-ci.yaml"
WORKFLOWS = [GITHUB, ".github/workflows/ci.yaml", ".github/workflows/release.yaml"]
TEMPLATES = [GITHUB, GITLAB]
OLD = """\
version: 1
rules:
  - {name: old, match: {namespace: "*"}, older_than: 900d}
"""
CASES = """\
version: 1
policy: policy.yaml
now: "2026-06-01T00:00:00Z"
images:
  - {image: sandbox/trainer:v1, age: 1d, expect: {reason: too-young}}
"""
FAKE_CURL = """\
import json, os, pathlib, shutil, sys
args = sys.argv[1:]
asked = " ".join(args)
with open("../calls", "a") as calls:
    print(asked, file=calls)
if "packages/generic" in asked:
    if not pathlib.Path("../inventory.jsonl").exists():
        sys.exit(22)
    shutil.copy("../inventory.jsonl", args[args.index("--output") + 1])
elif "per_page" in asked:
    print(os.environ["NOTES"])
"""
FAKE_GH = """\
import os, sys
with open("../calls", "a") as calls:
    print(" ".join(sys.argv[1:]), file=calls)
if "--paginate" in sys.argv:
    print(os.environ["NOTES"])
"""


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*WORKFLOWS, GITLAB])
def test_it_has_the_form_that_its_service_reads(name: str) -> None:
    kind = ["gitlab-ci", "--data-transform", "gitlab-ci"] if name == GITLAB else ["github-workflows"]
    kind[0] = f"vendor.{kind[0]}"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *kind, str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_and_nothing_is_permitted_unasked(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    assert read(name)["permissions"] in ({}, {"contents": "read"})
    for job in read(name)["jobs"].values():
        assert job["timeout-minutes"]
        checks_out = any("actions/checkout" in step.get("uses", "") for step in job["steps"])
        assert not (checks_out and "write" in job.get("permissions", {}).values())


def test_secrets_stay_with_the_job_that_runs_nothing_of_a_pull_request() -> None:
    secret = {name for name, job in read(GITHUB)["jobs"].items() if "secrets." in json.dumps(job)}
    assert secret == {"inventory"}
    assert not any("checkout" in step.get("uses", "") for step in read(GITHUB)["jobs"]["inventory"]["steps"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_its_command_lines_are_understood(name: str) -> None:
    lines = command_lines.in_shell((ROOT / name).read_text(encoding="utf-8"))
    assert {words[0] for words in lines} == {"validate", "test", "diff", "inventory"}
    for words in lines:
        command_lines.check([word for word in words if word != ">"])


# ---- the scripts are run


@pytest.fixture
def repository(tmp_path: Path, serve_cloud: Serve, cli: Cli) -> Path:
    """A clone whose last commit makes a policy stricter; beside it an inventory and programs that only write down."""
    if not all(map(shutil.which, ["git", "jq", "bash"])):
        pytest.skip("needs git, jq and bash")
    assert (
        cli("inventory", "-o", tmp_path / "inventory.jsonl", *serve_cloud(images=60).options).exit_code == 0
    )
    repository, programs = tmp_path / "clone", tmp_path / "bin"
    (repository / "policies").mkdir(parents=True)
    programs.mkdir()
    for name, text in {"gh": FAKE_GH, "curl": FAKE_CURL}.items():
        (programs / name).write_text(f"#!{sys.executable}\n{text}")
        (programs / name).chmod(0o755)
    git(repository, "init", "-q")
    (repository / "policies" / "policy.test.yaml").write_text(CASES)
    for days in ("900d", "30d"):
        (repository / "policies" / "policy.yaml").write_text(OLD.replace("900d", days))
        git(repository, "add", ".")
        git(repository, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", days)
    return repository


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)  # noqa: S607
    return done.stdout.strip()


def run(repository: Path, script: str, **environment: str) -> None:
    """Run a script as a runner does, with our command and the programs that only write down on its path."""
    own = repository.parent
    path = f"{own / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {
        "PATH": path,
        "HOME": str(own),
        "RUNNER_TEMP": str(own),
        "GITHUB_STEP_SUMMARY": str(own / "summary"),
    }
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],  # noqa: S607
        cwd=repository,
        env=given | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def calls(repository: Path) -> list[str]:
    return (repository.parent / "calls").read_text().splitlines()


def github_step(job: str, name: str) -> str:
    [script] = [step["run"] for step in read(GITHUB)["jobs"][job]["steps"] if step.get("name") == name]
    return str(script)


def test_a_pull_request_is_checked_compared_and_commented_once(repository: Path) -> None:
    shutil.copy(repository.parent / "inventory.jsonl", repository / "saved.inventory.jsonl")
    for name in ("Validate", "Test", "Compare"):
        run(repository, github_step("check", name))
    assert (repository / "policies.junit.xml").is_file()
    report = (repository / "report.markdown").read_text()
    assert "|" in report
    assert (repository.parent / "summary").read_text() == report
    given = {"GITHUB_REPOSITORY": "a/b", "PULL_REQUEST": "7"}
    run(repository, github_step("comment", "Comment"), NOTES="[]", **given)
    assert "--method POST repos/a/b/issues/7/comments --input comment.json" in calls(repository)[-1]
    body = json.loads((repository / "comment.json").read_text())["body"]
    assert report in body
    notes = json.dumps([{"id": 41, "user": {"type": "Bot"}, "body": body}])
    run(repository, github_step("comment", "Comment"), NOTES=notes, **given)
    assert "--method PATCH repos/a/b/issues/comments/41 --input comment.json" in calls(repository)[-1]


def test_a_report_that_is_too_large_for_a_comment_is_cut_and_says_so(repository: Path) -> None:
    (repository / "report.markdown").write_text("| \N{CHECK MARK} a long line of the table |\n" * 20000)
    run(repository, github_step("comment", "Comment"), NOTES="[]", GITHUB_REPOSITORY="a/b", PULL_REQUEST="7")
    body = json.loads((repository / "comment.json").read_text())["body"]
    assert len(body) < 65536
    run(repository, gitlab_note(), NOTES="[]", **GITLAB_GIVEN)
    note = (repository / "note.markdown").read_text()
    assert len(note) < 1_000_000
    for text in (body, note):
        assert text.startswith("<!-- image-cleanup: policies -->\n| ")
        assert "line of the table |\n\n**Cut here**" in text


def test_without_an_inventory_the_report_says_so(repository: Path) -> None:
    run(repository, github_step("check", "Compare"))
    assert "No inventory is saved yet" in (repository / "report.markdown").read_text()


GITLAB_GIVEN = {
    "CI_API_V4_URL": "https://git.invalid/api/v4",
    "CI_PROJECT_ID": "5",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_JOB_TOKEN": "t",
    "INVENTORY_URL": "https://git.invalid/packages/generic/x",
    "POLICIES_COMMENT_TOKEN": "t",
}


def gitlab_note() -> str:
    """What writes the report as a note."""
    return str(read(GITLAB)["policies:report"]["script"][-1])


def test_a_merge_request_is_checked_compared_and_commented_once(repository: Path) -> None:
    jobs = read(GITLAB)
    checks, reports = (
        "\n".join(line for line in jobs[job]["script"] if not line.startswith("pip "))
        for job in ("policies:check", "policies:report")
    )
    run(repository, checks)
    given = GITLAB_GIVEN | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": git(repository, "rev-parse", "HEAD^1")}
    run(repository, reports, NOTES="[]", **given)
    note = (repository / "note.markdown").read_text()
    assert "|" in note
    assert "--request POST" in calls(repository)[-1]
    git(repository, "worktree", "remove", "../old")
    run(repository, reports, NOTES=json.dumps([{"id": 41, "body": note}]), **given)
    assert "--request PUT" in calls(repository)[-1]
    assert calls(repository)[-1].endswith("/merge_requests/7/notes/41")
