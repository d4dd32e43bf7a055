"""Services that refuse, and workers that delete against them, in virtual time: waiting takes none."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, Protocol, TypeVar

from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.retry import RetryPolicy

T = TypeVar("T")


class LeapingSelector(selectors.DefaultSelector):
    """The clock leaps to when a wait would have ended. Nothing comes from outside, so the system is not asked."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits for somebody else"
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


def virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def make_limiter(rate: float, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> RateLimiter:
    return RateLimiter(rate, clock=now, sleep=sleep)


class Service(Protocol):
    retry_after: float | None

    def accepts(self) -> bool: ...


class Bucket:
    """A token bucket, as a gateway throttles: `rate` a second, up to `capacity` at once."""

    def __init__(self, rate: float, capacity: float, retry_after: float | None) -> None:
        self.rate, self.capacity, self.retry_after = rate, capacity, retry_after
        self._tokens, self._at = capacity, now()

    def accepts(self) -> bool:
        self._tokens = min(self.capacity, self._tokens + (now() - self._at) * self.rate)
        self._at = now()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Windows:
    """So many in each second, counted anew at `phase` after each full second."""

    def __init__(self, rate: float, phase: float, retry_after: float | None) -> None:
        self.rate, self.retry_after = rate, retry_after
        self._phase, self._window, self._count = phase, -1, 0

    def accepts(self) -> bool:
        window = int(now() + 1 - self._phase)
        if window != self._window:
            self._window, self._count = window, 0
        self._count += 1
        return self._count <= self.rate


class Chance(Bucket):
    """A share of all requests is refused, whatever our rate is; it may throttle beside that."""

    def __init__(self, share: float, retry_after: float | None, rate: float = 1e9, seed: int = 3) -> None:
        super().__init__(rate, rate, retry_after)
        self._share, self._random = share, Random(seed)

    def accepts(self) -> bool:
        return self._random.random() >= self._share and super().accepts()


class Run:
    """Workers that delete against a service, each image tried five times."""

    def __init__(
        self,
        service: Service,
        *,
        rate: float = 500,
        latency: float = 0.03,
        seed: int = 1,
        workers: int = 16,
    ) -> None:
        self.service, self.limiter = service, make_limiter(rate)
        self._latency, self._random, self._workers = latency, Random(seed), workers
        self.released: list[float] = []
        self.done: list[float] = []
        self.given_up = 0

    async def until(self, end: float) -> None:
        await self._work(lambda: now() < end)

    async def delete(self, planned: int) -> None:
        left = iter(range(planned))
        await self._work(lambda: next(left, None) is not None)

    async def _work(self, more: Callable[[], bool]) -> None:
        async def work() -> None:
            while more():
                await self._see_through()

        await asyncio.gather(*(work() for _ in range(self._workers)))

    async def _see_through(self) -> None:
        for attempt in range(1, 6):
            released = await self.limiter.acquire()
            self.released.append(released)
            await asyncio.sleep(self._latency * self._random.uniform(0.3, 0.7))
            accepted = self.service.accepts()
            await asyncio.sleep(self._latency * self._random.uniform(0.3, 0.7))
            if accepted:
                self.limiter.succeeded(released)
                self.done.append(now())
                return
            self.limiter.throttled(released, self.service.retry_after)
            by_chance = self.limiter.refused_by_chance
            wait = RetryPolicy().backoff(attempt, self._random.random, by_chance=by_chance)
            await asyncio.sleep(max(self.service.retry_after or 0.0, wait))
        self.given_up += 1
