"""The limiter, under a virtual clock: no test here waits, and each runs the same every time."""

import asyncio
from bisect import bisect_left
from itertools import pairwise
from random import Random

import pytest

from cleanup.modelarts.http.retry import RetryPolicy
from tests.support.throttling import Bucket, Chance, Run, make_limiter, now, virtually


def most_in_a_second(moments: list[float]) -> int:
    """The largest number of moments in any half-open window of one second."""
    moments = sorted(moments)
    return max(bisect_left(moments, start + 1) - number for number, start in enumerate(moments))


def allowed(rate: float) -> float:
    return rate + max(1.0, rate / 10)


@pytest.mark.parametrize("rate", [0.5, 1, 3, 10, 20, 45, 100, 500])
def test_the_rate_is_kept_in_any_second_and_used(rate: float) -> None:
    async def main() -> list[float]:
        limiter = make_limiter(rate)
        return [await limiter.acquire() for _ in range(int(5 * rate) + 2)]

    moments = virtually(main)
    assert most_in_a_second(moments) <= allowed(rate)
    assert len(moments) - 1 >= 0.99 * rate * (moments[-1] - moments[0])


@pytest.mark.parametrize("rate", [20, 100, 500, 1000])
def test_waits_that_end_a_little_late_cost_no_throughput(rate: float) -> None:
    async def late(seconds: float) -> None:
        await asyncio.sleep(seconds + 0.002)

    async def main() -> list[float]:
        limiter = make_limiter(rate, late)
        return [await limiter.acquire() for _ in range(int(5 * rate))]

    moments = virtually(main)
    assert moments[-1] <= 1.03 * 5
    assert most_in_a_second(moments) <= allowed(rate)


@pytest.mark.parametrize("rate", [1, 10, 100, 500])
def test_a_stalled_event_loop_leads_to_no_burst(rate: float) -> None:
    random = Random(7)

    async def oversleep(seconds: float) -> None:
        await asyncio.sleep(seconds + (3.0 if random.random() < 0.02 else 0.0))

    async def main() -> list[float]:
        limiter = make_limiter(rate, oversleep)
        return [await limiter.acquire() for _ in range(int(10 * rate))]

    assert most_in_a_second(virtually(main)) <= allowed(rate)


def test_idle_time_earns_no_burst() -> None:
    async def main() -> list[float]:
        limiter = make_limiter(100)
        await limiter.acquire()
        await asyncio.sleep(60)
        return [await limiter.acquire() for _ in range(200)]

    assert most_in_a_second(virtually(main)) <= allowed(100)


def test_first_come_first_served() -> None:
    async def main() -> list[int]:
        limiter, served = make_limiter(10), []

        async def worker(number: int) -> None:
            await limiter.acquire()
            served.append(number)

        await asyncio.gather(*(worker(number) for number in range(30)))
        return served

    assert virtually(main) == list(range(30))


def test_a_cancelled_waiter_blocks_nobody_and_costs_no_slot() -> None:
    async def main() -> tuple[list[float], int]:
        limiter = make_limiter(10)
        await limiter.acquire()
        waiters = [asyncio.create_task(limiter.acquire()) for _ in range(20)]
        await asyncio.sleep(0.05)
        for waiter in waiters[::2]:  # among them the one whose turn is next
            waiter.cancel()
        done = await asyncio.gather(*waiters, return_exceptions=True)
        return [moment for moment in done if isinstance(moment, float)], limiter.released

    moments, turns = virtually(main)
    assert len(moments) == 10
    assert turns == 11
    assert moments == pytest.approx([0.1 * number for number in range(1, 11)])


@pytest.mark.parametrize(("retry_after", "pause"), [(3.0, 3.0), (0.0, 0.25), (None, 0.25), (9999.0, 300.0)])
def test_a_refusal_pauses_everybody(retry_after: float | None, pause: float) -> None:
    async def main() -> float:
        limiter = make_limiter(100)
        for _ in range(100):
            released = await limiter.acquire()
            limiter.succeeded(released)
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)  # it stands in the queue before the refusal comes
        limiter.throttled(released, retry_after)
        began = now()
        return await waiting - began

    assert virtually(main) == pytest.approx(pause, abs=0.02)


def test_no_burst_follows_a_pause() -> None:
    async def main() -> list[float]:
        limiter = make_limiter(500)
        for _ in range(500):
            released = await limiter.acquire()
            limiter.succeeded(released)
        limiter.throttled(released, 5.0)
        return [await limiter.acquire() for _ in range(50)]

    gaps = [later - earlier for earlier, later in pairwise(virtually(main))]
    assert min(gaps[:3]) > 0.002


def test_one_congestion_is_one_decrease() -> None:
    async def main() -> tuple[float, float, int]:
        limiter = make_limiter(100)
        for _ in range(200):
            limiter.succeeded(await limiter.acquire())
        released = [await limiter.acquire() for _ in range(8)]
        await asyncio.sleep(0.001)
        limiter.throttled(released[0], None)
        once = limiter.rate_now
        for moment in released[1:]:
            limiter.throttled(moment, None)
        return once, limiter.rate_now, limiter.refused_count

    once, after, count = virtually(main)
    assert once == after == pytest.approx(0.9 * 100, rel=0.1)
    assert count == 8


def test_the_rate_falls_to_what_got_through() -> None:
    async def main() -> float:
        limiter = make_limiter(500)
        for number in range(500):
            released = await limiter.acquire()
            if number % 10 == 0:
                limiter.succeeded(released)
        limiter.throttled(released, 1.0)
        return limiter.rate_now

    assert virtually(main) == pytest.approx(0.9 * 50, rel=0.1)


