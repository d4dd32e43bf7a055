"""deploy/ is safe to paste: a dry run, not root, no secrets, a valid policy, commands that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from conftest import NOW, make_image

from cleanup.journal import Finished, Intent, Journal, Result, Started
from cleanup.limits import RunLimits
from cleanup.outcome import Outcome, Verdict, tally
from cleanup.policy import load, parse_duration

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(DEPLOY.glob("*.yaml"))


def documents() -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def the(kind: str) -> dict[str, Any]:
    [found] = [document for document in documents() if document["kind"] == kind]
    return found


def job() -> dict[str, Any]:
    return the("CronJob")["spec"]["jobTemplate"]["spec"]


def pod() -> dict[str, Any]:
    return job()["template"]["spec"]


def container() -> dict[str, Any]:
    [only] = pod()["containers"]
    return only


def option(name: str) -> timedelta:
    args = container()["args"]
    return parse_duration(args[args.index(name) + 1])


# ---- the CronJob


def test_the_manifests_are_what_they_should_be() -> None:
    kinds = sorted(document["kind"] for document in documents())
    assert kinds == ["ConfigMap", "CronJob", "PersistentVolumeClaim", "Secret"]
    assert all(document["metadata"]["name"] for document in documents())


def test_what_is_pasted_is_a_dry_run() -> None:
    assert container()["args"][:3] == ["run", "-p", "/policies"]
    for line in (DEPLOY / "crontab").read_text().splitlines():
        assert line.startswith("#") or "--apply" not in line
    for path in MANIFESTS:
        assert "--apply" not in re.sub(r"#.*", "", path.read_text())


def test_the_pod_can_do_nothing_but_its_work() -> None:
    security = container()["securityContext"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] > 0
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod()["automountServiceAccountToken"] is False


def test_one_run_at_a_time_and_none_repeated() -> None:
    assert the("CronJob")["spec"]["concurrencyPolicy"] == "Forbid"
    assert the("CronJob")["spec"]["startingDeadlineSeconds"] > 10  # Kubernetes looks every 10 seconds
    assert job()["backoffLimit"] == 0
    assert pod()["restartPolicy"] == "Never"


def test_the_run_ends_itself_before_kubernetes_ends_it() -> None:
    assert option("--deadline") + option("--drain-timeout") < timedelta(
        seconds=job()["activeDeadlineSeconds"]
    )
    assert option("--drain-timeout") < timedelta(seconds=pod()["terminationGracePeriodSeconds"])


def test_the_journal_survives_the_pod() -> None:
    mounts = {mount["name"]: mount for mount in container()["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert container()["workingDir"] == mounts["data"]["mountPath"]
    assert not mounts["data"].get("readOnly")
    assert (
        volumes["data"]["persistentVolumeClaim"]["claimName"]
        == the("PersistentVolumeClaim")["metadata"]["name"]
    )
    assert pod()["securityContext"]["fsGroup"] > 0


def test_credentials_are_empty_places_in_a_file_of_their_own() -> None:
    assert the("Secret")["stringData"] == {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    assert container()["envFrom"] == [{"secretRef": {"name": the("Secret")["metadata"]["name"]}}]
    assert "Secret" not in {d["kind"] for d in yaml.safe_load_all((DEPLOY / "cronjob.yaml").read_text())}


def test_the_embedded_policy_is_valid_where_kubernetes_mounts_it(tmp_path: Path) -> None:
    """A ConfigMap is mounted as links into a hidden folder: no rule may be read twice."""
    data = tmp_path / "..2026_11_23"
    data.mkdir()
    (tmp_path / "..data").symlink_to(data.name)
    for name, policy in the("ConfigMap")["data"].items():
        (data / name).write_text(policy)
        (tmp_path / name).symlink_to(Path("..data", name))
    policy = load([tmp_path])
    assert [rule.name for rule in policy.rules] == ["failed-builds", "stale-dev-images"]
    assert policy.protect
    assert not any(rule.force or rule.delete_all for rule in policy.rules)
    assert all(rule.older_than for rule in policy.rules)
    assert (policy.limits.max_deletes, policy.limits.max_percent) == (50, 10)


# ---- the image


def test_the_container_is_not_root_and_writes_to_data_only() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    user = next(line.split()[1] for line in reversed(lines) if line.startswith("USER "))
    assert user == f"{pod()['securityContext']['runAsUser']}:{pod()['securityContext']['runAsGroup']}"
    assert "WORKDIR /data" in lines
    assert lines.index(f"USER {user}") > max(i for i, line in enumerate(lines) if line.startswith("FROM "))


def test_the_dockerfile_copies_what_is_there() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    sources = [source for copy in copies for source in copy.split()[:-1]]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


# ---- the commands


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in deploy/, by its file: command, then options and arguments."""
    yield "cronjob.yaml", container()["args"]
    for name in ("RUNBOOK.md", "crontab", "Dockerfile"):
        written = (DEPLOY / name).read_text()
        code = "\n".join(code_in(written)) if name.endswith(".md") else written
        for line in OURS.findall(code.replace("\\\n", " ")):
            yield name, shlex.split(line, comments=True)


