"""deploy/ is safe to paste: dry runs, not root, no secrets, valid policies, commands that exist."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import cleanup
from cleanup.config.targets import parse_shard, read_targets, shard_of
from cleanup.durations import parse_duration
from cleanup.errors import PolicyError
from cleanup.journal import DeleteIntent, DeleteResult, Journal
from cleanup.outcome import Outcome, Verdict, tally
from cleanup.policy import load
from tests.support import command_lines
from tests.support.builders import NOW, ROOT, make_image, needs, run_finished, run_started

DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SINGLE, FLEET = "cronjob.yaml", "indexed-job.yaml"
both = pytest.mark.parametrize("file", [SINGLE, FLEET])


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / file).read_text()))


def the(kind: str, file: str = SINGLE) -> dict[str, Any]:
    [found] = [document for document in documents(file) if document["kind"] == kind]
    return found


def job(file: str = SINGLE) -> Any:
    return the("CronJob", file)["spec"]["jobTemplate"]["spec"]


def pod(file: str = SINGLE) -> Any:
    return job(file)["template"]["spec"]


def container(file: str = SINGLE) -> Any:
    [only] = pod(file)["containers"]
    return only


def option(name: str, file: str) -> timedelta:
    args = container(file)["args"]
    return parse_duration(args[args.index(name) + 1])


# ---- the CronJob and the Indexed Job


def test_the_manifests_are_what_they_should_be() -> None:
    kinds = {path.name: [one["kind"] for one in documents(path.name)] for path in DEPLOY.glob("*.yaml")}
    job_of_its_own = ["ConfigMap", "PersistentVolumeClaim", "CronJob"]
    assert kinds == {SINGLE: job_of_its_own, FLEET: job_of_its_own, "secret.yaml": ["Secret"]}


def test_no_manifest_takes_a_name_of_another() -> None:
    names = [
        (one["kind"], one["metadata"]["name"])
        for path in DEPLOY.glob("*.yaml")
        for one in documents(path.name)
    ]
    assert len(names) == len(set(names))


def test_what_is_pasted_is_a_dry_run() -> None:
    assert container()["args"][:3] == ["run", "-p", "/policies"]
    assert container(FLEET)["args"][:3] == ["run", "--targets", "/config/targets.yaml"]
    for path in (*DEPLOY.glob("*.yaml"), DEPLOY / "crontab"):
        assert "--apply" not in re.sub(r"#.*", "", path.read_text())


@both
def test_the_pod_can_do_nothing_but_its_work(file: str) -> None:
    security = container(file)["securityContext"]
    assert pod(file)["securityContext"]["runAsNonRoot"] is True
    assert pod(file)["securityContext"]["runAsUser"] > 0
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod(file)["automountServiceAccountToken"] is False


@both
def test_one_run_at_a_time_and_none_repeated(file: str) -> None:
    assert the("CronJob", file)["spec"]["concurrencyPolicy"] == "Forbid"
    assert the("CronJob", file)["spec"]["startingDeadlineSeconds"] > 10  # Kubernetes looks every 10 seconds
    assert job(file)["backoffLimit" if file == SINGLE else "backoffLimitPerIndex"] == 0
    assert pod(file)["restartPolicy"] == "Never"


@both
def test_the_run_ends_itself_before_kubernetes_ends_it(file: str) -> None:
    assert option("--deadline", file) + option("--drain-timeout", file) < timedelta(
        seconds=job(file)["activeDeadlineSeconds"]
    )
    assert option("--drain-timeout", file) < timedelta(seconds=pod(file)["terminationGracePeriodSeconds"])


@both
def test_the_journal_survives_the_pod(file: str) -> None:
    mounts = {mount["name"]: mount for mount in container(file)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(file)["volumes"]}
    claim = the("PersistentVolumeClaim", file)
    assert container(file)["workingDir"] == mounts["data"]["mountPath"]
    assert not mounts["data"].get("readOnly")
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce" if file == SINGLE else "ReadWriteMany"]
    assert pod(file)["securityContext"]["fsGroup"] > 0


def test_credentials_are_empty_places_in_a_file_of_their_own() -> None:
    secret = the("Secret", "secret.yaml")
    assert secret["stringData"] == {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    for file in (SINGLE, FLEET):
        assert container(file)["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]


def mounted(file: str, folder: Path) -> Path:
    """The ConfigMap as Kubernetes mounts it: links into a hidden folder."""
    data = folder / "..2026_11_23"
    data.mkdir()
    (folder / "..data").symlink_to(data.name)
    for name, text in the("ConfigMap", file)["data"].items():
        (data / name).write_text(text)
        (folder / name).symlink_to(Path("..data", name))
    return folder


def test_the_embedded_policy_is_valid_where_kubernetes_mounts_it(tmp_path: Path) -> None:
    """No rule may be read twice."""
    policy = load([mounted(SINGLE, tmp_path)])
    assert [rule.name for rule in policy.rules] == ["failed-builds", "stale-dev-images"]
    assert policy.protect
    assert not any(rule.force or rule.delete_all for rule in policy.rules)
    assert all(rule.older_than for rule in policy.rules)
    assert (policy.limits.max_deletes, policy.limits.max_percent) == (50, 10)


def test_the_fleet_ends_with_exit_code_2_until_it_is_filled_in(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="text is empty") as caught:
        read_targets(mounted(FLEET, tmp_path) / "targets.yaml")
    written = the("ConfigMap", FLEET)["data"]["targets.yaml"]
    assert len(caught.value.problems) == written.count('""') == written.count("FILL IN")


def test_the_fleets_targets_and_policy_are_valid_once_filled_in(tmp_path: Path) -> None:
    folder = mounted(FLEET, tmp_path)
    targets_file = folder / "targets.yaml"
    targets_file.write_text(targets_file.read_text().replace('""', "0a1b" * 8))
    targets = read_targets(targets_file)
    names = {name for t in targets for name in (t.credentials.ak_env, t.credentials.sk_env)}
    assert None not in names
    assert len(names) == 2 * len(targets)
    for target in targets:
        policy = load(target.policies)
        assert policy.protect
        assert not any(rule.force or rule.delete_all for rule in policy.rules)
        assert (policy.limits.max_deletes, policy.limits.max_percent) == (50, 10)


def test_the_fleets_pods_take_every_target_once(tmp_path: Path) -> None:
    targets_file = mounted(FLEET, tmp_path) / "targets.yaml"
    targets_file.write_text(targets_file.read_text().replace('""', "0a1b" * 8))
    targets = read_targets(targets_file)
    assert job(FLEET)["completionMode"] == "Indexed"
    assert job(FLEET)["parallelism"] <= job(FLEET)["completions"]
    environment = {entry["name"]: entry["value"] for entry in container(FLEET)["env"]}
    assert environment["IMAGE_CLEANUP_SHARDS"] == str(job(FLEET)["completions"])
    shares = [
        shard_of(targets, *parse_shard(None, environment | {"JOB_COMPLETION_INDEX": str(index)}))
        for index in range(job(FLEET)["completions"])
    ]
    assert all(shares)
    assert sorted(target.name for share in shares for target in share) == sorted(t.name for t in targets)


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


def test_the_version_stands_once_and_deploy_follows_it() -> None:
    assert metadata.version("modelarts-image-cleanup") == cleanup.__version__
    assert "version" not in PROJECT
    told = {
        version
        for path in DEPLOY.iterdir()
        for version in re.findall(r"image-cleanup:(\d+\.\d+\.\d+)", path.read_text(encoding="utf-8"))
    }
    assert told == {cleanup.__version__}


# ---- the lock

LOCK = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")


def locked() -> dict[str, Version]:
    """What the lock pins, by its normal name."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", LOCK, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


