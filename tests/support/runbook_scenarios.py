"""What the reader of a runbook finds: a project, a folder with policies, and what happened in the night.

A page declares it in its first line, `<!-- scenario: {...} -->`, with the options of `prepare` in YAML.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from cleanup.simulator import PROJECT_ID, Access, AuthMode, Faults, Service, build_world, parse_script
from tests.support.builders import lines_of, real_now
from tests.support.chaos import jump
from tests.support.cloud import Called, Cli, Cloud, Serve
from tests.support.killed import as_a_kill_leaves, images_of

POLICY = """\
version: 1
protect:
  - tag: [latest, stable]
    because: people pull these by name
rules:
  - name: old-dev-builds
    match: {visibility: PRIVATE, tag: [dev-*, pr-*]}
    older_than: 90d
    keep_last: 3
limits:
  max_deletes: LIMIT
  max_percent: 50
"""
TEST = """\
version: 1
policy: policy.yaml
now: "2026-11-30T00:00:00Z"
images:
  - {image: team/app:stable, age: 900d, expect: {reason: protected}}
"""


@dataclass
class Scenario:
    """What a page's reader finds: a project, a folder with policies, and what happened in the night."""

    cli: Cli
    cloud: Cloud
    folder: Path
    known: dict[str, str]

    def night(self, *options: str) -> Called:
        """The run of the night, which wrote JOURNAL."""
        called = self.cli("run", "-p", "policies", "--apply", "--yes", "--rate", "2000", *options)
        [journal] = self.folder.glob("image-cleanup-*[0-9a-f].jsonl")
        self.known |= {"JOURNAL": journal.name}
        return called


def went_well(scenario: Scenario) -> None:
    called = scenario.night()
    assert called.exit_code == 0, called.output
    deleted = [line for line in journal_of(scenario) if line.get("outcome") == "deleted"]
    scenario.known |= {"IMAGE": deleted[0]["image_id"]}
    (scenario.folder / "traces.json").write_text(json.dumps(traces(deleted)))


def traces(deleted: list[dict[str, Any]]) -> dict[str, Any]:
    """What the audit log says of these deletions, and of one by somebody else."""
    ours = [
        {"resource_id": line["image_id"], "request_id": line["request_id"], "user": {"name": "image-cleanup"}}
        for line in deleted
    ]
    other = {"resource_id": "somebody's", "request_id": "elsewhere", "user": {"name": "alice"}}
    kind = {"trace_name": "deleteNotebookImage", "resource_type": "NotebookImage", "time": 1795900000000}
    return {"traces": [kind | one for one in [*ours, other]], "meta_data": {"count": len(ours) + 1}}


def was_killed(scenario: Scenario) -> None:
    """After some DELETEs without a result on record; the last images were never begun."""
    before = images_of(scenario.cloud.service)
    scenario.night()
    journal = scenario.folder / scenario.known["JOURNAL"]
    as_a_kill_leaves(journal, scenario.cloud.service, before, gone=3, left=2)


def was_throttled(scenario: Scenario) -> None:
    called = scenario.night("--deadline", "100s", "--max-attempts", "1000")
    assert called.exit_code == 7, called.output
    by_day = json.dumps({"rates": ["delete:429=0.2"]}).encode()
    urlopen(Request(f"{scenario.cloud.url}/_simulator/faults", data=by_day, method="POST")).close()  # noqa: S310


def kept_an_image(scenario: Scenario) -> None:
    image = next(one for one in scenario.cloud.service.images if one["tag"] == "stable")
    scenario.known |= {"IMAGE": f"{image['namespace']}/{image['name']}:{image['tag']}"}


NIGHTS: dict[str, Callable[[Scenario], None]] = {
    "was not yet": lambda _: None,
    "went well": went_well,
    "was killed": was_killed,
    "was throttled": was_throttled,
    "kept an image": kept_an_image,
}


def journal_of(scenario: Scenario) -> list[dict[str, Any]]:
    return lines_of(scenario.folder / scenario.known["JOURNAL"])


def declared(page: str) -> dict[str, Any]:
    """The scenario that a page declares: `<!-- scenario: {...} -->` in its first line."""
    head, rest = page.split("\n", 1)
    assert head.startswith("<!-- scenario: ")
    assert rest.startswith("# ")
    return dict(yaml.safe_load(head.removeprefix("<!-- scenario: ").removesuffix(" -->")))


def prepare(
    cli: Cli,
    serve_cloud: Serve,
    monkeypatch: pytest.MonkeyPatch,
    *,
    night: str = "was not yet",
    limit: int = 100,
    login: str = "open",
    faults: list[dict[str, Any]] | None = None,
    targets: bool = False,
) -> Scenario:
    """`limit` 0 is a folder without policies; with a `login` the secrets of the environment have expired."""
    folder, access = Path.cwd(), Access(AuthMode(login))
    script = parse_script(faults or [], "the page")
    cloud, other = (
        serve_cloud(Service(build_world(7, 120, real_now()), real_now), access=access, faults=one)
        for one in (Faults(script=script), Faults())
    )
    set_environment(monkeypatch, cloud, login)
    jump(cli)  # no page waits for a throttle, and no deadline counts how fast this machine is
    if limit:
        write_policies(folder, limit)
    if targets:
        write_targets(folder, cloud.url, other.url)
    known = {
        "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT_ID,
        "HUAWEICLOUD_SDK_AK": access.login.ak,
        "HUAWEICLOUD_SDK_SK": access.login.sk,
        "MODELARTS_TOKEN": access.login.token,
    }
    scenario = Scenario(cli, cloud, folder, known)
    NIGHTS[night](scenario)
    return scenario


def set_environment(monkeypatch: pytest.MonkeyPatch, cloud: Cloud, login: str) -> None:
    settings = {
        "MODELARTS_ENDPOINT": cloud.url,
        "MODELARTS_AUTH": "none" if login == "open" else login,
        "MODELARTS_TOKEN": "an expired one",
        "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT_ID,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def write_policies(folder: Path, limit: int) -> None:
    (folder / "policies").mkdir()
    (folder / "policies/policy.yaml").write_text(POLICY.replace("LIMIT", str(limit)))
    (folder / "policies/policy.test.yaml").write_text(TEST)


def write_targets(folder: Path, *urls: str) -> None:
    targets = [
        {"name": name, "endpoint": url, "project_id": PROJECT_ID, "auth": "none", "policies": ["policies"]}
        for name, url in zip(("speech", "vision-prod"), urls, strict=True)
    ]
    (folder / "targets.yaml").write_text(yaml.safe_dump({"version": 1, "targets": targets}))
