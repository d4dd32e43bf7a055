"""A second client changes the cloud while plan and apply run: what it touched or uses is left alone."""

from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from random import Random

import pytest

from cleanup.simulator import WhenInUse, user_records
from cleanup.simulator.messages import RecordedRequest as Request
from cleanup.simulator.routes import Operation
from cleanup.simulator.user_records import job
from tests.support.chaos import Job, Prepare, Witness, audit, jump, nth, preparing, set_faults
from tests.support.cloud import Cli, Serve

pytestmark = pytest.mark.no_cover  # conftest says why

SOMEBODY_ELSE = "5e7f00005e7f00005e7f00005e7f0000"


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


@pytest.fixture
def service() -> Witness:
    """It would delete images in use, too: the protection is all ours."""
    witness = Witness(250)
    witness.when_in_use = WhenInUse.ALLOW
    return witness


def touch(service: Witness, image_id: str) -> None:
    service.change(image_id, update_at=service.milliseconds())


def retag(service: Witness, image_id: str) -> None:
    service.change(image_id, tag="promoted")


def move(service: Witness, image_id: str) -> None:
    service.change(image_id, swr_path=f"swr.example.com/elsewhere/moved:{image_id}")


def publish(service: Witness, image_id: str) -> None:
    service.change(image_id, visibility="PUBLIC")


def build_again(service: Witness, image_id: str) -> None:
    service.change(image_id, status="CREATING")


def use(service: Witness, image_id: str) -> None:
    service.start_notebook(id=image_id)


def use_by_path(service: Witness, image_id: str) -> None:
    image = service.images.get(image_id)
    assert image is not None
    service.start_notebook(SOMEBODY_ELSE, swr_path=image["swr_path"])


def use_by_job(service: Witness, image_id: str) -> None:
    """Named as jobs name it: without a registry."""
    url = (path_of(service, image_id) or "").partition("/")[2]
    service.jobs.put(job(service.new_id(), service.milliseconds(), algorithm={"engine": {"image_url": url}}))


def use_by_service(service: Witness, image_id: str) -> None:
    """An old version of a stopped service, by its id."""
    images = [{"source": "IMAGE", "id": image_id}, {"source": "SWR", "swr_path": "swr.example.com/a/other:1"}]
    new = user_records.service(service.new_id(), service.milliseconds(), images=images, status="STOPPED")
    service.services.put(new)


def use_by_workflow(service: Witness, image_id: str) -> None:
    """Deep in its definition, in another spelling of the registry."""
    url = f"100.125.0.198:20202/{(path_of(service, image_id) or '').partition('/')[2]}"
    steps = [{"properties": {"job": {"engine": {"image_url": url}}}}]
    service.workflows.put(user_records.workflow(service.new_id(), service.milliseconds(), steps=steps))


Change = Callable[[Witness, str], None]
CHANGES: list[Change] = [
    touch,
    retag,
    move,
    publish,
    build_again,
    use,
    use_by_path,
    use_by_job,
    use_by_service,
    use_by_workflow,
]


def of_ordinary_images(job: Job) -> list[str]:
    """The planned images that change in no other way: PRIVATE, ACTIVE, and alone with their content."""
    paths = paths_of(job.service)
    images = [job.service.images.get(image_id) or {} for image_id in job.planned]
    return [
        image["id"]
        for image in images
        if (image.get("visibility"), image["status"]) == ("PRIVATE", "ACTIVE")
        and paths[image["swr_path"]] == 1
    ]


def paths_of(service: Witness) -> Counter[str]:
    """How many records each registry path has."""
    return Counter(image["swr_path"] for image in service.images if "swr_path" in image)


def path_of(service: Witness, image_id: str) -> str | None:
    return (service.images.get(image_id) or {}).get("swr_path")


