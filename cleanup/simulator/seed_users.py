"""The users of images besides notebooks, in every form and state that the API has, and aliases of one content."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, groupby
from random import Random
from typing import Any

from cleanup.simulator import user_records
from cleanup.simulator.messages import Record
from cleanup.simulator.references import INTERNAL_HOST, content_key, digest_of
from cleanup.simulator.seed_images import DAY, new_id
from cleanup.simulator.user_records import merged

# From so many images on there are aliases, and users of images that a cleanup would delete otherwise; in smaller
# projects users need the newest images only.
ENOUGH_FOR_ALL = 200
_STALE_DAYS = 120
_KEPT = 3  # the newest of each repository, which cleanups keep
_STALE_TAGS = ("dev-", "pr-", "nightly-")
_USER_NAMES = ("user-a1ce", "user-b0b0", "user-c4e7")
_PHASES = ("Pending", "Running", "Completed", "Completed", "Failed", "Terminated", "Abnormal")
_MOST_JOBS = 400


def without_host(path: str) -> str:
    """`namespace/name:tag`, as training jobs spell it."""
    return ":".join(content_key(path))


def internal(path: str) -> str:
    """The same content by the registry's internal host."""
    return f"{INTERNAL_HOST}/{without_host(path)}"


def with_port(path: str) -> str:
    """The same content by the registry's public host with its port."""
    host, _, rest = path.partition("/")
    return f"{host}:443/{rest}"


def with_digest(path: str) -> str:
    """The same content by tag and digest."""
    return f"{path}@{digest_of(content_key(path))}"


def with_aliases(images: Sequence[Record], notebooks: Iterable[Record], now: int) -> list[Record]:
    """The images, some spelled by other hosts: every third of the records that share a content, and the newest.

    The newest of them becomes a second record of a stale image, by the registry's internal host.
    """
    spellings = cycle((with_port, internal))
    result, shared = [], 0
    for image in images:
        is_second = image.get("description") == "registered again"
        shared += is_second
        path = next(spellings)(image["swr_path"]) if is_second and shared % 3 == 1 else image["swr_path"]
        result.append(image | {"swr_path": path})
    if old := _stale(images, notebooks, now):
        newest = result.index(_newest(result)[0])
        same = {name: old[0][name] for name in ("namespace", "name", "tag", "size", "visibility")}
        result[newest] |= same | {"swr_path": internal(old[0]["swr_path"]), "description": "registered again"}
    return result


def draw_users(
    seed: int, own: Sequence[Record], theirs: Sequence[Record], notebooks: Iterable[Record], now: int
) -> dict[str, Any]:
    """The users by kind, as `World` names them; `own` are the images of workspace "0", `theirs` another's.

    The same seed draws the same; images and notebooks do not depend on it.
    """
    if not own:
        return {}
    random = Random(f"users {seed}")
    newest = _newest(own)
    stale = _stale(own, notebooks, now) if len(own) >= ENOUGH_FOR_ALL else newest
    draw = _Draw(random, now, cycle(random.sample(stale, len(stale)) or newest), newest)
    models = _models(draw)
    users: dict[str, list[Record]] = {
        "jobs": _jobs(draw),
        "models": models,
        "services_v1": _services_v1(draw, models),
        "services": _services(draw),
        "workflows": _workflows(draw),
    }
    users["algorithms"] = _algorithms(draw)
    # A job that names no image but an algorithm, which does.
    job = draw.job("by-algorithm", "Running", None)
    metadata = users["algorithms"][0]["metadata"]
    users["jobs"].append(job | {"algorithm": {"id": metadata["id"], "name": metadata["name"]}})
    if theirs:
        there, workspace = _Draw(random, now, cycle(theirs), _newest(theirs)), theirs[0]["workspace_id"]
        job = there.job("train-emea", "Running", there.young(), metadata={"workspace_id": workspace})
        users["jobs"].append(job)
        service = there.service("chat-emea", "RUNNING", _by_path(there.young()))
        users["services"].append(service | {"workspace_id": workspace})
    return users


