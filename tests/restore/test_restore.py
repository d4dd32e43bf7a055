"""Restore: what can come back and what cannot, with the right attributes, and never twice."""

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import msgspec
import pytest

from cleanup.apply.worker_pool import work_off
from cleanup.config.job import Job
from cleanup.config.settings import Settings, Target
from cleanup.errors import RecordRejected, UsageError
from cleanup.image import Image
from cleanup.journal import DeleteIntent, DeleteResult, Journal, JournalFile, JournalRun
from cleanup.modelarts.client import Client
from cleanup.modelarts.http.messages import Result
from cleanup.outcome import Outcome, Verdict
from cleanup.progress import Progress
from cleanup.restore.candidates import (
    Candidate,
    attributes_lost,
    candidates,
    existing_registration,
    registration,
    selected,
)
from cleanup.restore.records import RestoreState
from cleanup.restore.register import Registrar, read_earlier, register_all
from cleanup.simulator import Access, Faults, Service, build_world, parse_rate, parse_script
from cleanup.simulator import AuthMode as Auth
from cleanup.simulator import SimulatedLogin as Login
from cleanup.simulator.messages import RecordedRequest
from cleanup.simulator.routes import Operation
from cleanup.simulator.user_records import derived_id
from cleanup.stop import Cause, Stop
from tests.support.builders import NOW, events, lines_of, make_image, real_now, run_started
from tests.support.cloud import Cli, Cloud, Serve
from tests.support.disk import full_disk
from tests.support.stage import Time, make_runtime

POLICY = """\
version: 1
rules:
  - name: with-content
    match: {visibility: PRIVATE, namespace: "ml-*"}
    older_than: 60d
    force: true
  - name: record-only
    match: {visibility: PRIVATE}
    older_than: 60d
limits: {max_percent: 95}
"""


@pytest.fixture
def deleted(cli: Cli, tmp_path: Path) -> Callable[[Cloud], dict[str, dict[str, Any]]]:
    """Run the policy against a cloud into journal.jsonl; the records of what went without its content."""

    def run(cloud: Cloud) -> dict[str, dict[str, Any]]:
        before = {image["id"]: image for image in cloud.service.images}
        (tmp_path / "policy.yaml").write_text(POLICY)
        called = cli("run", "-p", "policy.yaml", "--apply", "--journal", "journal.jsonl", *cloud.options)
        assert called.exit_code == 0, called.output
        found = {
            id_: before[id_] for id_ in cloud.deleted if before[id_]["swr_path"] in cloud.service.contents
        }
        assert len(found) > 10
        assert len(found) < len(cloud.deleted)
        return found

    return run


Deleted = Callable[[Cloud], dict[str, dict[str, Any]]]


def registrations(cloud: Cloud) -> list[RecordedRequest]:
    return [one for one in cloud.service.requests if one.operation is Operation.REGISTER]


def posts(cloud: Cloud) -> list[str]:
    """The paths of all content that a POST asked to register, whatever came of it."""
    return [json.loads(one.body)["swr_path"] for one in registrations(cloud)]


def again(cloud: Cloud, old: dict[str, dict[str, Any]]) -> Counter[str]:
    """The live records, made after the delete, of the contents that `old` records had."""
    paths = {record["swr_path"] for record in old.values()}
    recent = int((real_now() - timedelta(minutes=5)).timestamp() * 1000)
    return Counter(
        image["swr_path"]
        for image in cloud.service.images
        if image.get("swr_path") in paths and image["create_at"] > recent
    )


def once_each(old: dict[str, dict[str, Any]]) -> Counter[str]:
    return Counter(record["swr_path"] for record in old.values())


def states(text: str) -> dict[str, str]:
    return {image["image_id"]: image["state"] for image in json.loads(text)["images"]}


def test_without_apply_it_only_looks_and_needs_no_cloud(
    cli: Cli, serve_cloud: Serve, deleted: Deleted
) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    requests = len(cloud.service.requests)
    called = cli("restore", "journal.jsonl", "--format", "json")
    assert called.exit_code == 0, called.output
    assert len(cloud.service.requests) == requests
    document = json.loads(called.stdout)
    assert document["report"] == "restore"
    assert document["applied"] is False
    assert {id_ for id_, state in states(called.stdout).items() if state == "restorable"} == old.keys()
    others = [image for image in document["images"] if image["image_id"] not in old]
    assert {image["state"] for image in others} == {"not-restorable"}
    assert all("SWR was deleted with" in image["why"] for image in others)
    assert "--apply" in called.stderr
    assert not Path("journal.restore.jsonl").exists()

    table = cli("restore", "journal.jsonl").stdout
    assert all(id_ in table for id_ in old)
    assert "(force)" in table


