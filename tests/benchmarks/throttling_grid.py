"""The limiter against services that refuse, in virtual time: `python -m tests.benchmarks.throttling_grid [SEED]`.

Elapsed time against what is possible, for each kind of refusal: median and worst of the grid.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

from tests.support.throttling import Bucket, Chance, Run, Service, Windows, virtually

PLANNED = 3000
ASKED = 1000.0


@dataclass(frozen=True)
class Case:
    """`possible` is in seconds, for `planned` deletes."""

    kind: str
    make: Callable[[], Service]
    rate: float
    latency: float
    workers: int
    planned: int
    possible: float

    def elapsed(self, seed: int) -> float:
        """Seconds against what is possible."""

        async def main() -> Run:
            run = Run(self.make(), rate=self.rate, latency=self.latency, workers=self.workers, seed=seed)
            await run.delete(self.planned)
            return run

        run = virtually(main)
        return max(run.done) / self.possible


def limits(seed: int) -> Iterator[Case]:
    """100 a second are let in while 1,000 are asked for."""
    for retry_after in (None, 1.0):
        after = "" if retry_after is None else f", Retry-After: {retry_after:g}"
        services: dict[str, Callable[[], Service]] = {
            "bucket of 1 s": partial(Bucket, 100, 100, retry_after),
            "bucket of 0.1 s": partial(Bucket, 100, 10, retry_after),
            "windows of 1 s": partial(Windows, 100, seed * 0.37 % 1, retry_after),
        }
        for kind, make in services.items():
            for latency in (0.005, 0.02, 0.07, 0.2):
                for workers in (16, 32, 64):
                    least = max(PLANNED / 100, PLANNED * latency / workers)
                    yield Case(kind + after, make, ASKED, latency, workers, PLANNED, least)


def chances(seed: int) -> Iterator[Case]:
    """A share of all requests is refused whatever the rate is.

    With `Retry-After` each cycle is: requests until one is refused, those in flight then, one pause for
    all; without, a refused one costs its worker a back-off.
    """
    for share in (0.01, 0.05, 0.2):
        for rate, latency, workers in ((800, 0.02, 64), (800, 0.005, 32), (100, 0.05, 32), (200, 0.2, 64)):
            for retry_after in (None, 1.0):
                most = min(rate, workers / latency)
                if retry_after:
                    requests = 1 / share + most * latency
                    each = (requests / most + latency + retry_after) / requests / (1 - share)
                    kind = f"{share:.0%} by chance, Retry-After: 1"
                    planned = 1000
                else:
                    each = max(1 / rate, (latency + share / 4) / workers) / (1 - share)
                    kind = f"{share:.0%} by chance"
                    planned = rate * 20
                make = partial(Chance, share, retry_after, seed=seed)
                yield Case(kind, make, rate, latency, workers, planned, planned * each)


def measure(seeds: list[int]) -> dict[str, list[float]]:
    """The elapsed times of every kind."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        for case in (*limits(seed), *chances(seed)):
            found.setdefault(case.kind, []).append(case.elapsed(seed))
    return found


def main(seeds: list[int]) -> None:
    for kind, elapsed in measure(seeds or [1]).items():
        print(f"{kind:36} median {median(elapsed):5.2f}  worst {max(elapsed):5.2f}")  # noqa: T201


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
