"""What a client says of why its requests have to wait, for the progress bar."""

import pytest

from cleanup.modelarts.client import Client
from tests.support.stage import Shelf, Stage, Time, make_client, reply


class Watched(Time):
    """A clock that notes what the client says whenever somebody begins to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.client: Client | None = None
        self.said: list[str] = []

    async def sleep(self, seconds: float) -> None:
        assert self.client
        self.said.append(self.client.held)
        await super().sleep(seconds)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (503, {"Retry-After": "30"}, "throttled, waiting 30 s"),
        (429, {"Retry-After": "7"}, "throttled, waiting 7 s"),
        (500, {}, "1 to be sent again"),
    ],
    ids=["503", "429", "500"],
)
async def test_a_pause_has_its_reason(status: int, headers: dict[str, str], said: str) -> None:
    time = Watched()
    answers = iter([reply(status, **headers)])
    shelf = Shelf([{"id": "i0", "status": "ACTIVE"}])
    client = make_client(Stage(otherwise=lambda request: next(answers, None) or shelf(request)), time=time)
    time.client = client
    assert client.held == ""
    assert len((await client.list_images("0")).items) == 1
    assert said in time.said


async def test_a_rate_that_refusals_keep_down_is_told() -> None:
    answers = iter([reply(429)] * 3)
    shelf = Shelf([{"id": "i0", "status": "ACTIVE"}])
    client = make_client(Stage(otherwise=lambda request: next(answers, None) or shelf(request)))
    await client.list_images("0")
    assert client.held.startswith("slowed to ")
