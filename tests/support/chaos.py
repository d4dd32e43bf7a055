"""What the hardest tests share: a cloud that others watch and touch, a clock that jumps, and the audit of a run."""

import json
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import anyio.lowlevel
import pytest

from cleanup.simulator import Access, Service, build_world
from cleanup.simulator import AuthMode as Auth
from cleanup.simulator.messages import Record
from cleanup.simulator.messages import RecordedRequest as Request
from cleanup.simulator.references import ContentKey, content_key
from cleanup.simulator.routes import Operation
from tests.support.builders import lines_of, real_now
from tests.support.cloud import Called, Cli, Cloud, Serve

POLICY = """\
version: 1
protect:
  - tag: [latest, stable]
rules:
  - name: broken
    match: {status: [ERROR, CREATE_FAILED], any: &public [{visibility: "*"}, {id: "*"}]}
    older_than: 1d
  - name: old
    match: {arch: "*", any: *public}
    older_than: 10d
    keep_last: 1
    force: true
limits: {max_percent: 100, max_deletes: 10000}
"""
GONE = {"deleted", "already-gone"}
THERE = {"failed", "not-attempted", "denied", "in-use", "drifted"}
OUTCOMES = GONE | THERE | {"unknown"}
BAD = {"failed", "unknown", "denied"}
ENVELOPE = ["event", "timestamp", "level", "run_id", "target"]

Onlooker = Callable[[Request], None]


class Witness(Service):
    """A simulated service that shows each request to onlookers, after its effect and before its answer.

    They run in the simulator's own loop, so what they see and change stands at an exact place in
    the order of requests. What goes wrong in one of them is kept in `complaints`, for the audit.
    """

    def __init__(self, images: int = 150, *, seed: int = 1, now: Callable[[], datetime] = real_now) -> None:
        super().__init__(build_world(seed=seed, images=images, now=now()), now, seed=seed)
        self.onlookers: list[Onlooker] = []
        self.complaints: list[str] = []

    def remember(self, request: Request) -> None:
        super().remember(request)
        for onlooker in self.onlookers:
            try:
                onlooker(request)
            except Exception as error:
                self.complaints.append(repr(error))

    def change(self, image_id: str, **fields: Any) -> None:
        """A second client changes an image; unlike the real service this leaves `update_at` alone."""
        image = self.images.get(image_id)
        assert image is not None
        self.images.put(image | fields)

    def start_notebook(self, user_id: str | None = None, **image: Any) -> None:
        """A second client starts a notebook on an image, named by `id` or by `swr_path`."""
        moment = self.milliseconds()
        self.notebooks.put(
            {
                "create_at": moment,
                "feature": "NOTEBOOK",
                "id": self.new_id(),
                "image": image,
                "name": "second-client",
                "status": "RUNNING",
                "update_at": moment,
                "user_id": user_id or self.user_id,
                "workspace_id": "0",
            }
        )

    def share(self, path: str, **fields: Any) -> str:
        """A second client registers the content of `path` once more; returns the new record's id."""
        image_id, moment = self.new_id(), self.milliseconds()
        model = next(image for image in self.images if image.get("swr_path") == path)
        self.images.put(
            model
            | {"id": image_id, "create_at": moment, "update_at": moment, "visibility": "PRIVATE"}
            | fields
        )
        return image_id

    def asked(self, operation: Operation, since: int = 0) -> list[Request]:
        """The requests of one kind, from the given number of all requests on."""
        return [request for request in list(self.requests)[since:] if request.operation is operation]


def nth(operation: Operation | None, number: int, act: Callable[[], object]) -> Onlooker:
    """An onlooker that acts once, right after the nth request of this kind (None: of any) from now on."""
    seen = 0

    def look(request: Request) -> None:
        nonlocal seen
        if operation in (None, request.operation):
            seen += 1
            if seen == number:
                act()

    return look


