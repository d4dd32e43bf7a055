"""One request until it has its answer: authenticated, paced, tried again where that may help."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec

from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.http.rate_limit import RateLimiter, backoff

if TYPE_CHECKING:
    from cleanup.modelarts.auth.credentials import Credentials
    from cleanup.modelarts.http.connection import Connection

T = TypeVar("T")
_MOST_BODY = 1 << 20


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request. `status` is None when there was no answer; `trouble` then says why.

    `attempts` counts the requests sent. `doubtful`: one of them, perhaps not the last, was sent and
    not answered, or answered with 5xx, so that it may have had its effect. `stopped`: it was given
    up because of a stop. `stale`: not sent (again), for what it rests on had become too old.
    `redirect` is where a 3xx pointed to, `date` the service's clock.
    """

    place: str
    status: int | None = None
    body: bytes = b""
    request_id: str | None = None
    redirect: str | None = None
    date: datetime | None = None
    trouble: str | None = None
    attempts: int = 0
    doubtful: bool = False
    stopped: bool = False
    stale: bool = False

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How hard to try: `max_attempts` in all; `now` is in UTC, `random` in [0, 1), `stopping` ends it."""

    max_attempts: int
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]
    now: Callable[[], datetime]
    stopping: anyio.Event | None = None


class Transport:
    """All requests to one target go through here, and through its one limiter."""

    def __init__(
        self,
        connection: "Connection",
        credentials: "Credentials[Any]",
        limiter: RateLimiter,
        retry: RetryPolicy,
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._retry = retry
        self.limiter = limiter

    async def request(
        self,
        request: Request,
        *,
        max_bytes: int = _MOST_BODY,
        repeatable: bool = True,
        ignore_stop: bool = False,
        fresh: Callable[[], bool] | None = None,
    ) -> Result:
        """Send until answered for good: 429, 5xx, dropped connections and timeouts are tried again.

        `max_bytes` bounds the body in bytes. Not `repeatable`: never sent again once it may have had an
        effect. `ignore_stop`: goes on during a stop, for what was begun must be known. `fresh` is asked
        right before each time it leaves; when that says no, it does not leave. After a 401
        with renewed credentials it is sent once more. Raises AccessDenied or InventoryError when
        there never were credentials to send with.
        """
        answer = Result(place=request.place)
        allowed, renewed = self._retry.max_attempts, False
        while True:
            headers, generation = await self._credentials.headers(request)
            released = await self._unless_stopping(self.limiter.acquire, ignore_stop)
            if released is None:
                return msgspec.structs.replace(answer, stopped=True)
            if fresh is not None and not fresh():
                return msgspec.structs.replace(answer, stale=True)
            reply = await self._connection.send(request, headers, max_bytes=max_bytes)
            self._tell_limiter(reply, released)
            answer = _after(answer, reply, max_bytes)
            if answer.status == 401 and not renewed:
                renewed, allowed = True, allowed + 1
                if await self._credentials.renew(generation):
                    continue
            if not _worth_repeating(answer, repeatable) or answer.attempts >= allowed:
                return answer
            if not await self._unless_stopping(partial(self._back_off, answer.attempts), ignore_stop):
                return msgspec.structs.replace(answer, stopped=True)

    async def _unless_stopping(self, wait: Callable[[], Awaitable[T]], ignore_stop: bool) -> T | None:
        """Wait, unless a stop is asked for before or meanwhile; None then."""
        stopping = self._retry.stopping
        if ignore_stop or stopping is None:
            return await wait()
        if stopping.is_set():
            return None
        result: T | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when, stopping, group.cancel_scope)
            result = await wait()
            group.cancel_scope.cancel()
        return result

    async def _back_off(self, attempt: int) -> bool:
        await self._retry.sleep(backoff(attempt, self._retry.random))
        return True

    def _tell_limiter(self, reply: Response | NoResponse, released: float) -> None:
        if isinstance(reply, NoResponse):
            return
        if reply.status == 429:
            self.limiter.throttled(released, _retry_after(reply, self._retry.now()))
        else:
            self.limiter.succeeded()


async def _cancel_when(stopping: anyio.Event, scope: anyio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()


def _worth_repeating(answer: Result, repeatable: bool) -> bool:
    passing = answer.status is None or answer.status == 429 or answer.status >= 500
    return passing and (repeatable or not answer.doubtful)


def _after(so_far: Result, reply: Response | NoResponse, max_bytes: int) -> Result:
    """The answer after one more attempt; doubts of earlier ones stay."""
    attempts = so_far.attempts + 1
    if isinstance(reply, NoResponse):
        doubtful = so_far.doubtful or reply.sent
        return Result(place=so_far.place, trouble=reply.why, attempts=attempts, doubtful=doubtful)
    oversized = (
        f"its answer is larger than {max_bytes >> 20} MiB and was not read" if reply.oversized else None
    )
    return Result(
        place=so_far.place,
        status=reply.status,
        body=reply.body,
        request_id=reply.headers.get("X-Request-Id", "")[:128] or None,
        redirect=_pointed_to(reply),
        date=_http_date(reply.headers.get("Date", "")),
        trouble=oversized,
        attempts=attempts,
        doubtful=so_far.doubtful or reply.status >= 500,
    )


def _pointed_to(reply: Response) -> str | None:
    """Where a redirect leads, without its query: that may carry a login."""
    location = reply.headers.get("Location")
    if not location or not 300 <= reply.status < 400:
        return None
    try:
        parts = urlsplit(location)
        return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
    except ValueError:
        return "an address that is none"


def _retry_after(reply: Response, now: datetime) -> float | None:
    """Seconds to wait, from seconds or from an HTTP date by the service's own clock; None when not said."""
    text = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    moment = _http_date(text)
    if moment is None:
        return None
    return max(0.0, (moment - (_http_date(reply.headers.get("Date", "")) or now)).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