class TestBetweenPlanAndApply:
    @pytest.mark.parametrize("options", [(), ("--max-staleness", "0s")], ids=["fresh-listing", "each-alone"])
    def test_what_changed_is_left_alone_and_the_rest_goes(
        self, cli: Cli, prepare: Prepare, service: Witness, options: tuple[str, ...]
    ) -> None:
        job = prepare(service, *options)
        changed = of_ordinary_images(job)[::3]
        assert len(changed) > 4 * len(CHANGES)
        for image_id, change in zip(changed, cycle(CHANGES), strict=False):
            change(service, image_id)
        run = audit(job, cli(*job.apply))
        drifted = {id_ for id_, result in run.results.items() if result["outcome"] == "drifted"}
        assert drifted == set(changed)
        assert run.outcomes["deleted"] == len(job.planned) - len(changed)
        assert not drifted & {request.image_id for request in service.asked(Operation.DELETE)}

    def test_a_new_record_of_the_same_content_keeps_it(
        self, cli: Cli, prepare: Prepare, service: Witness
    ) -> None:
        job = prepare(service)
        forced = [id_ for id_ in of_ordinary_images(job) if job.planned[id_]]
        shared = {image_id: (service.images.get(image_id) or {})["swr_path"] for image_id in forced[::2]}
        for path in shared.values():
            service.share(path)
        run = audit(job, cli(*job.apply))
        assert run.outcomes["deleted"] == len(job.planned)
        for image_id in forced:
            assert run.results[image_id]["force"] is (image_id not in shared)
        assert set(shared.values()) <= service.contents.keys()

    def test_images_that_others_deleted_are_already_gone(
        self, cli: Cli, prepare: Prepare, service: Witness
    ) -> None:
        job = prepare(service)
        gone = list(job.planned)[::4]
        for image_id in gone:
            service.images.take(image_id)
        run = audit(job, cli(*job.apply))
        told = {id_ for id_, result in run.results.items() if result["outcome"] == "already-gone"}
        assert told == set(gone)

    def test_new_images_are_nobodys_business(self, cli: Cli, prepare: Prepare, service: Witness) -> None:
        job = prepare(service)
        model = service.images.get(next(iter(job.planned))) or {}
        new = {service.new_id() for _ in range(20)}
        for number, image_id in enumerate(new):
            service.images.put(
                model | {"id": image_id, "tag": f"new-{number}", "swr_path": f"swr/n/n:{number}"}
            )
        audit(job, cli(*job.apply))
        assert new <= job.cloud.image_ids


class SecondClient:
    """Changes random planned images at random moments, and remembers after how many requests it did."""

    def __init__(self, job: Job, seed: int) -> None:
        self._service = job.service
        self._random = Random(seed)
        self._images = of_ordinary_images(job)
        self.done: dict[str, tuple[Change, int]] = {}

    def __call__(self, request: Request) -> None:
        image_id = self._random.choice(self._images)
        if self._random.random() < 0.3 and image_id not in self.done and self._service.images.get(image_id):
            change = self._random.choice(CHANGES)
            change(self._service, image_id)
            self.done[image_id] = change, len(self._service.requests)


# Which list shows a change, where it is not the image's own record that does.
SHOWN_IN: dict[Change, Operation] = {
    use: Operation.ALL_NOTEBOOKS,
    use_by_path: Operation.ALL_NOTEBOOKS,
    use_by_job: Operation.JOBS,
    use_by_service: Operation.SERVICES,
    use_by_workflow: Operation.WORKFLOWS,
}


def last_look(service: Witness, image_id: str, change: Change) -> int:
    """The number of the request that began the last look, before the image went, at where the change stands.

    Images have their turn one at a time, so a look begins after the last request about another one.
    """
    look, begun = 0, False
    for number, request in enumerate(service.requests):
        if request.image_id == image_id and request.effect == "deleted":
            return look
        if request.image_id not in (None, image_id):
            begun = False
        elif not begun and request.operation is SHOWN_IN.get(change, Operation.SHOW):
            look, begun = number, True
    raise AssertionError(f"{image_id} was never deleted")