class JumpingClock:
    """Real time, plus every wait at once instead of waited for: backoff, pacing and `Retry-After` cost nothing.

    The simulator reads the same clock, so that its throttle and its count of a second's requests hold.
    """

    def __init__(self) -> None:
        self.jumped = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.jumped

    def now(self) -> datetime:
        return real_now() + timedelta(seconds=self.jumped)

    async def sleep(self, seconds: float) -> None:
        self.jumped += seconds
        await anyio.lowlevel.checkpoint()


class StillClock:
    """Stands still but for waits, each of which takes it to where it ends: however slow a machine is, it is none later.

    Of several waits at the same time the longest counts. The simulator reads the same clock.
    """

    def __init__(self) -> None:
        self._waited = 0.0
        self._start = real_now()

    def monotonic(self) -> float:
        return self._waited

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._waited)

    async def sleep(self, seconds: float) -> None:
        end = self._waited + seconds
        await anyio.lowlevel.checkpoint()
        self._waited = max(self._waited, end)


def jump(cli: Cli) -> JumpingClock:
    """Put the CLI of this process on a clock that jumps; requests themselves still take their time."""
    clock = JumpingClock()
    cli.runtime = replace(cli.runtime, clock=clock.monotonic, sleep=clock.sleep)
    return clock


def set_faults(cloud: Cloud, *rates: str, script: Iterable[Record] = (), **more: Any) -> None:
    """Replace the simulator's faults through its control API; without arguments it behaves again."""
    wanted = {"rates": list(rates), "script": list(script), **more}
    url = f"{cloud.url}/_simulator/faults"
    with urlopen(HttpRequest(url, json.dumps(wanted).encode(), method="POST")) as answer:  # noqa: S310 - loopback
        assert answer.status == 200


@dataclass
class Job:
    """One planned cleanup of a watched cloud: everything was read and decided, nothing deleted yet.

    `contents` is what the registry held then, `began` how many requests planning took.
    """

    cloud: Cloud
    service: Witness
    folder: Path
    planned: dict[str, bool]
    contents: dict[str, int]
    began: int
    write_ahead: "WriteAhead"
    options: list[str] = field(default_factory=list)

    @property
    def plan(self) -> Path:
        return self.folder / "plan.jsonl"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def apply(self) -> list[str]:
        """The words of an `apply` of this plan."""
        return ["apply", str(self.plan), "--journal", str(self.journal), *self.cloud.options, *self.options]

    @property
    def run(self) -> list[str]:
        """The words of a `run --apply` by the same policy into the same journal."""
        policy = ["-p", str(self.folder / "policy.yaml"), "--apply", "--journal", str(self.journal)]
        return ["run", *policy, *self.cloud.options, *self.options]

    @property
    def resume(self) -> list[str]:
        """The words of a `resume` of its journal."""
        return ["resume", str(self.journal), *self.cloud.options, *self.options]


Prepare = Callable[..., Job]