def test_the_rate_has_a_floor_and_comes_back_from_it_but_never_above_the_configured_one() -> None:
    async def main() -> tuple[float, list[float]]:
        limiter = make_limiter(20)
        for _ in range(50):
            limiter.throttled(await limiter.acquire(), None)
        lowest, rates = limiter.rate_now, []
        while now() < 2000:
            limiter.succeeded(await limiter.acquire())
            rates.append(limiter.rate_now)
        return lowest, rates

    lowest, rates = virtually(main)
    assert lowest == pytest.approx(0.2)
    assert max(rates) == rates[-1] == 20


def test_a_rate_below_the_floor_is_kept() -> None:
    async def main() -> float:
        limiter = make_limiter(0.1)
        limiter.throttled(await limiter.acquire(), None)
        return limiter.rate_now

    assert virtually(main) == pytest.approx(0.1)


@pytest.mark.no_cover
@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("capacity", [5, 10, 25, 50])
@pytest.mark.parametrize("latency", [0.005, 0.03, 0.1])
def test_goodput_against_a_throttled_service(
    retry_after: float | None, capacity: float, latency: float
) -> None:
    async def main() -> Run:
        run = Run(Bucket(50, capacity, retry_after), latency=latency)
        await run.until(60)
        return run

    run = virtually(main)
    assert len(run.done) >= 0.85 * 50 * 60
    assert run.given_up == 0
    assert run.limiter.refused_count < 0.02 * len(run.done)
    assert most_in_a_second(run.released[:2000]) <= allowed(500)


@pytest.mark.no_cover
@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("latency", [0.02, 0.1])
def test_a_tenth_of_the_rate_is_let_in(retry_after: float | None, latency: float) -> None:
    async def main() -> Run:
        run = Run(Bucket(100, 100, retry_after), rate=1000, latency=latency, workers=32)
        await run.until(30)
        return run

    run = virtually(main)
    assert len(run.done) >= 30 * 100 / 1.1
    assert run.given_up == 0


@pytest.mark.no_cover
@pytest.mark.parametrize(("share", "seed"), [(0.01, 3), (0.05, 3), (0.05, 5), (0.05, 7), (0.2, 3)])
@pytest.mark.parametrize("rate", [100, 800])
def test_refusals_by_chance_cost_less_than_half_the_rate(share: float, seed: int, rate: float) -> None:
    async def main() -> Run:
        run = Run(Chance(share, None, seed=seed), rate=rate, latency=0.02, workers=128)
        await run.until(15)
        return run

    assert len(virtually(main).done) >= 0.5 * rate * 15


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_a_thousand_deletes_are_enough_to_tell_chance_from_a_limit(share: float) -> None:
    async def main() -> Run:
        run = Run(Chance(share, None, seed=31), rate=800, latency=0.02, workers=64)
        await run.delete(1000)
        return run

    run = virtually(main)
    assert max(run.done) <= 1000 / 400
    assert run.limiter.refused_by_chance
    assert run.given_up == 0


@pytest.mark.no_cover
@pytest.mark.parametrize("rate", [100, 800])
def test_refusals_by_chance_that_ask_for_pauses_cost_little_beside_them(rate: float) -> None:
    """Twenty requests on average until one of them is refused, those in flight then, and a second's pause."""

    async def main() -> Run:
        run = Run(Chance(0.05, 1.0), rate=rate, latency=0.02, workers=64)
        await run.until(30)
        return run

    requests = 20 + rate * 0.02
    possible = 30 * 0.95 * requests / (1 + requests / rate)
    assert len(virtually(main).done) >= 0.55 * possible


def test_a_limit_is_found_among_refusals_by_chance() -> None:
    async def main() -> Run:
        run = Run(Chance(0.05, None, rate=200), rate=800, workers=32)
        await run.until(30)
        return run

    assert len(virtually(main).done) >= 0.75 * 200 * 30


def test_the_rate_recovers_when_the_throttle_goes() -> None:
    async def main() -> tuple[float, float, int]:
        service = Bucket(50, 10, 1.0)
        run = Run(service)
        await run.until(30)
        throttled = run.limiter.rate_now
        service.rate = service.capacity = 1e9
        await run.until(90)
        return throttled, run.limiter.rate_now, len([moment for moment in run.done if moment > 80])

    throttled, recovered, last_ten_seconds = virtually(main)
    assert 40 < throttled < 60
    assert recovered == 500
    assert last_ten_seconds > 0.95 * 500 * 10


def test_a_service_that_begins_to_throttle_in_mid_run_is_followed() -> None:
    async def main() -> tuple[int, int]:
        service = Bucket(1e9, 1e9, 1.0)
        run = Run(service)
        await run.until(10)
        service.rate, service.capacity = 50, 50
        await run.until(70)
        return len([moment for moment in run.done if moment > 20]), run.given_up

    done, given_up = virtually(main)
    assert done >= 0.85 * 50 * 50
    assert given_up == 0


def test_backoff_is_full_jitter_that_doubles_up_to_twenty_seconds() -> None:
    longest = [RetryPolicy().backoff(attempt, lambda: 1.0) for attempt in (1, 2, 3, 4, 5, 6, 7, 50)]
    assert longest == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert RetryPolicy().backoff(3, lambda: 0.0) == 0
    assert RetryPolicy().backoff(3, lambda: 0.5) == 1
    assert RetryPolicy().backoff(3, lambda: 0.5, by_chance=True) == pytest.approx(0.1)
