"""deploy/: one version, and a runbook whose lines do what it promises."""

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path

import anyio
import pytest

import cleanup
from cleanup.journal import DeleteIntent, DeleteResult, Journal
from cleanup.outcome import Outcome, Verdict, tally
from tests.support import command_lines
from tests.support.builders import NOW, ROOT, make_image, needs, run_finished, run_started
from tests.support.manifests import KUBERNETES, Manifests, needs_kustomize

DEPLOY = ROOT / "deploy"


def test_the_version_stands_once_and_deploy_follows_it() -> None:
    assert metadata.version("modelarts-image-cleanup") == cleanup.__version__
    told = {
        version
        for path in DEPLOY.rglob("*")
        if path.is_file()
        for version in re.findall(
            r"(?:image-cleanup(?::|==)|newTag: |ARG VERSION=)(\d+\.\d+\.\d+)",
            path.read_text(encoding="utf-8"),
        )
    }
    assert told == {cleanup.__version__}


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
@needs_kustomize
@pytest.mark.parametrize(("overlay", "name"), [("apply", "image-cleanup"), ("fleet", "image-cleanup-fleet")])
def test_the_runbook_makes_a_job_that_resumes(overlay: str, name: str, tmp_path: Path) -> None:
    """What `kubectl get` would print goes in, what `kubectl apply` gets comes out."""
    runbook = (DEPLOY / "RUNBOOK.md").read_text()
    manifests = Manifests(KUBERNETES / "overlays" / overlay)
    get = f"kubectl -n image-cleanup get cronjob {name} -o json"
    [line] = [block for block in command_lines.blocks(runbook, "sh") if get in block]
    (tmp_path / "cronjob.json").write_text(json.dumps(manifests.cronjob()))
    line = line.replace(get, "cat cronjob.json").replace("kubectl -n image-cleanup apply -f -", "cat")
    run = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, cwd=tmp_path)
    made = json.loads(run.stdout)
    [resuming] = made["spec"]["template"]["spec"]["containers"]
    assert resuming["args"][0] == "resume"
    command_lines.check(resuming["args"])
    assert made["spec"]["backoffLimit"] == 0
    assert not {"completions", "completionMode", "backoffLimitPerIndex"} & made["spec"].keys()
    assert made["spec"]["template"]["spec"]["volumes"] == manifests.pod()["volumes"]
