"""The world as the program sees it: clocks, waiting, chance and the environment, made once at the edge.

It is a ground type, for the wire, the journal and the use cases all are handed it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cleanup.tracing import RunSpans


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """`now` is in UTC, `clock` gives monotonic seconds, a suspend's among them, `sleep` waits seconds, `random` is
    in [0, 1); `warn` tells whoever watches one line. `trace` is told each step with its details, None where nobody
    wants to know: it is asked at every request. `spans` is where
    OpenTelemetry's go, None without traces. `answered` is told the status of each answer, None without one."""

    now: Callable[[], datetime]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]
    environment: Mapping[str, str]
    warn: Callable[[str], None] = lambda _: None
    trace: Callable[..., None] | None = None
    answered: Callable[[int | None], None] | None = None
    spans: RunSpans | None = None

    def say_more(self, text: str, **details: object) -> None:
        """Tell a step to who wants to know every one."""
        if self.trace:
            self.trace(text, **details)
