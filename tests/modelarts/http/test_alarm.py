"""Many waits under one timer: who is late fails in time, whoever else is there."""

import asyncio

import pytest

from cleanup.modelarts.http.alarm import Alarm


async def test_each_wait_ends_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    rung: list[tuple[float, object]] = []
    monkeypatch.setattr(loop, "call_at", lambda moment, ring, told: rung.append((moment, told)))
    alarm = Alarm()
    late, later, earlier, answered, given_up = waits = [loop.create_future() for _ in range(5)]
    for wait, until in zip(waits, (20.0, 30.0, 10.0, 10.0, 10.0), strict=True):
        alarm.set(wait, until)
    answered.set_result(None)
    alarm.unset(given_up)
    assert [moment for moment, _ in rung] == [20.0, 10.0]  # the first timer, and an earlier one
    alarm._ring(10.0)
    assert isinstance(earlier.exception(), TimeoutError)
    assert [wait.done() for wait in waits] == [False, False, True, True, False]
    alarm._ring(20.0)
    assert isinstance(late.exception(), TimeoutError)
    assert [moment for moment, _ in rung] == [20.0, 10.0, 20.0, 30.0]
    alarm.unset(later)
    alarm._ring(30.0)
    assert len(rung) == 4
