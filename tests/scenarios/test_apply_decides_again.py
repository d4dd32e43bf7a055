"""A plan that is applied later, or that somebody edited: deleted is only what a plan of now would delete."""

from pathlib import Path

import pytest

from cleanup.simulator import Service, build_world
from tests.support.builders import events, lines_of, real_now, reseal
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
protect:
  - tag: stable
rules:
  - name: old
    match: {namespace: "*"}
    older_than: 30d
    keep_last: 2
    force: true
limits: {max_percent: 100}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def cloud(serve_cloud: Serve) -> Cloud:
    """Six PRIVATE images of one group, all old, and nobody who uses them."""
    service = Service(build_world(seed=1, images=0, now=real_now()), real_now)
    for image in list(service.images):
        service.images.take(image["id"])
    for number in range(6):
        moment = service.milliseconds() - (100 - number) * 86_400_000
        path = f"swr.example.com/team/ocr:1.{number}"
        service.images.put(
            {
                "id": f"img-{number}",
                "namespace": "team",
                "name": "ocr",
                "tag": f"1.{number}",
                "swr_path": path,
                "type": "DEDICATED",
                "status": "ACTIVE",
                "visibility": "PRIVATE",
                "size": 1000,
                "create_at": moment,
                "update_at": moment,
                "workspace_id": "0",
            }
        )
        service.contents[path] = 1000
    return serve_cloud(service)


def planned(cli: Cli, cloud: Cloud, policy: Path) -> Path:
    called = cli("plan", "-p", policy, "-o", "plan.jsonl", *cloud.options)
    assert called.exit_code == 0, called.output
    return Path("plan.jsonl")


def outcomes(journal: Path = Path("journal.jsonl")) -> dict[str, tuple[str, str]]:
    return {
        line["image_id"]: (line["outcome"], line["error_msg"] or "")
        for line in events(journal, "delete.result")
    }


def test_a_group_whose_newest_went_meanwhile_keeps_its_newest(cli: Cli, cloud: Cloud, policy: Path) -> None:
    plan = planned(cli, cloud, policy)
    for number in (4, 5):
        cloud.service.images.take(f"img-{number}")
    called = cli("apply", plan, "--journal", "journal.jsonl", *cloud.options)
    assert called.exit_code == 0
    assert cloud.image_ids == {"img-2", "img-3"}
    told = outcomes()
    assert told["img-3"] == (
        "drifted",
        "would be kept now: keep-last, number 1 of the newest 2 (of 4) in team/ocr",
    )
    assert told["img-0"][0] == "deleted"


def test_a_plan_that_was_edited_and_sealed_again_deletes_nothing_more(
    cli: Cli, cloud: Cloud, policy: Path
) -> None:
    stable = {"id": "img-6", "tag": "stable", "swr_path": "swr.example.com/team/ocr:stable"}
    cloud.service.images.put(cloud.service.images.get("img-5") | stable)  # type: ignore[operator]
    plan = planned(cli, cloud, policy)
    records = {record["id"]: record for record in cloud.service.images}
    lines = lines_of(plan)
    for line in lines:
        if line.get("action") == "keep":
            line |= {"action": "delete", "reason": "expired", "rule": "old", "force": True}
            line["image"] = records[line["image"]["id"]]
    reseal(plan, lines)
    called = cli("apply", plan, "--journal", "journal.jsonl", *cloud.options)
    assert called.exit_code == 0, called.output
    told = outcomes()
    assert told["img-6"][1] == "would be kept now: protected, protected by 'tag: stable'"
    assert told["img-5"][1].startswith("would be kept now: keep-last")
    assert cloud.image_ids == {"img-5", "img-6"}
    assert "swr.example.com/team/ocr:1.5" in cloud.service.contents