def test_the_lock_is_within_the_ranges_of_the_project() -> None:
    for text in PROJECT["dependencies"]:
        asked = Requirement(text)
        pinned = locked().get(canonicalize_name(asked.name))
        assert pinned, f"{asked.name} is not in the lock: make it anew"
        assert pinned in asked.specifier, f"the lock has {asked.name} {pinned}: make it anew"


def test_the_lock_holds_what_its_packages_need() -> None:
    """By the requirements of what is installed here, for this interpreter."""
    pins = locked()
    for name in pins:
        if name == "colorama":  # for Windows alone
            continue
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in pins, (
                    f"{name} needs {needed.name}: make the lock anew"
                )


def test_the_lock_names_a_hash_for_each_and_no_host() -> None:
    entries = re.split(r"^(?=\w)", re.sub(r"^\s*#.*\n", "", LOCK, flags=re.MULTILINE), flags=re.MULTILINE)
    assert len(entries[1:]) == len(locked())
    assert [entry for entry in entries[1:] if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|--(extra-)?index|--find-links", LOCK)


def test_the_image_is_installed_from_the_lock() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "pip install --no-cache-dir --require-hashes -r requirements.txt" in dockerfile
    assert "pip install --no-cache-dir --no-deps ." in dockerfile


# ---- the commands


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in deploy/ but the runbook's (test_docs.py), by its file."""
    for file in (SINGLE, FLEET):
        yield file, container(file)["args"]
    for name in ("crontab", "Dockerfile"):
        for words in command_lines.in_shell((DEPLOY / name).read_text()):
            yield name, words


@pytest.mark.parametrize(("file", "words"), list(commands()), ids=str)
def test_every_command_line_is_one_that_exists(file: str, words: list[str]) -> None:
    command_lines.check(words)


def test_the_command_lines_are_found() -> None:
    assert {file for file, _ in commands()} == {"crontab", "Dockerfile", SINGLE, FLEET}


# ---- the runbook


async def write_journal(path: Path) -> None:
    """An image deleted with its content left, one deleted with force, one that failed."""
    ends = {
        "c9ab2b2f-edda-4556-bdbb-494e868d043c": Verdict(outcome=Outcome.DELETED),
        "forced": Verdict(outcome=Outcome.DELETED, force=True),
        "failed": Verdict(outcome=Outcome.FAILED, http_status=500, request_id="9f3c"),
    }
    with Journal(path, "run-1", "default", lambda: NOW) as journal:
        journal.write(
            run_started(
                planned=3, endpoint="https://modelarts.cn-north-4.myhuaweicloud.com", project_id="0a1b" * 8
            )
        )
        for image_id, verdict in ends.items():
            image = make_image(image_id)
            await journal.write_ahead(
                DeleteIntent(image_id=image_id, rule="r", force=verdict.force, image=image.raw)
            )
            journal.write(DeleteResult.of(image, "r", verdict))
        journal.write(
            run_finished(tally(verdict.outcome for verdict in ends.values()), exit_code=3, requests=3)
        )


def jq_commands() -> list[str]:
    return re.findall(r"^jq .*?first\.jsonl", (DEPLOY / "RUNBOOK.md").read_text(), re.MULTILINE | re.DOTALL)


@needs("jq")
def test_the_runbooks_jq_lines_find_what_they_promise(tmp_path: Path) -> None:
    anyio.run(write_journal, tmp_path / "first.jsonl")
    answers = [
        subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout
        for line in jq_commands()
    ]
    by_outcome, bad, one_image, ends = answers
    assert by_outcome.splitlines() == ["deleted", "deleted", "failed"]
    assert bad.split("\t")[2:4] == ["dev-failed", "500"]
    assert one_image.count("delete.") == 2
    assert '"exit_code": 3' in ends


@needs("jq")
@both
def test_the_runbook_makes_a_job_that_resumes(file: str, tmp_path: Path) -> None:
    """What `kubectl get` would print goes in, what `kubectl apply` gets comes out."""
    runbook = (DEPLOY / "RUNBOOK.md").read_text()
    name = the("CronJob", file)["metadata"]["name"]
    [line] = [
        block
        for block in command_lines.blocks(runbook, "sh")
        if f"kubectl get cronjob {name} -o json" in block
    ]
    (tmp_path / "cronjob.json").write_text(json.dumps(the("CronJob", file)))
    line = line.replace(f"kubectl get cronjob {name} -o json", "cat cronjob.json")
    line = line.replace("kubectl apply -f -", "cat")
    run = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, cwd=tmp_path)
    made = json.loads(run.stdout)
    [resuming] = made["spec"]["template"]["spec"]["containers"]
    assert resuming["args"][0] == "resume"
    command_lines.check(resuming["args"])
    assert made["spec"]["backoffLimit"] == 0
    assert not {"completions", "completionMode", "backoffLimitPerIndex"} & made["spec"].keys()
    assert made["spec"]["template"]["spec"]["volumes"] == pod(file)["volumes"]