def _newest(images: Sequence[Record]) -> list[Record]:
    usual = [image for image in images if image["status"] == "ACTIVE"]
    return sorted(usual or images, key=lambda image: -image["create_at"])[: max(3, len(images) // 12)]


def _stale(images: Sequence[Record], notebooks: Iterable[Record], now: int) -> list[Record]:
    """Old development images, but for each repository's newest, that are alone with their content and unused."""
    contents = Counter(content_key(image["swr_path"]) for image in images)
    contents.update(content_key(notebook["image"]["swr_path"]) for notebook in notebooks)
    usual = [
        image
        for image in images
        if image["tag"].startswith(_STALE_TAGS) and image["status"] == "ACTIVE" and image.get("update_at")
    ]
    usual.sort(key=lambda image: (image["namespace"], image["name"], -image["update_at"]))
    ranked = groupby(usual, key=lambda image: (image["namespace"], image["name"]))
    old = [image for _, group in ranked for image in list(group)[_KEPT:]]
    return [
        image
        for image in old
        if (image.get("visibility"), "size" in image) == ("PRIVATE", True)
        and image["update_at"] < now - _STALE_DAYS * DAY
        and not image["namespace"].startswith("prod-")
        and contents[content_key(image["swr_path"])] == 1
    ]


@dataclass(frozen=True)
class _Draw:
    """What the users of one project are drawn with; `stale` gives images that nobody else needs, in turn."""

    random: Random
    now: int
    images: Iterator[Record]
    newest: Sequence[Record]

    def stale(self) -> str:
        return str(next(self.images)["swr_path"])

    def young(self) -> str:
        return str(self.random.choice(self.newest)["swr_path"])

    def more(self, one_for: int, most: int) -> range:
        """So many more of a kind: one for so many of the newest images, but no more than `most`."""
        return range(min(len(self.newest) // one_for, most))

    def user(self) -> str:
        return self.random.choice(_USER_NAMES)

    def job(
        self, name: str, phase: str, image_url: str | None, days: float = 0.1, **fields: object
    ) -> Record:
        """A training job that began (in a final phase: ended) so many days ago."""
        hours = self.random.randint(1, 40)
        ended = phase in user_records.FINAL_PHASES
        began = self.now - int(days * DAY) - (hours * user_records.HOUR if ended else 0)
        engine = {"image_url": image_url} if image_url else {"engine_id": "pytorch_1.8.0-cuda_10.2-py_3.7"}
        job = user_records.job(
            new_id(self.random),
            self.now,
            phase=phase,
            began=began,
            hours=hours,
            metadata={"name": name, "user_name": self.user()},
            algorithm={"engine": engine},
        )
        return merged(job, fields)

    def model(self, name: str, location: str | None, **fields: object) -> Record:
        named = {"model_name": name, "owner": self.user()} | (
            {"source_location": location} if location else {}
        )
        return user_records.model(new_id(self.random), self.past(), **named | fields)

    def service(self, name: str, status: str, *images: Record) -> Record:
        made = user_records.service(new_id(self.random), self.past(), images=images, status=status)
        return made | {"name": name, "user_name": self.user()}

    def past(self) -> int:
        return self.now - self.random.randint(1, 90) * DAY


def _jobs(draw: _Draw) -> list[Record]:
    """A job of each kind and state, one whose image is gone, and more on the newest images."""
    tasks = [
        {"role": "learner", "algorithm": {"engine": {"image_url": draw.young()}}},
        {"role": "worker", "algorithm": {"engine": {"image_url": draw.stale()}}},
    ]
    certain = [
        draw.job("resnet-a", "Running", without_host(draw.stale())),
        draw.job("resnet-b", "Pending", internal(draw.stale())),
        draw.job("resnet-c", "Hibernating", with_digest(draw.stale())),
        draw.job("mixed-fleet", "Terminated", None, 5, kind="hetero_job", tasks=tasks),
        draw.job("nightly-eval", "Completed", without_host(draw.stale()), 10),
        draw.job("last-spring", "Completed", without_host(draw.stale()), 60),
        draw.job("tune-llm", "Running", draw.stale(), ftjob_config={"ft_train_type": "LORA"}),
        draw.job("preset", "Running", None),
        draw.job("image-gone", "Failed", f"{draw.young()}-gone", 3),
    ]
    more = [
        draw.job(f"train-{number}", draw.random.choice(_PHASES), draw.young(), draw.random.random() * 90)
        for number in draw.more(1, _MOST_JOBS)
    ]
    return certain + more


def _algorithms(draw: _Draw) -> list[Record]:
    certain = [("finetune", without_host(draw.stale())), ("preset-engine", None)]
    more = [(f"algorithm-{number}", draw.young()) for number in draw.more(5, 60)]
    return [_algorithm(draw, name, image_url) for name, image_url in (*certain, *more)]


def _algorithm(draw: _Draw, name: str, image_url: str | None) -> Record:
    engine = {"image_url": image_url} if image_url else {"engine_id": "pytorch_1.8.0-cuda_10.2-py_3.7"}
    metadata = {"name": name, "user_name": draw.user()}
    return user_records.algorithm(
        new_id(draw.random), draw.past(), metadata=metadata, job_config={"engine": engine}
    )


def _models(draw: _Draw) -> list[Record]:
    """Models of which the image is needed (`source_copy` false or missing), copied (true), or only in `config`."""
    config = json.dumps({"model_type": "Image", "swr_location": without_host(draw.stale())})
    certain = [
        draw.model("linked", draw.stale(), source_copy="false"),
        draw.model("unsaid", draw.stale()),
        draw.model("copied", draw.stale(), source_copy="true"),
        draw.model("by-config", None, source_copy="false", config=config),
        draw.model("from-obs", "https://bucket.obs.example.com/model", model_type="TensorFlow"),
    ]
    more = [
        draw.model(f"model-{number}", draw.young(), source_copy=draw.random.choice(("true", "true", "false")))
        for number in draw.more(3, 100)
    ]
    return certain + more


def _services_v1(draw: _Draw, models: Sequence[Record]) -> list[Record]:
    return [
        user_records.service_v1(
            new_id(draw.random),
            draw.past(),
            models=[model],
            service_name=name,
            status=status,
            owner=draw.user(),
        )
        for name, status, model in (("online", "running", models[0]), ("paused", "stopped", models[1]))
    ]


def _services(draw: _Draw) -> list[Record]:
    """A stopped service whose old version needs an image, a running one by path, and more."""
    old = next(draw.images)
    by_id = {"id": old["id"], "source": "IMAGE", "swr_path": old["swr_path"], "category": "CUSTOM"}
    certain = [
        draw.service("chat", "STOPPED", by_id, _by_path(draw.young())),
        draw.service("search", "RUNNING", _by_path(draw.stale())),
    ]
    states = ("RUNNING", "RUNNING", "STOPPED", "FAILED", "CONCERNING")
    more = [
        draw.service(f"service-{number}", draw.random.choice(states), _by_path(draw.young()))
        for number in draw.more(8, 50)
    ]
    return certain + more


def _by_path(path: str) -> Record:
    return {"source": "SWR", "swr_path": path}


def _workflows(draw: _Draw) -> list[Record]:
    """Workflows that name images as data, and deep in the properties of a step."""
    data = [{"name": "base", "type": "swr", "value": {"swr_path": without_host(draw.stale())}}]
    spec = {"algorithm": {"engine": {"image_url": draw.stale()}}, "spec": {"resource": {"node_count": 1}}}
    steps = [{"name": "train", "type": "job", "properties": {"job_spec": spec}, "depend_steps": []}]
    contents = [("release-pipeline", {"data": data}), ("retrain", {"steps": steps})]
    contents += [(f"workflow-{number}", {"data": []}) for number in draw.more(15, 20)]
    return [
        user_records.workflow(new_id(draw.random), draw.past(), name=name, user_name=draw.user(), **content)
        for name, content in contents
    ]