def test_apply_registers_again_what_the_journal_holds(
    cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
    assert called.exit_code == 0, called.output
    results = events(tmp_path / "journal.restore.jsonl", "restore.result")
    assert {line["image_id"] for line in results} == old.keys()
    assert {line["outcome"] for line in results} == {"restored"}
    for line in results:
        new, before = cloud.service.images.get(line["new_image_id"]), old[line["image_id"]]
        assert new is not None
        assert new["id"] != before["id"]
        assert new["arch"].casefold() == before["arch"].casefold()
        for field in ("swr_path", "description", "origin", "resource_categories", "service_type"):
            assert new[field] == before[field], field
        for field in ("dev_services", "visibility", "workspace_id", "namespace", "name", "tag"):
            assert new[field] == before[field], field
        assert line["new_image_id"] in called.stdout
        assert line["request_id"]


def test_the_restore_journal_is_a_journal(
    cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    cli("restore", "journal.jsonl", "--apply", *cloud.options)
    lines = lines_of(tmp_path / "journal.restore.jsonl")
    assert all(list(line)[:5] == ["event", "timestamp", "level", "run_id", "target"] for line in lines)
    assert lines[0]["event"] == "restore.started"
    assert (lines[0]["journal"], lines[0]["planned"]) == ("journal.jsonl", len(old))
    assert lines[-1]["event"] == "restore.finished"
    assert lines[-1]["restored"] == lines[-1]["planned"] == len(old)
    assert lines[-1]["exit_code"] == 0
    intended: set[str] = set()
    for line in lines:
        if line["event"] == "restore.intent":
            intended.add(line["image_id"])
            assert line["registration"]["swr_path"] == old[line["image_id"]]["swr_path"]
        if line["event"] == "restore.result":
            assert line["image_id"] in intended
    called = cli("report", "journal.restore.jsonl")
    assert called.exit_code == 8
    assert "is a restore journal, not a plan or a journal" in called.stderr


def test_twice_restores_nothing_twice(cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    for _ in range(3):
        assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
    assert Counter(posts(cloud)) == again(cloud, old) == once_each(old)
    looked = cli("restore", "journal.jsonl", "--format", "json").stdout
    assert Counter(states(looked).values())["already-restored"] == len(old)
    new_ids = {image["new_image_id"] for image in json.loads(looked)["images"] if image["image_id"] in old}
    assert new_ids <= cloud.image_ids
    assert len(new_ids) == len(old)


def test_image_selects(cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    first, second, *_ = old
    options = ["--image", first, "--image", second]
    assert states(cli("restore", "journal.jsonl", "--format", "json", *options).stdout).keys() == {
        first,
        second,
    }
    assert cli("restore", "journal.jsonl", "--apply", *options, *cloud.options).exit_code == 0
    assert sorted(posts(cloud)) == sorted([old[first]["swr_path"], old[second]["swr_path"]])
    with_content = (cloud.deleted.keys() - old.keys()).pop()
    called = cli("restore", "journal.jsonl", "--apply", "--image", with_content, *cloud.options)
    assert called.exit_code == 0
    assert "(force)" in called.stdout
    assert len(posts(cloud)) == 2


def test_an_id_that_the_journal_does_not_name(cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
    cloud = serve_cloud()
    deleted(cloud)
    called = cli("restore", "journal.jsonl", "--image", "no-such-id")
    assert called.exit_code == 2
    assert "no-such-id" in called.stderr


def test_what_somebody_registered_again_is_left_alone(
    cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    one = next(iter(old.values()))
    moment = cloud.service.milliseconds()
    theirs = one | {"id": "theirs", "create_at": moment, "update_at": moment}
    cloud.service.images.put(theirs)
    assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
    assert one["swr_path"] not in posts(cloud)
    (line,) = [
        line
        for line in events(tmp_path / "journal.restore.jsonl", "restore.result")
        if line["image_id"] == one["id"]
    ]
    assert (line["outcome"], line["new_image_id"]) == ("already-restored", "theirs")


def test_a_record_that_was_there_all_the_time_stands_in_nobodys_way(
    cli: Cli, serve_cloud: Serve, deleted: Deleted
) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    one = next(iter(old.values()))
    cloud.service.images.put(one | {"id": "sibling"})
    assert cli("restore", "journal.jsonl", "--apply", "--image", one["id"], *cloud.options).exit_code == 0
    assert posts(cloud) == [one["swr_path"]]


def add_twins(cloud: Cloud) -> str:
    """Two old records, `first` and `second`, of one content; its path."""
    path = "swr.example.com/sandbox/twice:1"
    one = next(image for image in cloud.service.images if image.get("namespace") == "sandbox")
    moment = int((real_now() - timedelta(days=200)).timestamp() * 1000)
    aged = one | {"create_at": moment, "update_at": moment, "swr_path": path, "name": "twice", "tag": "1"}
    for id_ in ("first", "second"):
        cloud.service.images.put(aged | {"id": id_, "visibility": "PRIVATE", "status": "ACTIVE"})
    cloud.service.contents[path] = 1
    return path


@pytest.mark.parametrize("rates", [[], ["register:drop-after=1"]])
def test_two_records_of_one_content_both_come_back(
    cli: Cli, serve_cloud: Serve, deleted: Deleted, rates: list[str]
) -> None:
    cloud = serve_cloud(faults=Faults([parse_rate(rate) for rate in rates]))
    path = add_twins(cloud)
    old = deleted(cloud)
    assert once_each(old)[path] == 2
    for _ in range(2):
        assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
    new_ids = read_earlier(Path("journal.restore.jsonl")).links
    assert len(set(new_ids.values())) == len(new_ids) == len(old)
    assert Counter(posts(cloud)) == again(cloud, old) == once_each(old)


def test_the_new_record_of_one_is_not_taken_for_the_other(
    cli: Cli, serve_cloud: Serve, deleted: Deleted
) -> None:
    script = parse_script([{"fault": ["ok", "drop-before"], "calls": "register"}], "script")
    cloud = serve_cloud(faults=Faults((), script))
    path = add_twins(cloud)
    deleted(cloud)
    options = ["--apply", "--image", "first", "--image", "second", *cloud.options]
    assert cli("restore", "journal.jsonl", *options).exit_code == 3
    assert len(read_earlier(Path("journal.restore.jsonl")).links) == 1
    assert cli("restore", "journal.jsonl", *options).exit_code == 0
    assert len(set(read_earlier(Path("journal.restore.jsonl")).links.values())) == 2
    assert posts(cloud) == [path] * 3


class TestFaults:
    @pytest.mark.parametrize("fault", ["drop-after", "empty", "204", "truncated", "not-utf8", "slow"])
    def test_an_answer_that_was_lost_or_cut_off_is_looked_up_and_never_repeated(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, fault: str, tmp_path: Path
    ) -> None:
        cloud = serve_cloud(faults=Faults([parse_rate(f"register:{fault}=1")]), drip=0)
        old = deleted(cloud)
        called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 0, called.output
        assert Counter(posts(cloud)) == again(cloud, old) == once_each(old)
        results = events(tmp_path / "journal.restore.jsonl", "restore.result")
        assert {line["outcome"] for line in results} == {"restored"}
        for line in results:
            new = cloud.service.images.get(line["new_image_id"])
            assert new is not None
            assert new["swr_path"] == line["swr_path"]

    @pytest.mark.parametrize("fault", ["drop-before", "500", "502", "503"])
    def test_what_had_no_effect_is_failed_and_comes_with_the_next_run(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, fault: str, tmp_path: Path
    ) -> None:
        script = parse_script([{"fault": fault, "calls": "register", "times": 5}], "script")
        cloud = serve_cloud(faults=Faults((), script))
        old = deleted(cloud)
        called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 3, called.output
        results = events(tmp_path / "journal.restore.jsonl", "restore.result")
        assert Counter(line["outcome"] for line in results) == {"failed": 5, "restored": len(old) - 5}
        assert all("again" in line["error_msg"] for line in results if line["outcome"] == "failed")
        assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
        assert again(cloud, old) == once_each(old)
        assert len(posts(cloud)) == len(old) + 5

    def test_throttling_is_waited_out(self, cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
        script = parse_script([{"fault": "429-bare", "calls": "register", "times": 2}], "script")
        cloud = serve_cloud(faults=Faults((), script))
        old = deleted(cloud)
        assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
        assert again(cloud, old) == once_each(old)

    def test_a_mix_of_everything_over_several_runs(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted
    ) -> None:
        kinds = ["drop-before", "drop-after", "500", "502", "empty", "truncated", "204", "400"]
        cloud = serve_cloud(
            faults=Faults([parse_rate(f"register:{kind}=0.06") for kind in kinds]), images=200
        )
        old = deleted(cloud)
        codes = [cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code for _ in range(8)]
        assert codes[0] == 3
        assert codes[-1] == 0
        assert again(cloud, old) == once_each(old)

    def test_content_that_is_gone_fails_with_the_services_words(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
    ) -> None:
        cloud = serve_cloud()
        one = next(iter(deleted(cloud).values()))
        del cloud.service.contents[one["swr_path"]]
        called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 3
        assert "there is no such image in SWR" in " ".join(called.stdout.split())
        (line,) = [
            line
            for line in events(tmp_path / "journal.restore.jsonl", "restore.result")
            if line["outcome"] == "failed"
        ]
        assert (line["http_status"], line["error_code"]) == (400, "ModelArts.0107")
        assert line["level"] == "error"
        assert line["new_image_id"] is None

    def test_without_the_permission_to_register(self, cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
        cloud = serve_cloud(faults=Faults([parse_rate("register:403=1")]))
        old = deleted(cloud)
        assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 5
        assert not again(cloud, old)

    def test_credentials_that_are_refused_stop_it(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
    ) -> None:
        script = parse_script([{"fault": "401", "calls": "register", "after": 3}], "script")
        cloud = serve_cloud(faults=Faults((), script))
        old = deleted(cloud)
        options = [*cloud.options, "--concurrency", 1]
        assert cli("restore", "journal.jsonl", "--apply", *options).exit_code == 5
        results = events(tmp_path / "journal.restore.jsonl", "restore.result")
        counted = Counter(line["outcome"] for line in results)
        assert counted == {"restored": 3, "failed": 1, "not-attempted": len(old) - 4}
        (finished,) = events(tmp_path / "journal.restore.jsonl", "restore.finished")
        assert finished["exit_code"] == 5
        assert "credentials" in finished["stopped"]

    @pytest.mark.parametrize(("fault", "code"), [("list:500", 6), ("list:403", 5), ("list:wrong-total", 6)])
    def test_without_a_complete_listing_nothing_is_registered(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, fault: str, code: int
    ) -> None:
        cloud = serve_cloud()
        deleted(cloud)
        other = serve_cloud(cloud.service, faults=Faults([parse_rate(f"{fault}=1")]))
        rewrite(Path("journal.jsonl"), cloud.url, other.url)
        called = cli("restore", "journal.jsonl", "--apply", *other.options, "--max-attempts", 1)
        assert called.exit_code == code, called.output
        assert posts(cloud) == []
        assert not Path("journal.restore.jsonl").exists()


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


class TestCrashes:
    def test_between_post_and_result(self, cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
        cloud = serve_cloud()
        old = deleted(cloud)
        cli("restore", "journal.jsonl", "--apply", *cloud.options)
        journal = Path("journal.restore.jsonl")
        kept = [line for line in journal.read_text().splitlines() if '"restore.result"' not in line]
        journal.write_text("\n".join(kept[:-1]) + "\n")
        called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 0
        assert Counter(posts(cloud)) == again(cloud, old) == once_each(old)
        results = events(journal, "restore.result")
        assert {line["outcome"] for line in results} == {"already-restored"}
        assert {line["image_id"] for line in results} == old.keys()
        assert {line["new_image_id"] for line in results} <= cloud.image_ids

    def test_two_processes_at_once(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another restore goes through between our reading of the restore journal and our opening of it."""
        cloud = serve_cloud()
        old = deleted(cloud)

        def meanwhile(path: Path, *_: str) -> None:
            path.write_text('{"event":"journal.repaired","run_id":"r","torn_line":""}\n')

        monkeypatch.setattr("cleanup.restore.register.require_writable", meanwhile)
        called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 2
        assert "another process" in called.stderr
        assert posts(cloud) == []
        assert not again(cloud, old)

    def test_a_torn_last_line(self, cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
        cloud = serve_cloud()
        old = deleted(cloud)
        cli("restore", "journal.jsonl", "--apply", *cloud.options)
        journal = Path("journal.restore.jsonl")
        *_, last = [line for line in journal.read_text().splitlines(True) if '"restore.result"' in line]
        cut = journal.read_text().index(last) + len(last) // 2
        journal.write_text(journal.read_text()[:cut])
        assert cli("restore", "journal.jsonl", "--apply", *cloud.options).exit_code == 0
        assert Counter(posts(cloud)) == again(cloud, old) == once_each(old)

    def test_a_restore_journal_damaged_inside_is_not_guessed_at(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted
    ) -> None:
        cloud = serve_cloud()
        deleted(cloud)
        Path("journal.restore.jsonl").write_text('{"event":"x","run_id":"r"}\nrubbish\n{}\n')
        called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 8
        assert "journal.restore.jsonl:2" in called.stderr
        assert posts(cloud) == []

    def test_a_full_disk_before_the_first_post(self, cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
        cloud = serve_cloud()
        deleted(cloud)
        with full_disk():
            called = cli("restore", "journal.jsonl", "--apply", *cloud.options)
        assert called.exit_code == 7, called.output
        assert "image-cleanup restore journal.jsonl --apply" in called.stderr
        assert posts(cloud) == []


def test_another_target_is_refused(cli: Cli, serve_cloud: Serve, deleted: Deleted) -> None:
    cloud = serve_cloud()
    deleted(cloud)
    requests = len(cloud.service.requests)
    for options in (
        ["--endpoint", cloud.url, "--project-id", "f" * 32, "--auth", "none"],
        [*cloud.options, "--workspace", "other"],
    ):
        called = cli("restore", "journal.jsonl", "--apply", *options)
        assert called.exit_code == 8
        assert "f" * 32 in called.stderr or "other" in called.stderr
    assert len(cloud.service.requests) == requests


def test_a_targets_file_finds_the_journals_target(
    cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
) -> None:
    cloud = serve_cloud()
    old = deleted(cloud)
    entry = f"project_id: {cloud.service.project_id}, auth: none, rate: 2000"
    targets = tmp_path / "targets.yaml"
    targets.write_text(
        f"version: 1\ntargets:\n  - {{name: a, endpoint: 'http://127.0.0.1:1', {entry}}}\n"
        f"  - {{name: b, endpoint: '{cloud.url}', {entry}}}\n"
    )
    called = cli("restore", "journal.jsonl", "--apply", "--targets", targets)
    assert called.exit_code == 0, called.output
    assert again(cloud, old) == once_each(old)
    targets.write_text(f"version: 1\ntargets:\n  - {{name: a, endpoint: 'http://127.0.0.1:1', {entry}}}\n")
    assert cli("restore", "journal.jsonl", "--apply", "--targets", targets).exit_code == 8


def test_no_secret_is_ever_shown(
    cli: Cli, serve_cloud: Serve, deleted: Deleted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    canary = "canary-0123456789abcdef"
    service = Service(build_world(seed=1, images=60, now=real_now()), real_now)
    cloud = serve_cloud(service)
    deleted(cloud)
    faults = Faults([parse_rate("register:403=0.3"), parse_rate("register:500=0.3")])
    guarded = serve_cloud(service, access=Access(Auth.TOKEN, Login(token=canary)), faults=faults)
    rewrite(Path("journal.jsonl"), cloud.url, guarded.url)
    monkeypatch.setenv("MODELARTS_TOKEN", canary)
    options = ["--endpoint", guarded.url, "--project-id", service.project_id, "--auth", "token"]
    called = cli("restore", "journal.jsonl", "--apply", *options, "--rate", 2000)
    assert called.exit_code == 3, called.output
    assert canary not in called.output
    assert canary not in (tmp_path / "journal.restore.jsonl").read_text()


# --- pure: which image of a journal can come back ---


def record(id: str, **fields: Any) -> msgspec.Raw:
    values = {"id": id, "swr_path": f"swr.example.com/team/app:{id}"} | fields
    return msgspec.Raw(msgspec.json.encode(values))


def intent(id: str, *, force: bool = False, **fields: Any) -> DeleteIntent:
    return DeleteIntent(image_id=id, rule="r", force=force, image=record(id, **fields), timestamp=NOW)


def result(id: str, outcome: Outcome, **fields: Any) -> DeleteResult:
    return DeleteResult.of(make_image(id, **fields), "r", Verdict(outcome=outcome))


OneRun = tuple[list[DeleteIntent], list[DeleteResult]]


def journal_of(*runs: OneRun) -> JournalFile:
    return JournalFile(
        path=Path("journal.jsonl"),
        torn=False,
        runs=tuple(
            JournalRun(
                started=run_started(f"run-{number}"),
                intents={one.image_id: one for one in intents},
                results={one.image_id: one for one in results},
            )
            for number, (intents, results) in enumerate(runs)
        ),
    )


def judged(journal: JournalFile, **restored: str) -> dict[str, Candidate]:
    return {one.image.id: one for one in candidates(journal, restored)}


@pytest.mark.parametrize("outcome", [Outcome.DELETED, Outcome.ALREADY_GONE])
def test_gone_without_force_can_come_back(outcome: Outcome) -> None:
    one = judged(journal_of(([intent("a")], [result("a", outcome)])))["a"]
    assert (one.state, one.why, one.outcome, one.deleted_at) == (RestoreState.RESTORABLE, None, outcome, NOW)


@pytest.mark.parametrize(
    "outcome", [Outcome.DRIFTED, Outcome.IN_USE, Outcome.DENIED, Outcome.FAILED, Outcome.NOT_ATTEMPTED]
)
@pytest.mark.parametrize("intents", [[], [intent("a")], [intent("a", force=True)]])
def test_what_was_not_deleted_cannot(outcome: Outcome, intents: list[DeleteIntent]) -> None:
    one = judged(journal_of((intents, [result("a", outcome)])))["a"]
    assert one.state is RestoreState.NOT_RESTORABLE
    assert one.why == f"it was not deleted ({outcome})"


@pytest.mark.parametrize("results", [[], [result("a", Outcome.UNKNOWN)]])
def test_what_nobody_knows_is_left_to_resume(results: list[DeleteResult]) -> None:
    one = judged(journal_of(([intent("a")], results)))["a"]
    assert one.state is RestoreState.NOT_RESTORABLE
    assert "resume" in (one.why or "")


@pytest.mark.parametrize("outcome", [Outcome.DELETED, Outcome.ALREADY_GONE])
def test_what_went_with_its_content_cannot(outcome: Outcome) -> None:
    one = judged(journal_of(([intent("a", force=True)], [result("a", outcome)])))["a"]
    assert one.state is RestoreState.NOT_RESTORABLE
    assert one.why == "its content in SWR was deleted with it (force)"


def test_what_somebody_else_deleted_cannot() -> None:
    one = judged(journal_of(([], [result("a", Outcome.ALREADY_GONE)])))["a"]
    assert one.state is RestoreState.NOT_RESTORABLE
    assert "somebody else" in (one.why or "")


def test_a_refusal_takes_an_earlier_intent_back() -> None:
    runs: tuple[OneRun, ...] = (
        ([intent("a")], [result("a", Outcome.IN_USE)]),
        ([], [result("a", Outcome.ALREADY_GONE)]),
    )
    assert "somebody else" in (judged(journal_of(*runs))["a"].why or "")


def test_a_lost_delete_that_resume_settled_can_come_back() -> None:
    settled: OneRun = ([], [result("a", Outcome.ALREADY_GONE)])
    assert judged(journal_of(([intent("a")], []), settled))["a"].state is RestoreState.RESTORABLE


@pytest.mark.parametrize(
    ("results", "taken"),
    [
        ([result("b", Outcome.DELETED)], True),
        ([result("b", Outcome.ALREADY_GONE)], True),
        ([result("b", Outcome.UNKNOWN)], True),
        ([], True),
        ([result("b", Outcome.FAILED)], False),
        ([result("b", Outcome.IN_USE)], False),
        ([result("b", Outcome.NOT_ATTEMPTED)], False),
    ],
)
def test_content_that_another_record_took_along(results: list[DeleteResult], taken: bool) -> None:
    path = "swr.example.com/team/app"
    journal = journal_of(
        (
            [
                intent("a", swr_path=f"{path}:latest"),
                intent("b", force=True, swr_path=f"https://{path.upper()}"),
            ],
            [result("a", Outcome.DELETED), *results],
        )
    )
    one = judged(journal)["a"]
    assert (one.state is RestoreState.NOT_RESTORABLE) is taken
    assert ("another record" in (one.why or "")) is taken


def test_without_a_path_nothing_can_be_registered() -> None:
    one = judged(journal_of(([intent("a", swr_path=None)], [result("a", Outcome.DELETED)])))["a"]
    assert one.why == "its swr_path is unknown"


def test_a_failed_build_never_had_content() -> None:
    journal = journal_of(([intent("a", status="CREATE_FAILED")], [result("a", Outcome.DELETED)]))
    assert "CREATE_FAILED" in (judged(journal)["a"].why or "")


def test_what_was_restored_names_its_new_id() -> None:
    journal = journal_of(([intent("a")], [result("a", Outcome.DELETED)]))
    one = judged(journal, a="new")["a"]
    assert (one.state, one.new_image_id, one.why) == (RestoreState.ALREADY_RESTORED, "new", None)


def test_a_record_without_sense_is_named() -> None:
    broken = DeleteIntent(image_id="a", rule="r", force=False, image=msgspec.Raw(b"[]"))
    with pytest.raises(RecordRejected, match="image a "):
        candidates(journal_of(([broken], [result("a", Outcome.DELETED)])), {})


def test_selection_names_every_stranger() -> None:
    found = candidates(journal_of(([intent("a")], [result("a", Outcome.DELETED)])), {})
    assert selected(found, ()) == found
    with pytest.raises(UsageError, match="x, y"):
        selected(found, ("x", "a", "y"))


def test_a_registration_holds_what_the_record_held() -> None:
    known = {
        "swr_path": "swr.example.com/team/app:1",
        "arch": "x86_64",
        "description": "",
        "origin": "IMAGE_SAVE",
        "resource_categories": ["GPU"],
        "service_type": "TRAIN",
        "dev_services": ["SSH"],
        "visibility": "PUBLIC",
        "workspace_id": "w",
        "flavor_type": "ASCEND_SNT9B",
        "swr_instance_id": "enterprise",
    }
    kept = {key: known[key] for key in ("swr_path", "description", "origin", "service_type", "visibility")}
    kept |= {key: known[key] for key in ("workspace_id", "flavor_type", "swr_instance_id")}
    others = {"size": 5, "status": "ACTIVE", "tag": "1", "create_at": 1, "update_at": 2, "type": "DEDICATED"}
    assert registration(record("a", **known, **others)) == kept | {
        "arch": "X86_64",
        "resource_category": ["GPU"],
        "services": ["SSH"],
    }
    bare = registration(record("a", arch=None, description=None))
    assert bare == {"swr_path": "swr.example.com/team/app:a"}


class TestTwins:
    def one(self) -> Candidate:
        return judged(journal_of(([intent("a")], [result("a", Outcome.DELETED)])))["a"]

    def live(self, id: str, **fields: Any) -> Image:
        values: dict[str, Any] = {
            "created_at": NOW + timedelta(hours=1),
            "swr_path": "swr.example.com/team/app:a",
        } | fields
        return make_image(id, **values)

    def test_a_record_that_does_not_say_its_instance(self) -> None:
        deleted = msgspec.structs.replace(self.one().image, swr_instance_id="8f1c")
        candidate = msgspec.structs.replace(self.one(), image=deleted)
        found = existing_registration(candidate, [self.live("new")], ())
        assert found is not None
        assert found.id == "new"

    def test_the_same_content_after_the_delete(self) -> None:
        assert existing_registration(
            self.one(), [self.live("other", swr_path="x.y/team/b:1"), self.live("new")], ()
        ) == self.live("new")

    @pytest.mark.parametrize(
        "fields",
        [
            {"swr_path": "swr.example.com/team/app:b"},
            {"swr_path": None},
            {"created_at": NOW - timedelta(minutes=6)},
        ],
    )
    def test_something_else(self, fields: dict[str, Any]) -> None:
        assert existing_registration(self.one(), [self.live("new", **fields)], ()) is None

    @pytest.mark.parametrize("created_at", [None, NOW - timedelta(minutes=4)])
    def test_rather_not_registered_than_twice(self, created_at: Any) -> None:
        assert existing_registration(self.one(), [self.live("new", created_at=created_at)], ())

    def test_one_that_is_somebody_elses_new_id(self) -> None:
        assert existing_registration(self.one(), [self.live("new")], {"new"}) is None


# --- the run, with a client that is staged ---


class StagedClient:
    """Registers everything until `stop_at`; that one meets a stop, and an answer only if it does not `hang`."""

    requests = throttled = 0

    def __init__(self, path: Path, stop: Stop, *, stop_at: int, hang: bool) -> None:
        self.path, self.stop, self.stop_at, self.hang = path, stop, stop_at, hang
        self.registered: list[object] = []
        self.durable = 0

    def synced(self, _: int) -> None:
        """Stands in for os.fsync."""
        self.durable = self.path.stat().st_size

    async def register_image(self, attributes: dict[str, object]) -> Result[bytes]:
        on_disk = self.path.read_bytes()[: self.durable].splitlines()
        intents = [line for line in map(json.loads, on_disk) if line["event"] == "restore.intent"]
        assert attributes in [line["registration"] for line in intents]
        self.registered.append(attributes["swr_path"])
        if len(self.registered) == self.stop_at:
            self.stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
            if self.hang:
                await anyio.sleep_forever()
            return Result(label="POST", stopped=True)
        body = msgspec.json.encode({"id": f"new-{len(self.registered)}"})
        return Result(label="POST", status=201, body=body, attempts=1, request_id="r")


@pytest.mark.parametrize(
    ("hang", "third"), [(False, RestoreState.NOT_ATTEMPTED), (True, RestoreState.UNKNOWN)]
)
async def test_a_signal_leaves_the_rest_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: bool, third: RestoreState
) -> None:
    ids = ["a", "b", "c", "d"]
    gone = [result(id_, Outcome.DELETED) for id_ in ids]
    due = candidates(journal_of(([intent(id_) for id_ in ids], gone)), {})
    path = tmp_path / "journal.restore.jsonl"
    stop = Stop(drain_seconds=0)
    staged = StagedClient(path, stop, stop_at=3, hang=hang)
    monkeypatch.setattr(os, "fsync", staged.synced)
    with Journal(path, "run-1", "default", lambda: NOW) as journal:
        client = cast(Client, staged)
        job = Job(
            target=Target(name="default", endpoint="https://x.example", project_id="p", concurrency=1),
            settings=Settings(),
            runtime=make_runtime(Time()),
            stop=stop,
            progress=Progress(),
            run_id="run-1",
        )
        registrar = Registrar(client, journal, stop, (), ())
        results, code = await register_all(job, tmp_path / "journal.jsonl", due, client, journal, registrar)
    assert code == 7
    assert [one.outcome for one in results] == [RestoreState.RESTORED] * 2 + [
        third,
        RestoreState.NOT_ATTEMPTED,
    ]
    assert read_earlier(path).links == {"a": "new-1", "b": "new-2"}
    assert len(events(path, "restore.result")) == 4
    (finished,) = events(path, "restore.finished")
    assert (finished["restored"], finished[third], finished["planned"]) == (2, 2 - hang, 4)
    assert finished["stopped"] == "interrupted by SIGTERM"


class SlowGroups:
    """Registers at once; what is to be put back into the group is never answered."""

    requests = throttled = 0

    async def register_image(self, _: dict[str, object]) -> Result[bytes]:
        return Result(label="POST", status=201, body=b'{"id": "new-1"}', attempts=1)

    async def set_group(self, *_: object) -> Result[bytes]:
        self.stop.request(Cause.SIGNAL, "interrupted by SIGTERM")
        await anyio.sleep_forever()
        raise AssertionError

    def __init__(self, stop: Stop) -> None:
        self.stop = stop


async def test_what_was_registered_is_restored_also_when_its_group_could_not_be_mended(
    tmp_path: Path,
) -> None:
    due = candidates(
        journal_of(([intent("a", namespace="team", name="app")], [result("a", Outcome.DELETED)])), {}
    )
    path = tmp_path / "journal.restore.jsonl"
    stop = Stop(drain_seconds=0)
    with Journal(path, "run-1", "default", lambda: NOW) as journal:
        client = cast(Client, SlowGroups(stop))
        registrar = Registrar(client, journal, stop, (), (), read_mes={("0", "team", "app"): "about it"})
        await work_off([list(due)], registrar.register, stop, 1)
    (written,) = events(path, "restore.result")
    assert (written["outcome"], written["new_image_id"]) == ("restored", "new-1")
    assert "read_me" in written["not_restored"]


class TestWhatComesBackAndWhatDoesNot:
    TAGS = ({"key": "team", "value": "vision"},)

    def alone(self, cloud: Cloud) -> dict[str, Any]:
        """An image whose group has no other version, with tags."""
        image = next(
            one
            for one in cloud.service.images
            if one["type"] == "DEDICATED"
            and one["namespace"] == "research-llm"
            and one["visibility"] == "PRIVATE"
        )
        for other in list(cloud.service.images):
            if other["id"] != image["id"] and (other.get("namespace"), other.get("name")) == (
                image["namespace"],
                image["name"],
            ):
                cloud.service.images.take(other["id"])
        old = image | {"tags": list(self.TAGS), "update_at": 1671093486722, "create_at": 1671093486722}
        cloud.service.images.put(
            old | {"tag": f"{image['tag']}-x", "id": "gone-1", "swr_path": f"{image['swr_path']}-x"}
        )
        cloud.service.contents[f"{image['swr_path']}-x"] = 7
        cloud.service.images.take(image["id"])
        return next(one for one in cloud.service.images if one["id"] == "gone-1")

    def test_tags_of_a_group_that_was_gone(self, cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
        cloud = serve_cloud()
        old = self.alone(cloud)
        group = derived_id("DEDICATED", "0", old["namespace"], old["name"])
        cloud.service.read_mes[group] = "trained on the corpus of 2022"
        (tmp_path / "policy.yaml").write_text(POLICY)
        run = cli("run", "-p", "policy.yaml", "--apply", "--journal", "journal.jsonl", *cloud.options)
        assert run.exit_code == 0, run.output
        looked = json.loads(cli("restore", "journal.jsonl", "--image", "gone-1", "--format", "json").stdout)
        assert looked["images"][0]["not_restored"] == ["id", "create_at", "update_at", "size"]
        one = ("restore", "journal.jsonl", "--image", "gone-1", "--apply", "--format", "json")
        called = cli(*one, *cloud.options)
        assert called.exit_code == 0, called.output
        (row,) = json.loads(called.stdout)["images"]
        assert row["not_restored"] == ["id", "create_at", "update_at", "size"]
        new = cloud.service.images.get(row["new_image_id"])
        assert new is not None
        assert new["tags"] == old["tags"]
        assert cloud.service.read_mes[group] == "trained on the corpus of 2022"

    def test_groups_that_may_not_be_listed_do_not_stop_a_run(
        self, cli: Cli, serve_cloud: Serve, tmp_path: Path
    ) -> None:
        cloud = serve_cloud(faults=Faults([parse_rate("groups:403=1")]))
        self.alone(cloud)
        (tmp_path / "policy.yaml").write_text(POLICY)
        run = cli("run", "-p", "policy.yaml", "--apply", "--journal", "journal.jsonl", *cloud.options)
        assert run.exit_code == 0, run.output
        assert "read_me" in run.output
        assert events(tmp_path / "journal.jsonl", "group.seen") == []

    def test_tags_that_may_not_be_set_are_told(self, cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
        cloud = serve_cloud(faults=Faults([parse_rate("update-group:403=1")]))
        self.alone(cloud)
        (tmp_path / "policy.yaml").write_text(POLICY)
        cli("run", "-p", "policy.yaml", "--apply", "--journal", "journal.jsonl", *cloud.options)
        one = ("restore", "journal.jsonl", "--image", "gone-1", "--apply")
        called = cli(*one, "--format", "json", *cloud.options)
        assert called.exit_code == 0, called.output
        (row,) = json.loads(called.stdout)["images"]
        assert row["not_restored"][4:] == [row["not_restored"][-1]]
        assert row["not_restored"][-1].startswith("tags (PUT http")
        assert "answered 403" in row["not_restored"][-1]

    def test_who_named_the_old_id(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted, tmp_path: Path
    ) -> None:
        cloud = serve_cloud()
        old_id = next(iter(deleted(cloud)))
        notebook = next(iter(cloud.service.notebooks))
        cloud.service.notebooks.put(notebook | {"id": "nb-old", "status": "STOPPED", "image": {"id": old_id}})
        one = ("restore", "journal.jsonl", "--image", old_id, "--apply", "--format", "json")
        called = cli(*one, *cloud.options)
        (row,) = json.loads(called.stdout)["images"]
        assert any("STOPPED" in user for user in row["old_id_used_by"])
        (result,) = events(tmp_path / "journal.restore.jsonl", "restore.result")
        assert result["old_id_used_by"] == row["old_id_used_by"]

    def test_users_that_cannot_be_read_do_not_matter(
        self, cli: Cli, serve_cloud: Serve, deleted: Deleted
    ) -> None:
        cloud = serve_cloud()
        old_id = next(iter(deleted(cloud)))
        cloud.service.sees_all = False
        called = cli("restore", "journal.jsonl", "--image", old_id, "--apply", *cloud.options)
        assert called.exit_code == 0, called.output

    @pytest.mark.parametrize(
        ("old", "new", "lost"),
        [
            ({"arch": "x86_64", "description": "a"}, {"arch": "X86_64", "description": "a", "new": 1}, ()),
            ({"flavor_type": "ASCEND_SNT9"}, {"id": "n"}, ("flavor_type",)),
            ({"dev_services": ["SSH", "NOTEBOOK"]}, {"dev_services": ["NOTEBOOK", "SSH"]}, ()),
            (
                {"id": "o", "size": 1, "create_at": 1, "update_at": 2, "status": "ERROR"},
                {"id": "n", "size": 2},
                (),
            ),
            ({"description": "", "flavor_type": None, "tags": [1]}, {"id": "n"}, ()),
        ],
    )
    def test_attributes_that_differ(
        self, old: dict[str, Any], new: dict[str, Any], lost: tuple[str, ...]
    ) -> None:
        assert attributes_lost(json.dumps(old).encode(), json.dumps(new).encode()) == lost
        assert attributes_lost(json.dumps(old).encode(), b"\xff") == ()
