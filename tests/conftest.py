"""What several tests share: a frozen moment, images from few words, a simulated cloud, the CLI as users call it."""

import os
from collections.abc import Generator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from coverage import Coverage
from hypothesis import settings

from cleanup.simulator import Service, build_world, serve
from tests.support.builders import NOW, real_now
from tests.support.cloud import Cli, Cloud, Serve

# Where nothing compiled may be kept, xdist's workers and each process that a test starts compile all of ours anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
settings.register_profile("shared-machine", deadline=None)  # how long an example takes says nothing here
settings.load_profile("shared-machine")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a third of their time tests wait for sockets, disks and processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Leave out where coverage is measured what runs by the thousand what other tests run too: properties, and
    what is marked `no_cover`, with its fixtures and threads. Measuring takes as long as the test itself.

    pytest-cov's own handling of that mark does nothing in the processes of xdist.
    """
    measuring = Coverage.current()
    is_left_out = item.get_closest_marker("hypothesis") or item.get_closest_marker("no_cover")
    if measuring is None or not is_left_out:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        if Coverage.current() is None:  # pytest-cov starts it again where it runs the tests itself
            measuring.start()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """`cli("plan", "-p", path)`, in an empty folder and an environment without anything of ours."""
    for name in ("MODELARTS_ENDPOINT", "MODELARTS_TOKEN", "MODELARTS_AUTH", "HUAWEICLOUD_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HUAWEICLOUD_SDK_PROJECT_ID", "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "OS_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    return Cli(monkeypatch, capsys)
