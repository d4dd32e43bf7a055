"""What several tests share: a frozen moment, images from few words, a simulated cloud, the CLI as users call it."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.from_thread
import msgspec
import pytest
from hypothesis import settings

from cleanup.cli import main
from cleanup.image import Image
from cleanup.simulator import PROJECT_ID, Service, build_world, serve

settings.register_profile("shared-machine", deadline=None)  # how long an example takes says nothing here
settings.load_profile("shared-machine")

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def make_image(id: str = "img-1", *, age: float | None = 100, **fields: Any) -> Image:
    """An ordinary ACTIVE PRIVATE image `age` days old; any field can be given or taken away (None)."""
    moment = None if age is None else NOW - timedelta(days=age)
    values: dict[str, Any] = {
        "namespace": "ml-vision",
        "name": "trainer",
        "tag": f"dev-{id}",
        "type": "DEDICATED",
        "visibility": "PRIVATE",
        "status": "ACTIVE",
        "size": 1 << 30,
        "created_at": moment,
        "updated_at": moment,
    } | fields
    values.setdefault("swr_path", f"swr.example.com/{values['namespace']}/{values['name']}:{values['tag']}")
    raw = {"id": id, "namespace": values["namespace"], "name": values["name"], "tag": values["tag"]}
    if values["updated_at"]:
        raw["update_at"] = int(values["updated_at"].timestamp() * 1000)
    return Image(id=id, raw=msgspec.Raw(msgspec.json.encode(raw)), **values)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Cloud:
    """A simulated project that serves in a thread of its own; `service` is its state."""

    service: Service
    url: str = ""

    @property
    def options(self) -> list[str]:
        return ["--endpoint", self.url, "--project-id", PROJECT_ID, "--auth", "none", "--rate", "2000"]

    @property
    def image_ids(self) -> set[str]:
        return {image["id"] for image in self.service.images}

    @property
    def deleted(self) -> dict[str, bool]:
        """The ids that DELETEs removed, with the force they asked for."""
        return {deletion.image_id: deletion.force for deletion in self.service.deletions}


Serve = Callable[..., Cloud]


@pytest.fixture
def serve_cloud() -> Iterator[Serve]:
    """Start simulators: `serve_cloud(images=50)`, or with a Service of one's own and options of `serve`."""
    with anyio.from_thread.start_blocking_portal() as portal:
        stack = AsyncExitStack()

        def start(
            service: Service | None = None, *, images: int = 60, seed: int = 1, **options: Any
        ) -> Cloud:
            cloud = Cloud(service or Service(build_world(seed=seed, images=images, now=real_now()), real_now))

            async def enter() -> str:
                return await stack.enter_async_context(serve(cloud.service, **options))

            cloud.url = portal.call(enter)
            return cloud

        yield start
        portal.call(stack.aclose)


def real_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Called:
    """What one call of the CLI came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


Cli = Callable[..., Called]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """`cli("plan", "-p", path)`, in an empty folder and an environment without anything of ours."""
    for name in ("MODELARTS_ENDPOINT", "MODELARTS_TOKEN", "MODELARTS_AUTH", "HUAWEICLOUD_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HUAWEICLOUD_SDK_PROJECT_ID", "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "OS_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Called:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["image-cleanup", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


def needs(program: str) -> pytest.MarkDecorator:
    """A test that runs a system program: left out where that is missing, but never in CI."""
    missing = shutil.which(program) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"needs {program}, which is not installed here")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """A JSON Lines file as dicts."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def events(path: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a journal with this event."""
    return [line for line in lines_of(path) if line["event"] == name]