class TestWhileApplyRuns:
    @pytest.mark.parametrize("seed", range(4))
    def test_nothing_goes_that_changed_before_it_was_looked_at(
        self, cli: Cli, prepare: Prepare, service: Witness, seed: int
    ) -> None:
        """With 0s each image is looked up alone; only what changes after that look is beyond anybody's sight."""
        job = prepare(service, "--max-staleness", "0s")
        second = SecondClient(job, seed)
        service.onlookers.append(second)
        called = cli(*job.apply)
        deleted = {deletion.image_id: deletion.swr_path for deletion in service.deletions}
        too_late = deleted.keys() & second.done.keys()
        for image_id in too_late:
            change, moment = second.done[image_id]
            assert moment > last_look(service, image_id, change)
        run = audit(job, called, {path for id_ in too_late if (path := deleted[id_])})
        assert len(deleted) > 20
        assert run.outcomes["drifted"] > 20
        assert run.outcomes["drifted"] <= len(second.done)

    def test_nothing_goes_that_changed_before_its_turn_came(
        self, cli: Cli, prepare: Prepare, service: Witness
    ) -> None:
        job = prepare(service, "--max-staleness", "0s")
        ordinary = of_ordinary_images(job)
        changed: set[str] = set()

        def change_what_nobody_looked_at() -> None:
            looked_at = {request.image_id for request in service.asked(Operation.SHOW, job.began)}
            changed.update(set(ordinary) - looked_at)
            for image_id, change in zip(sorted(changed), cycle(CHANGES), strict=False):
                change(service, image_id)

        service.onlookers.append(nth(Operation.DELETE, 20, change_what_nobody_looked_at))
        run = audit(job, cli(*job.apply))
        assert len(changed) > 50
        assert {run.results[image_id]["outcome"] for image_id in changed} == {"drifted"}
        assert run.outcomes["deleted"] == len(job.planned) - len(changed)

    def test_content_that_gets_a_new_record_stays(self, cli: Cli, prepare: Prepare, service: Witness) -> None:
        job = prepare(service, "--max-staleness", "0s")
        forced = [image_id for image_id in of_ordinary_images(job) if job.planned[image_id]]
        shared: set[str] = set()

        def share_what_nobody_looked_at() -> None:
            looked_at = {request.image_id for request in service.asked(Operation.SHOW, job.began)}
            shared.update(set(forced) - looked_at)
            for image_id in shared:
                service.share((service.images.get(image_id) or {})["swr_path"])

        service.onlookers.append(nth(Operation.DELETE, 20, share_what_nobody_looked_at))
        run = audit(job, cli(*job.apply))
        assert len(shared) > 50
        assert run.outcomes["deleted"] == len(job.planned)
        assert not any(run.results[image_id]["force"] for image_id in shared)

    def test_a_notebook_started_while_the_images_were_listed_is_seen(
        self, cli: Cli, prepare: Prepare, service: Witness
    ) -> None:
        job = prepare(service)
        users = of_ordinary_images(job)[::5]

        def start_notebooks() -> None:
            for image_id in users:
                use(service, image_id)

        pages = len(service.asked(Operation.LIST))
        service.onlookers.append(nth(Operation.LIST, pages, start_notebooks))
        run = audit(job, cli(*job.apply))
        assert {id_ for id_, told in run.results.items() if told["outcome"] == "drifted"} == set(users)

    def test_where_other_users_notebooks_can_no_longer_be_seen_nothing_goes(
        self, cli: Cli, prepare: Prepare, service: Witness
    ) -> None:
        """The permission for notebooks/all is withdrawn in the middle: one's own notebooks are no proof."""
        job = prepare(service, "--max-staleness", "0s")
        withdrawn: list[int] = []

        def withdraw() -> None:
            service.sees_all = False
            withdrawn.append(len(service.requests))
            for image_id in job.planned.keys() - {gone.image_id for gone in service.deletions}:
                service.start_notebook(SOMEBODY_ELSE, id=image_id)

        service.onlookers.append(nth(Operation.DELETE, 20, withdraw))
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 3
        later = [r.image_id for r in list(service.requests)[withdrawn[0] :] if r.effect == "deleted"]
        assert len(later) < 16, "deleted on an observation made before: those under way, no more"
        assert run.outcomes["failed"] >= 20

    @pytest.mark.parametrize("options", [(), ("--max-staleness", "0s")], ids=["fresh-listing", "each-alone"])
    def test_content_stays_when_a_record_that_shares_it_does(
        self, cli: Cli, prepare: Prepare, service: Witness, options: tuple[str, ...]
    ) -> None:
        """Of several records the last was to take the content along; one of the others cannot be deleted."""
        old = {"update_at": 1_700_000_000_000, "create_at": 1_700_000_000_000}
        shared = [path for path, count in paths_of(service).items() if count == 1][:30]
        for path in shared:
            service.share(path, **old)
            service.share(path, **old)
        job = prepare(service, *options)
        groups = {path: [id_ for id_ in job.planned if path_of(service, id_) == path] for path in shared}
        whole = {path: ids for path, ids in groups.items() if any(job.planned[id_] for id_ in ids)}
        assert len(whole) > 10
        stays = {
            path: next(id_ for id_ in ids if not job.planned[id_]) for path, ids in list(whole.items())[::2]
        }
        set_faults(
            job.cloud, script=[{"fault": 400, "calls": "delete", "image": id_} for id_ in stays.values()]
        )
        run = audit(job, cli(*job.apply))
        assert run.outcomes["failed"] == len(stays)
        for path, ids in whole.items():
            assert (path in service.contents) is (path in stays)
            assert [run.results[id_]["force"] for id_ in ids if job.planned[id_]] == [path not in stays]

    def test_an_observation_that_has_grown_old_is_made_again(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Five minutes pass at the 20th DELETE, by a clock that jumps, and everything changes meanwhile."""
        clock = jump(cli)
        service = Witness(250, now=clock.now)
        service.when_in_use = WhenInUse.ALLOW
        job = prepare(service)
        ordinary = set(of_ordinary_images(job))
        under_way: set[str | None] = set()

        def five_minutes_later() -> None:
            clock.jumped += 301
            asked = {request.image_id for request in service.asked(Operation.DELETE)}
            left = sorted(image_id for image_id in ordinary if service.images.get(image_id))
            for image_id, change in zip(left, cycle(CHANGES), strict=False):
                change(service, image_id)
            under_way.update(asked)

        service.onlookers.append(nth(Operation.DELETE, 20, five_minutes_later))
        called = cli(*job.apply)
        assert called.exit_code == 0
        later = {
            request.image_id
            for request in service.asked(Operation.DELETE)
            if request.image_id not in under_way
        }
        looked_at = {request.image_id for request in service.asked(Operation.SHOW)}
        assert len(later - looked_at) < 16, "those whose DELETE was on its way, no more"
        too_late = {gone.swr_path or "" for gone in service.deletions if gone.image_id not in looked_at}
        run = audit(job, called, too_late)
        drifted = {id_ for id_, told in run.results.items() if told["outcome"] == "drifted"}
        assert drifted == ordinary - {gone.image_id for gone in service.deletions}
        assert len(drifted) > 100

    def test_a_delete_is_not_repeated_on_an_observation_that_has_grown_old(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A 429 lets two seconds pass, longer than the staleness allowed, and the image changes meanwhile."""
        clock = jump(cli)
        service = Witness(120, now=clock.now)
        job = prepare(service, "--max-staleness", "1s", "--concurrency", "1")
        refused = of_ordinary_images(job)[:: len(job.planned) // 12]
        script = [{"calls": "delete", "image": id_, "nth": 1, "fault": "429-date"} for id_ in refused]
        set_faults(job.cloud, script=script)

        def touch_what_was_refused(request: Request) -> None:
            if request.status == 429 and request.image_id:
                touch(service, request.image_id)

        service.onlookers.append(touch_what_was_refused)
        run = audit(job, cli(*job.apply))
        assert len(refused) > 5
        assert {run.results[image_id]["outcome"] for image_id in refused} == {"drifted"}
        assert run.outcomes["deleted"] == len(job.planned) - len(refused)

    def test_notebooks_grow_old_like_images(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An image looked up lately, notebooks read 200 s before that, and 200 s more until the DELETE may leave."""
        clock = jump(cli)
        service = Witness(120, now=clock.now)
        job = prepare(service, "--concurrency", "1")
        last = of_ordinary_images(job)[-1]

        def wait(seconds: float) -> None:
            clock.jumped += seconds

        def wait_and_use(request: Request) -> None:
            if request.fault == "500":
                wait(200)
                use(service, last)

        service.when_in_use = WhenInUse.ALLOW
        service.onlookers += [
            nth(Operation.DELETE, 20, lambda: wait(301)),
            nth(Operation.DELETE, 25, lambda: wait(200)),
            wait_and_use,
        ]
        set_faults(job.cloud, script=[{"calls": "delete", "image": last, "nth": 1, "fault": "500"}])
        run = audit(job, cli(*job.apply))
        assert run.results[last]["outcome"] == "drifted"
        assert run.outcomes["deleted"] == len(job.planned) - 1