def test_a_new_sharer_keeps_the_content(cli: Cli, cloud: Cloud, policy: Path) -> None:
    plan = planned(cli, cloud, policy)
    young = cloud.service.images.get("img-0") | {  # type: ignore[operator]
        "id": "alias",
        "swr_path": "10.125.0.198:20202/team/ocr:1.0",
        "update_at": cloud.service.milliseconds(),
    }
    cloud.service.images.put(young)
    assert cli("apply", plan, "--journal", "journal.jsonl", *cloud.options).exit_code == 0
    assert cloud.deleted["img-0"] is False
    assert "swr.example.com/team/ocr:1.0" in cloud.service.contents


class TestTheKey:
    KEY = "IMAGE_CLEANUP_PLAN_KEY"

    def test_only_a_plan_sealed_with_it_is_applied(
        self, cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = planned(cli, cloud, policy)
        monkeypatch.setenv(self.KEY, "a key")
        refused = cli("apply", plan, *cloud.options)
        assert refused.exit_code == 8
        assert f"not sealed with the key in {self.KEY}" in refused.stderr
        plan = planned(cli, cloud, policy)
        edited = lines_of(plan)
        edited[-1]["over_limits"] = []
        edited[-1]["bytes"] = 7
        reseal(plan, edited)
        assert cli("apply", plan, *cloud.options).exit_code == 8
        edited[-1]["hmac_sha256"] = "clé"
        reseal(plan, edited)
        assert cli("apply", plan, *cloud.options).exit_code == 8
        assert cli("apply", planned(cli, cloud, policy), *cloud.options).exit_code == 0
        assert cloud.image_ids == {"img-4", "img-5"}

    def test_another_key_is_refused_and_none_is_ever_shown(
        self, cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(self.KEY, "one-key-5f1c")
        plan = planned(cli, cloud, policy)
        assert "one-key-5f1c" not in plan.read_text()
        monkeypatch.setenv(self.KEY, "another-key")
        called = cli("apply", plan, *cloud.options)
        assert called.exit_code == 8
        assert "another-key" not in called.output

    def test_resume_asks_for_it_too(
        self, cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = planned(cli, cloud, policy)
        assert cli("apply", plan, "--journal", "journal.jsonl", *cloud.options).exit_code == 0
        monkeypatch.setenv(self.KEY, "a key")
        assert cli("resume", "journal.jsonl", *cloud.options).exit_code == 8


def test_apply_with_a_policy_demands_exactly_this_one(cli: Cli, cloud: Cloud, policy: Path) -> None:
    plan = planned(cli, cloud, policy)
    other = policy.with_name("other.yaml")
    other.write_text(POLICY.replace("30d", "31d"))
    refused = cli("apply", plan, "-p", other, *cloud.options)
    assert refused.exit_code == 8
    assert "made from another policy" in refused.stderr
    assert len(cloud.image_ids) == 6
    assert cli("apply", plan, "-p", policy, *cloud.options).exit_code == 0


def test_warnings_stand_in_the_plan_and_are_said_each_time(cli: Cli, cloud: Cloud, policy: Path) -> None:
    policy.write_text(POLICY.replace("stable", "no-such-tag-*"))
    called = cli("plan", "-p", policy, "-o", "plan.jsonl", *cloud.options)
    (warning,) = lines_of(Path("plan.jsonl"))[0]["warnings"]
    assert "protects none of the 6 images" in warning
    for stderr in (
        called.stderr,
        cli("run", "-p", policy, *cloud.options).stderr,
        cli("diff", "-p", policy, "-p", policy, *cloud.options).stderr,
        cli("apply", "plan.jsonl", *cloud.options).stderr,
    ):
        assert "protects none of the 6 images" in stderr


def test_a_damaged_policy_in_a_plan_is_refused(cli: Cli, cloud: Cloud, policy: Path) -> None:
    plan = planned(cli, cloud, policy)
    lines = lines_of(plan)
    lines[0]["policy"]["document"]["rules"][0]["older_then"] = "1d"
    reseal(plan, lines)
    called = cli("apply", plan, *cloud.options)
    assert called.exit_code == 8
    assert "older_then" in called.stderr
    assert len(cloud.image_ids) == 6
