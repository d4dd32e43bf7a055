"""The container: not root, no shell at run time, from the lock alone; .ci/container-steps runs its steps."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import cleanup
from tests.support import command_lines
from tests.support.builders import ROOT
from tests.support.manifests import KUBERNETES, Manifests, needs_kustomize

DEPLOY = ROOT / "deploy"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).with_name("hadolint")
LAST_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def steps(stage: str, word: str) -> list[str]:
    """The instructions of one kind, continued lines joined."""
    return re.findall(rf"^{word} (.+)$", stage.replace("\\\n", " "), re.MULTILINE)


# ---- the Dockerfile


@pytest.mark.skipif(not HADOLINT.exists(), reason="needs hadolint, which has no wheel for this machine")
def test_the_linter_finds_nothing() -> None:
    lint = subprocess.run([HADOLINT, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout) == (0, "")


def test_the_base_is_pinned_in_one_place() -> None:
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert [stage.split()[0] for stage in steps(DOCKERFILE, "FROM")] == ["${PYTHON}", "${PYTHON}"]


def test_what_runs_is_not_root_and_needs_no_shell() -> None:
    assert steps(LAST_STAGE, "RUN") == []
    assert steps(LAST_STAGE, "USER") == ["10001:10001"]
    assert steps(LAST_STAGE, "WORKDIR") == ["/data"]
    assert steps(LAST_STAGE, "ENTRYPOINT") == ['["image-cleanup"]']
    assert steps(LAST_STAGE, "HEALTHCHECK") == ["NONE"]


@needs_kustomize
def test_kubernetes_runs_it_as_the_same_user() -> None:
    security = Manifests(KUBERNETES / "overlays" / "dry-run").pod()["securityContext"]
    assert steps(LAST_STAGE, "USER") == [f"{security['runAsUser']}:{security['runAsGroup']}"]


def test_it_says_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', LAST_STAGE))
    assert labels.keys() >= {"title", "description", "licenses", "version", "revision"}
    assert labels["licenses"] == PYPROJECT["project"]["license"]
    assert f"VERSION={cleanup.__version__}" in steps(LAST_STAGE, "ARG")


def test_it_copies_what_is_there_and_what_the_build_may_see() -> None:
    sources = [
        source
        for copy in steps(DOCKERFILE, "COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
    ]
    seen = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert sorted(line.removeprefix("!") for line in seen if line.startswith("!")) == sorted(sources)
    assert "*" in seen


def test_everything_is_installed_with_hashes_and_nothing_beside() -> None:
    installs = re.findall(r"pip (install|wheel) ([^&\n]*)", "\n".join(steps(DOCKERFILE, "RUN")))
    assert [bool({"--require-hashes", "--no-deps"} & set(rest.split())) for _, rest in installs] == [True] * 4
    assert [rest for verb, rest in installs if verb == "wheel" and "--no-build-isolation" not in rest] == []


def test_its_command_lines_exist() -> None:
    lines = command_lines.in_shell(DOCKERFILE)
    assert lines
    for words in lines:
        command_lines.check(words)


# ---- the locks

LOCKS = {
    "requirements.txt": [
        *PYPROJECT["project"]["dependencies"],
        *PYPROJECT["project"]["optional-dependencies"]["otel"],
    ],
    "build-requirements.txt": PYPROJECT["build-system"]["requires"],
}
locks = pytest.mark.parametrize("lock", list(LOCKS))


def text_of(lock: str) -> str:
    return (DEPLOY / lock).read_text(encoding="utf-8")


def locked(lock: str) -> dict[str, Version]:
    """What a lock pins, by its normal name."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", text_of(lock), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


@locks
def test_a_lock_is_within_the_ranges_of_the_project(lock: str) -> None:
    for text in LOCKS[lock]:
        asked = Requirement(text)
        pinned = locked(lock).get(canonicalize_name(asked.name))
        assert pinned, f"{asked.name} is not in the lock: make it anew"
        assert pinned in asked.specifier, f"the lock has {asked.name} {pinned}: make it anew"


def test_what_the_build_lock_is_made_of_is_what_the_project_says() -> None:
    lines = text_of("build-requirements.in").splitlines()
    assert [line for line in lines if not line.startswith("#")] == LOCKS["build-requirements.txt"]


def test_the_lock_holds_what_its_packages_need() -> None:
    """By the requirements of what is installed here, for this interpreter."""
    pins = locked("requirements.txt")
    for name in pins:
        if name == "colorama":  # for Windows alone
            continue
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in pins, (
                    f"{name} needs {needed.name}: make the lock anew"
                )


@locks
def test_a_lock_names_a_hash_for_each_and_no_host(lock: str) -> None:
    entries = re.split(
        r"^(?=\w)", re.sub(r"^\s*#.*\n", "", text_of(lock), flags=re.MULTILINE), flags=re.MULTILINE
    )
    assert len(entries[1:]) == len(locked(lock))
    assert [entry for entry in entries[1:] if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|--(extra-)?index|--find-links", text_of(lock))