def preparing(cli: Cli, serve_cloud: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """`prepare(service, "--rate", "100")`: serve it, plan by POLICY, and watch that intents come first.

    With an `access` the environment gets the login that it asks for.
    """

    def prepare(
        service: Witness, *options: str, policy: str = POLICY, access: Access | None = None, **serving: Any
    ) -> Job:
        cloud = serve_cloud(service, access=access, **serving)
        login: list[str] = []
        if access is not None:
            way, environment = login_to(access, cloud.url)
            login = ["--auth", way]
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
        (folder / "policy.yaml").write_text(policy, encoding="utf-8")
        plan = folder / "plan.jsonl"
        planned = cli("plan", "-p", folder / "policy.yaml", "-o", plan, *cloud.options, *login)
        assert planned.exit_code == 0, planned.output
        watch = WriteAhead(folder / "journal.jsonl")
        service.onlookers.append(watch)
        return Job(
            cloud=cloud,
            service=service,
            folder=folder,
            planned=planned_deletes(plan),
            contents=dict(service.contents),
            began=len(service.requests),
            write_ahead=watch,
            options=[*login, *options],
        )

    return prepare


def login_to(access: Access, url: str) -> tuple[str, dict[str, str]]:
    """How to log in where `access` guards: the word for `--auth`, and the environment it needs."""
    login = access.login
    keys = {"HUAWEICLOUD_SDK_AK": login.ak, "HUAWEICLOUD_SDK_SK": login.sk}
    match access.auth:
        case Auth.TOKEN:
            return "token", {"MODELARTS_TOKEN": login.token}
        case Auth.AKSK:
            return "aksk", keys
        case Auth.TEMPORARY:
            return "aksk", keys | {"HUAWEICLOUD_SDK_SECURITY_TOKEN": login.security_token}
        case Auth.PASSWORD:
            return "password", {
                "OS_AUTH_URL": url,
                "OS_USERNAME": login.user,
                "OS_PASSWORD": login.password,
                "OS_USER_DOMAIN_NAME": login.domain,
            }
        case Auth.OPEN:
            return "none", {}


def planned_deletes(plan: Path) -> dict[str, bool]:
    """The ids that a plan deletes, with the force it gives each."""
    return {
        line["image"]["id"]: line["force"]
        for line in lines_of(plan)
        if line["kind"] == "decision" and line["action"] == "delete"
    }


class WriteAhead:
    """Reads a journal along with the requests: each DELETE's intent must be in the file when it arrives."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.start_over()

    def start_over(self) -> None:
        """Read the journal from its beginning again: what was read may be there no more."""
        self._read = 0
        self._intents: dict[str, bool] = {}

    def __call__(self, request: Request) -> None:
        if request.operation is Operation.DELETE:
            self._read_on()
            force = request.query.get("force") == "true"
            assert self._intents.get(request.image_id or "") is force, f"no such intent: {request}"

    def _read_on(self) -> None:
        with self._journal.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            event = json.loads(line)
            if event["event"] == "delete.intent":
                self._intents[event["image_id"]] = event["force"]


@dataclass(frozen=True)
class Told:
    """One run as a journal tells it."""

    started: Record
    intents: Mapping[str, Record]
    results: Mapping[str, Record]
    finished: Record | None

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(result["outcome"] for result in self.results.values())


def read_runs(journal: Path) -> list[Told]:
    """Read a journal strictly, line by line; every line must be whole and in its place."""
    runs: dict[str, Told] = {}
    for line in lines_of(journal):
        assert list(line)[:5] == ENVELOPE, line
        match line["event"]:
            case "run.started":
                assert line["run_id"] not in runs
                runs[line["run_id"]] = Told(line, {}, {}, None)
            case "delete.intent":
                run = runs[line["run_id"]]
                assert line["image_id"] not in run.results
                run.intents[line["image_id"]] = line  # type: ignore[index]
            case "delete.result":
                run = runs[line["run_id"]]
                assert line["image_id"] not in run.results, "two results in one run"
                assert line["outcome"] in OUTCOMES
                run.results[line["image_id"]] = line  # type: ignore[index]
            case "run.finished":
                run = runs[line["run_id"]]
                assert run.finished is None
                runs[line["run_id"]] = Told(run.started, run.intents, run.results, line)
    return list(runs.values())


def check_run(run: Told, planned: Mapping[str, bool], exit_code: int) -> None:
    """A run that came to its end: one result for each planned image, and every count and force as told."""
    assert run.results.keys() == planned.keys()
    assert run.finished is not None
    assert run.started["planned"] == run.finished["planned"] == len(planned)
    assert {name: run.finished[name] for name in OUTCOMES} == {name: run.outcomes[name] for name in OUTCOMES}
    assert run.finished["exit_code"] == exit_code
    if exit_code == 0:
        assert not BAD & run.outcomes.keys()
        assert not run.outcomes["not-attempted"]
    if exit_code == 3:
        assert BAD & run.outcomes.keys()
    for image_id, result in run.results.items():
        intent = run.intents.get(image_id)
        assert not result["force"] or planned[image_id]
        if result["attempts"]:
            assert intent is not None
            assert intent["force"] is result["force"] or result["outcome"] == "drifted"
        if intent is not None:
            assert intent["image"]["id"] == image_id


def check_cloud(job: Job, outcomes: Mapping[str, str], too_late: Collection[str] = ()) -> None:
    """What is told of each image is what happened to it, and no content that anybody needs is gone.

    `too_late` are the contents that came into use after the last look that there can be.
    """
    service, there = job.service, job.cloud.image_ids
    assert not service.complaints, service.complaints[:3]
    assert outcomes.keys() == job.planned.keys()
    told_gone = {image_id for image_id, outcome in outcomes.items() if outcome in GONE}
    told_there = {image_id for image_id, outcome in outcomes.items() if outcome in THERE}
    assert not told_gone & there
    assert told_there <= there
    for deletion in service.deletions:
        assert deletion.image_id in job.planned
        assert job.planned[deletion.image_id] or not deletion.force
    taken = job.contents.keys() - service.contents.keys() - set(too_late)
    assert not {content_key(path) for path in taken} & needed_contents(service)


def needed_contents(service: Service) -> set[ContentKey]:
    """The contents that an image or any user of images still names, in whatever spelling."""
    using = [
        *(image.get("swr_path") for image in service.images),
        *(one["image"] for one in service.notebooks if one["status"] != "DELETED"),
        *(job for job in service.jobs if job["status"]["phase"] not in ("Completed", "Failed", "Terminated")),
        *(algorithm["job_config"]["engine"] for algorithm in service.algorithms),
        *(model for model in service.models if model.get("source_copy") != "true"),
        *service.services,
        *service.workflows,
    ]
    return {content_key(text) for text in texts_in(using) if re.search(r"/.*:[^/]+$", text)}


def texts_in(value: object) -> Iterator[str]:
    """Every text anywhere in a record."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)


def audit(job: Job, called: Called, too_late: Collection[str] = ()) -> Told:
    """Hold a single run that came to its end against its plan, its journal, and the cloud."""
    (run,) = read_runs(job.journal)
    check_run(run, job.planned, called.exit_code)
    check_cloud(job, {image_id: result["outcome"] for image_id, result in run.results.items()}, too_late)
    deletes = Counter(request.image_id for request in job.service.asked(Operation.DELETE, job.began))
    for image_id, result in run.results.items():
        assert deletes[image_id] <= result["attempts"], f"more DELETEs came than are told: {result}"
    return run


def audit_chain(job: Job) -> dict[str, str]:
    """Hold an apply and the runs that resumed it against the plan and the cloud; returns the latest outcomes."""
    runs = read_runs(job.journal)
    latest: dict[str, str] = {}
    for earlier, run in zip([None, *runs], runs, strict=False):
        assert run.started["resumes"] == (earlier and earlier.started["run_id"])
        open_ones = {
            image_id
            for image_id in job.planned
            if latest.get(image_id, "not-attempted") in ("not-attempted", "unknown")
        }
        assert run.results.keys() <= open_ones, "a run spoke of an image that had its final status"
        assert run.started["planned"] == len(open_ones)
        latest |= {image_id: result["outcome"] for image_id, result in run.results.items()}
    check_cloud(job, latest)
    return latest


def check_rate(job: Job, rate: float, concurrency: int) -> None:
    """No second of the simulator's clock saw more requests than may leave in one, and those under way before.

    This is a count and no timing of this machine: however late a request is delivered, it left either
    within the same second (at most rate + max(1, rate / 10) do) or before it, and of those that left
    before and had not arrived yet there are never more than `concurrency`.
    """
    times = [request.time for request in list(job.service.requests)[job.began :]]
    busiest = max(bisect_left(times, first + timedelta(seconds=1)) - n for n, first in enumerate(times))
    assert busiest <= rate + max(1.0, rate / 10) + concurrency