OURS = re.compile(r"(?<![\w./-])image-cleanup(?::\S+)? +([a-z]+(?: [^|&;>\n]*)?)")


def code_in(markdown: str) -> list[str]:
    """The blocks and the spans of code."""
    found = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", markdown, re.DOTALL)
    return [block or span for block, span in found]


@cache
def help_of(*command: str) -> str:
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    run = [sys.executable, "-m", "cleanup", *command, "--help"]
    return subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT, env=environment).stdout


@pytest.mark.parametrize(("file", "command"), list(commands()), ids=str)
def test_every_command_line_is_one_that_exists(file: str, command: list[str]) -> None:
    known = help_of(command[0])
    for word in command[1:]:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", known), f"{file}: {word}"


def test_the_command_lines_are_found() -> None:
    found = list(commands())
    assert {file for file, _ in found} == {"RUNBOOK.md", "crontab", "Dockerfile", "cronjob.yaml"}
    assert {command[0] for _, command in found} >= {"validate", "plan", "apply", "run", "resume", "report"}


# ---- the runbook


async def write_journal(path: Path) -> None:
    """An image deleted with its content left, one deleted with force, one that failed."""
    ends = {
        "c9ab2b2f-edda-4556-bdbb-494e868d043c": Verdict(outcome=Outcome.DELETED),
        "forced": Verdict(outcome=Outcome.DELETED, force=True),
        "failed": Verdict(outcome=Outcome.FAILED, http_status=500, request_id="9f3c"),
    }
    with Journal(path, "run-1", "default", lambda: NOW) as journal:
        journal.started(
            Started(
                run_id="run-1",
                target="default",
                plan_id="p",
                plan="p.jsonl",
                plan_sha256="",
                policy_sha256="",
                planned=3,
                limits=RunLimits(),
                rate=10,
                concurrency=16,
                endpoint="https://modelarts.cn-north-4.myhuaweicloud.com",
                project_id="0a1b",
                workspaces=("0",),
                tool_version="0.1.0",
            )
        )
        for image_id, verdict in ends.items():
            image = make_image(image_id)
            await journal.intent(Intent(image_id=image_id, rule="r", force=verdict.force, image=image.raw))
            journal.result(Result.of(image, "r", verdict))
        journal.finished(
            Finished(
                counts=tally(verdict.outcome for verdict in ends.values()),
                planned=3,
                bytes_freed=1,
                requests=3,
                throttled=0,
                rate_end=10,
                duration_s=1,
                exit_code=3,
            )
        )


def jq_commands() -> list[str]:
    return re.findall(r"^jq .*?first\.jsonl", (DEPLOY / "RUNBOOK.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_the_runbooks_jq_lines_find_what_they_promise(tmp_path: Path) -> None:
    anyio.run(write_journal, tmp_path / "first.jsonl")
    answers = [
        subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout
        for line in jq_commands()
    ]
    by_outcome, bad, one_image, ends, restorable = answers
    assert by_outcome.splitlines() == ["deleted", "deleted", "failed"]
    assert bad.split("\t")[2:4] == ["dev-failed", "500"]
    assert one_image.count("delete.") == 2
    assert '"exit_code": 3' in ends
    assert len(restorable.splitlines()) == 1


def test_the_runbook_says_what_each_exit_code_means() -> None:
    runbook = (DEPLOY / "RUNBOOK.md").read_text()
    rows = re.findall(r"^\| (\d+) \|", runbook, re.MULTILINE)
    assert [int(code) for code in rows] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
