"""deploy/: one version, and runbooks whose pods resume; all else of them is in test_runbooks.py."""

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

import cleanup
from tests.support import command_lines
from tests.support.builders import ROOT, needs
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


# ---- the runbooks


@needs("jq")
@needs_kustomize
@pytest.mark.parametrize(
    ("page", "overlay", "name"),
    [("killed-run", "apply", "image-cleanup"), ("many-projects", "fleet", "image-cleanup-fleet")],
)
def test_the_runbook_makes_a_job_that_resumes(page: str, overlay: str, name: str, tmp_path: Path) -> None:
    """What `kubectl get` would print goes in, what `kubectl apply` gets comes out."""
    runbook = (DEPLOY / "runbooks" / f"{page}.md").read_text()
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
