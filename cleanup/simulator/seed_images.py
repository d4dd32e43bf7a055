"""Ordinary image records: several teams' repositories with the tags that teams give them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from uuid import UUID

from cleanup.simulator.messages import Record

DAY = 24 * 3600 * 1000
OLDEST_DAYS = 430
REGISTRY = "swr.example.com"


@dataclass(frozen=True, kw_only=True)
class Team:
    """One namespace: its share of the images, what its images are called, how they are tagged."""

    namespace: str
    share: int
    names: tuple[str, ...]
    tags: dict[str, int]
    public: float = 0.02


_TEAMS = (
    Team(
        namespace="ml-vision",
        share=24,
        names=("detector-train", "segmenter", "ocr-pipeline", "pose-estimation", "camera-calib"),
        tags={"dev": 60, "pr": 20, "release": 15, "latest": 3, "candidate": 2},
    ),
    Team(
        namespace="ml-nlp",
        share=20,
        names=("bert-finetune", "tokenizer", "summarizer", "embeddings", "rag-index"),
        tags={"dev": 45, "pr": 30, "release": 20, "latest": 3, "candidate": 2},
    ),
    Team(
        namespace="prod-serving",
        share=12,
        names=("ranking", "fraud-score", "search-api", "recommender"),
        tags={"release": 80, "candidate": 12, "stable": 4, "latest": 4},
        public=0.05,
    ),
    Team(
        namespace="sandbox",
        share=16,
        names=("alice-try", "bob-scratch", "chen-notebook", "hackathon", "tmp"),
        tags={"dev": 70, "snapshot": 25, "latest": 5},
    ),
    Team(
        namespace="research-llm",
        share=12,
        names=("pretrain", "eval-harness", "rlhf", "long-context"),
        tags={"dev": 50, "candidate": 25, "snapshot": 20, "release": 5},
    ),
    Team(
        namespace="research-robotics",
        share=6,
        names=("sim-env", "policy-train", "slam"),
        tags={"dev": 60, "snapshot": 30, "release": 10},
    ),
    Team(
        namespace="data-platform",
        share=10,
        names=("feature-store", "etl-worker", "label-tool", "base-python"),
        tags={"nightly": 70, "release": 25, "latest": 2, "stable": 3},
        public=0.25,
    ),
)
_FLAVOURS = (("CPU",), ("GPU",), ("CPU", "GPU"), ("ASCEND",))
_IMAGES_A_REPOSITORY = 14


@dataclass(kw_only=True)
class _Repository:
    """One `namespace/name` while its images are drawn, oldest first."""

    team: Team
    namespace: str
    name: str
    flavour: tuple[str, ...]
    major: int = 1
    minor: int = 0
    patch: int = 0
    number: int = 0
    taken: set[str] = field(default_factory=set)


def new_id(random: Random) -> str:
    """A UUID out of the seed."""
    return str(UUID(int=random.getrandbits(128), version=4))


def dedicated(random: Random, count: int, workspace: str, today: int, suffix: str = "") -> list[Record]:
    """`count` ACTIVE images of one workspace, all complete; `today` is in UTC milliseconds.

    `suffix` ends every namespace, so that two workspaces share no content by chance.
    """
    repositories = list(_repositories(random, count, suffix))
    shares = [repository.team.share for repository in repositories]
    drawn = random.choices(range(len(repositories)), shares, k=count)
    # Most images are young, some are from today, the tail is over 400 days long.
    ages = sorted((int(OLDEST_DAYS * DAY * random.random() ** 1.6) for _ in range(count)), reverse=True)
    return [
        _image(random, repositories[index], workspace, today - age, today)
        for index, age in zip(drawn, ages, strict=True)
    ]


def _repositories(random: Random, count: int, suffix: str) -> Iterator[_Repository]:
    """So many repositories that each holds a dozen images or so, and at least each team's first."""
    wanted = max(len(_TEAMS), count // _IMAGES_A_REPOSITORY)
    for number in range(wanted):
        team = _TEAMS[number % len(_TEAMS)]
        lap = number // len(_TEAMS)
        series, place = divmod(lap, len(team.names))
        yield _Repository(
            team=team,
            namespace=team.namespace + suffix,
            name=team.names[place] + (f"-{series + 1}" if series else ""),
            flavour=random.choice(_FLAVOURS),
            minor=random.randrange(11),
        )


def _image(random: Random, repository: _Repository, workspace: str, created: int, today: int) -> Record:
    style = random.choices(list(repository.team.tags), list(repository.team.tags.values()))[0]
    tag = _unused(random, repository, style, datetime.fromtimestamp(created / 1000, UTC))
    pushed_again = random.random() < 0.2
    return {
        "arch": "x86_64",
        "create_at": created,
        "description": _description(random, style),
        "dev_services": ["NOTEBOOK", "SSH"],
        "id": new_id(random),
        "name": repository.name,
        "namespace": repository.namespace,
        "origin": "IMAGE_SAVE" if style == "snapshot" else "CUSTOMIZE",
        "resource_categories": list(repository.flavour),
        "service_type": random.choices(
            ("UNKNOWN", "COMMON", "DEV", "TRAIN", "INFERENCE"), (40, 20, 15, 15, 10)
        )[0],
        "size": int(min(6e10, random.lognormvariate(21.7, 0.8))),
        "status": "ACTIVE",
        "swr_path": f"{REGISTRY}/{repository.namespace}/{repository.name}:{tag}",
        "tag": tag,
        "type": "DEDICATED",
        "update_at": created + int((today - created) * random.random() ** 3) if pushed_again else created,
        "visibility": "PUBLIC" if random.random() < repository.team.public else "PRIVATE",
        "workspace_id": workspace,
    }


def _description(random: Random, style: str) -> str:
    if style == "snapshot":
        return "saved from a notebook"
    return random.choice(("", "", "", "built by ci", "do not use, kept for comparison", "for the demo"))


def _unused(random: Random, repository: _Repository, style: str, moment: datetime) -> str:
    """A tag that the repository does not have yet; moving tags such as `latest` exist once."""
    tag = _STYLES[style](random, repository, moment)
    if tag in repository.taken:
        tag = _dev(random, repository, moment)
    repository.taken.add(tag)
    return tag


def _dev(random: Random, _: _Repository, moment: datetime) -> str:
    return f"dev-{moment:%Y%m%d}-{random.getrandbits(28):07x}"


def _pull_request(random: Random, repository: _Repository, _: datetime) -> str:
    repository.number += random.randint(1, 9)
    return f"pr-{repository.number}"


def _release(random: Random, repository: _Repository, _: datetime) -> str:
    step = random.random()
    if step < 0.04:
        repository.major, repository.minor, repository.patch = repository.major + 1, 0, 0
    elif step < 0.7:
        repository.minor, repository.patch = repository.minor + 1, 0
    else:
        repository.patch += 1
    return f"{repository.major}.{repository.minor}.{repository.patch}"


def _candidate(random: Random, repository: _Repository, _: datetime) -> str:
    return f"v{repository.major + 1}.0.0-rc{random.randint(1, 30)}"


def _nightly(_: Random, __: _Repository, moment: datetime) -> str:
    return f"nightly-{moment:%Y%m%d}"


def _snapshot(random: Random, repository: _Repository, _: datetime) -> str:
    repository.number += random.randint(1, 3)
    return f"save-{repository.number}"


_STYLES: dict[str, Callable[[Random, _Repository, datetime], str]] = {
    "dev": _dev,
    "pr": _pull_request,
    "release": _release,
    "candidate": _candidate,
    "nightly": _nightly,
    "snapshot": _snapshot,
    "latest": lambda *_: "latest",
    "stable": lambda *_: "stable",
}

_BUILT_IN = (
    ("pytorch_2_1", "cuda_12.1-py_3.10-ubuntu_22.04-x86_64", "GPU"),
    ("pytorch_1_8", "cuda_10.2-py_3.7-ubuntu_18.04-x86_64", "GPU"),
    ("tensorflow_2_1", "cuda_10.1-py_3.7-ubuntu_18.04-x86_64", "GPU"),
    ("mindspore_2_2", "cann_7.0-py_3.9-euler_2.10-aarch64", "ASCEND"),
    ("mindspore_1_7", "cpu-py_3.7-ubuntu_18.04-x86_64", "CPU"),
    ("conda", "cuda_11.6-py_3.8-ubuntu_20.04-x86_64", "GPU"),
    ("spark_2_4", "py_3.7-ubuntu_18.04-x86_64", "CPU"),
    ("mlstudio", "pyspark_2.3-ubuntu_16.04", "CPU"),
)
_BUILDS = ("20221118142809-6a5e4a9", "20230704101500-0b3c1d2", "20240229093000-f00dbab")


def built_in(random: Random, today: int) -> list[Record]:
    """The service's own images: the same for everybody, and without a visibility."""
    return [
        {
            "arch": "aarch64" if "aarch64" in tag else "x86_64",
            "create_at": today - (OLDEST_DAYS + 120 * age + number) * DAY,
            "description": f"{name} with {tag.replace('-', ', ')}",
            "dev_services": ["NOTEBOOK", "SSH"],
            "id": new_id(random),
            "name": name,
            "namespace": "atelier",
            "origin": "CUSTOMIZE",
            "resource_categories": [category],
            "service_type": "COMMON",
            "show_name": name.replace("_", " "),
            "show_tag": tag,
            "size": int(random.lognormvariate(22.5, 0.4)),
            "status": "ACTIVE",
            "swr_path": f"{REGISTRY}/atelier/{name}:{tag}-{build}",
            "tag": f"{tag}-{build}",
            "type": "BUILD_IN",
            "update_at": today - (OLDEST_DAYS + 120 * age + number) * DAY,
            "workspace_id": "0",
        }
        for number, (name, tag, category) in enumerate(_BUILT_IN)
        for age, build in enumerate(reversed(_BUILDS))
    ]
