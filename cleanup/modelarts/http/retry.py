"""When a request is sent again, and how long before: the one retry policy of the project."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cleanup.modelarts.http.messages import Result, passes

_AFTER_CHANCE = 1 / 10


@dataclass(frozen=True)
class RetryPolicy:
    """`max_attempts` is what `--max-attempts` says: how often one request is sent, at most."""

    max_attempts: int = 5

    def repeats(self, result: Result[Any], repeatable: bool) -> bool:
        """Whether another attempt may help: no answer, one that passes, or a 2xx that cannot be read.

        What is not `repeatable` is not sent again once it may have had its effect.
        """
        status = result.status
        passing = status is None or passes(status) or result.unreadable
        return passing and (repeatable or not result.doubtful)

    def backoff(self, attempt: int, random: Callable[[], float], *, by_chance: bool = False) -> float:
        """Seconds to wait after the given attempt (from 1): full jitter over 0.5 s, 1 s, 2 s ... 20 s.

        `random` gives numbers in [0, 1). A tenth of it after a 429 that came `by_chance`: what is sent is paced
        by the limiter in any case, and a longer wait would make the next attempt no likelier to pass.
        """
        longest = min(20.0, 0.5 * 2.0 ** min(attempt - 1, 10))
        return random() * longest * (_AFTER_CHANCE if by_chance else 1)
