"""The objects that `kubectl kustomize` builds from deploy/kubernetes/, as Kubernetes would get them."""

import json
import os
import shutil
import subprocess
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanup import tracing
from cleanup.telemetry import tell
from tests.support.builders import ROOT

_KUBECTL = shutil.which("kubectl") or ""
KUBERNETES = ROOT / "deploy" / "kubernetes"
# What metrics, notifications and traces may take after a run, at the most.
TELLING = timedelta(seconds=tell._IN_ALL + tracing._LONGEST_END)
_SINCE = 27  # the first whose kustomize is version 5


def _minor_version() -> int:
    if not _KUBECTL:
        return 0
    asked = [_KUBECTL, "version", "--client", "-o", "json"]
    told = subprocess.run(asked, capture_output=True, check=False)
    try:
        return int(json.loads(told.stdout)["clientVersion"]["minor"].rstrip("+"))
    except (ValueError, KeyError):
        return 0


needs_kustomize = pytest.mark.skipif(
    "CI" not in os.environ and _minor_version() < _SINCE,
    reason="needs kubectl 1.27 or later, which is not installed here",
)


@cache
def built(overlay: Path) -> list[dict[str, Any]]:
    """What an overlay builds; it must not be changed."""
    run = subprocess.run([_KUBECTL, "kustomize", overlay], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""  # nothing is deprecated
    return list(yaml.safe_load_all(run.stdout))


class Manifests:
    """The objects of one overlay, and what tests ask of them."""

    def __init__(self, overlay: Path) -> None:
        self.objects = built(overlay)

    def every(self, kind: str) -> list[Any]:
        return [one for one in self.objects if one["kind"] == kind]

    def cronjob(self, component: str = "run") -> Any:
        label = "app.kubernetes.io/component"
        [found] = [one for one in self.every("CronJob") if one["metadata"]["labels"][label] == component]
        return found

    def job(self, component: str = "run") -> Any:
        return self.cronjob(component)["spec"]["jobTemplate"]["spec"]

    def pod(self, component: str = "run") -> Any:
        return self.job(component)["template"]["spec"]

    def container(self, component: str = "run") -> Any:
        [only] = self.pod(component)["containers"]
        return only

    def settings(self) -> dict[str, str]:
        """The variables that the run gets from ConfigMaps."""
        named = [one["configMapRef"]["name"] for one in self.container()["envFrom"] if "configMapRef" in one]
        return {key: value for name in named for key, value in self.config(name).items()}

    def config(self, name: str) -> dict[str, str]:
        [found] = [one for one in self.every("ConfigMap") if one["metadata"]["name"] == name]
        return dict(found.get("data", {}))

    def mounted(self, path: str, folder: Path) -> Path:
        """A ConfigMap that the run mounts, in a folder as Kubernetes lays it: links into a hidden folder."""
        [mount] = [one for one in self.container()["volumeMounts"] if one["mountPath"] == path]
        [volume] = [one for one in self.pod()["volumes"] if one["name"] == mount["name"]]
        data = folder / "..2026_11_23"
        data.mkdir(parents=True)
        (folder / "..data").symlink_to(data.name)
        for name, text in self.config(volume["configMap"]["name"]).items():
            (data / name).write_text(text)
            (folder / name).symlink_to(Path("..data", name))
        return folder
