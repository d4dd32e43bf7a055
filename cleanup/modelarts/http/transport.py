"""One request until it has its answer: authenticated, paced, tried again where that may help."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from cleanup.modelarts.http.messages import NoResponse, Request, Response, Result, passes
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.retry import RetryPolicy
from cleanup.runtime import Runtime
from cleanup.stop import Stop

if TYPE_CHECKING:
    from cleanup.modelarts.auth.credentials import Credentials
    from cleanup.modelarts.http.connection import Connection

T = TypeVar("T")
_MAX_BYTES = 1 << 20


def as_bytes(response: Response) -> bytes:
    """The decoder of those who read the body themselves, whatever it holds."""
    return response.body


class Transport:
    """All requests to one host go through here. `limiter` and `credentials` are None for IAM, which has neither.

    `stop` cuts waits short.
    """

    def __init__(
        self,
        connection: "Connection",
        runtime: Runtime,
        retry: RetryPolicy,
        *,
        limiter: RateLimiter | None = None,
        credentials: "Credentials[Any] | None" = None,
        stop: Stop | None = None,
    ) -> None:
        self.connection = connection
        self.limiter = limiter
        self._runtime = runtime
        self._retry = retry
        self._credentials = credentials
        self._stop = stop

    async def request(
        self,
        request: Request,
        decode: Callable[[Response], T],
        *,
        max_bytes: int = _MAX_BYTES,
        repeatable: bool = True,
        ignore_stop: bool = False,
        send_before: float = math.inf,
        on_send: Callable[[int], None] = lambda _: None,
    ) -> Result[T]:
        """Send until answered for good, as the retry policy says; after a 401 with renewed credentials, once more.

        `decode` reads a 2xx and raises ValueError where it cannot: that answer is as good as lost.
        `max_bytes` bounds the body. Not `repeatable`: never sent again once it may have had an effect.
        `ignore_stop`: goes on during a stop, for what was begun must be known. From the monotonic
        second `send_before` on it does not leave (again). `on_send` is told the number of each
        attempt as it leaves. Raises AccessDenied or InventoryError when there are no credentials.
        """
        result: Result[T] = Result(label=request.label)
        allowed, renewed = self._retry.max_attempts, False
        while True:
            headers, generation = await self._headers(request)
            released = await self._released(ignore_stop)
            if released is None:
                return msgspec.structs.replace(result, stopped=True)
            if self._runtime.clock() >= send_before:
                return msgspec.structs.replace(result, stale=True)
            on_send(result.attempts + 1)
            response = await self.connection.send(request, headers, max_bytes=max_bytes)
            self._tell_limiter(response, released)
            result = _after(result, response, decode, max_bytes)
            if result.status == 401 and self._credentials and not renewed:
                renewed, allowed = True, allowed + 1
                if await self._credentials.renew(generation):
                    continue
            if result.attempts >= allowed or not self._retry.repeats(result, repeatable):
                return result
            if not await self._back_off(result.attempts, ignore_stop):
                return msgspec.structs.replace(result, stopped=True)

    async def _headers(self, request: Request) -> tuple[dict[str, str], int]:
        if self._credentials is None:
            return request.headers, 0
        return await self._credentials.headers(request)

    async def _released(self, ignore_stop: bool) -> float | None:
        """The moment at which the limiter let it go; None when a stop came first."""
        if self.limiter is None:
            return self._runtime.clock()
        if ignore_stop or self._stop is None:
            return await self.limiter.acquire()
        return await self._stop.unless_requested(self.limiter.acquire)

    async def _back_off(self, attempt: int, ignore_stop: bool) -> bool:
        """Wait before the next attempt; whether there may be one."""
        seconds = self._retry.backoff(attempt, self._runtime.random)

        async def wait() -> bool:
            await self._runtime.sleep(seconds)
            return True

        if ignore_stop or self._stop is None:
            return await wait()
        return bool(await self._stop.unless_requested(wait))

    def _tell_limiter(self, response: Response | NoResponse, released: float) -> None:
        if self.limiter is None or isinstance(response, NoResponse):
            return
        if response.status == 429:
            self.limiter.throttled(released, _retry_after(response, self._runtime.now()))
        else:
            self.limiter.succeeded()


def _after(
    so_far: Result[T], response: Response | NoResponse, decode: Callable[[Response], T], max_bytes: int
) -> Result[T]:
    """The result after one more attempt; doubts of earlier ones stay."""
    attempts = so_far.attempts + 1
    if isinstance(response, NoResponse):
        doubtful = so_far.doubtful or response.sent
        return Result(label=so_far.label, trouble=response.why, attempts=attempts, doubtful=doubtful)
    value, trouble = None, None
    if response.oversized:
        trouble = f"its answer is larger than {max_bytes >> 20} MiB and was not read"
    if 200 <= response.status < 300:
        try:
            value = decode(response)
        except ValueError as error:
            trouble = trouble or str(error)
    return Result(
        label=so_far.label,
        status=response.status,
        body=response.body,
        value=value,
        request_id=response.headers.get("X-Request-Id", "")[:128] or None,
        redirect=_pointed_to(response),
        date=http_date(response.headers.get("Date", "")),
        trouble=trouble,
        attempts=attempts,
        # A 429 was turned away at the door.
        doubtful=so_far.doubtful or (passes(response.status) and response.status != 429),
        unreadable=200 <= response.status < 300 and value is None,
    )


def _pointed_to(response: Response) -> str | None:
    """Where a redirect leads, without its query: that may carry a login."""
    location = response.headers.get("Location")
    if not location or not 300 <= response.status < 400:
        return None
    try:
        parts = urlsplit(location)
        return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
    except ValueError:
        return "an address that is none"


def _retry_after(response: Response, now: datetime) -> float | None:
    """Seconds to wait, from seconds or from an HTTP date by the service's own clock; None when not said."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    moment = http_date(text)
    if moment is None:
        return None
    return max(0.0, (moment - (http_date(response.headers.get("Date", "")) or now)).total_seconds())


def http_date(text: str) -> datetime | None:
    """The time in an HTTP header such as `Date`; None where there is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
