"""One request until it has its answer: authenticated, paced, tried again where that may help."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import anyio.lowlevel
import msgspec

from cleanup.modelarts.http.messages import NoResponse, Request, Response, Result, passes
from cleanup.modelarts.http.rate_limit import LONGEST_PAUSE, RateLimiter
from cleanup.modelarts.http.retry import RetryPolicy
from cleanup.runtime import Runtime
from cleanup.stop import Cause, Stop

if TYPE_CHECKING:
    from cleanup.modelarts.auth.credentials import Credentials
    from cleanup.modelarts.http.connection import Connection

T = TypeVar("T")
_MAX_BYTES = 1 << 20
HARMFUL_SKEW = timedelta(minutes=5)  # signatures fail at 15; tokens and temporary keys have ends, too
_LONG_HOLD = 5.0  # seconds from which on people want to know why nothing happens
_OF_THE_SERVICE = (429, 503)  # what Retry-After beside these says holds for every request


def as_bytes(response: Response) -> bytes:
    """The decoder of those who read the body themselves, whatever it holds."""
    return response.body


class Transport:
    """All requests to one host go through here. `limiter` and `credentials` are None for IAM, which has neither.

    `stop` cuts waits short. Where an answer that may pass says Retry-After, nothing is sent again before that.
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
        self._told_until = -math.inf
        self.backing_off = 0  # requests that wait before they are sent again

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
        """Send until answered for good, as the retry policy says; after a 401 with renewed credentials.

        `decode` reads a 2xx and raises ValueError where it cannot: that answer is as good as lost.
        `max_bytes` bounds the body. Not `repeatable`: never sent again once it may have had an effect.
        `ignore_stop`: goes on during a stop, for what was begun must be known. From the monotonic
        second `send_before` on it does not leave (again). `on_send` is told the number of each
        attempt as it leaves. A 401 costs no attempt while there is a newer secret, which is
        looked for as often as the policy allows attempts: a secret may end again while its request waits.
        Raises AccessDenied or InventoryError when there are no credentials.
        """
        result: Result[T] = Result(label=request.label)
        allowed = self._retry.max_attempts
        while True:
            headers, generation = await self._headers(request)
            released = await self._released(ignore_stop)
            if released is None:
                return msgspec.structs.replace(result, stopped=True)
            if (leaves := self._runtime.clock()) >= send_before:
                return msgspec.structs.replace(result, stale=True)
            on_send(result.attempts + 1)
            response = await self.connection.send(request, headers, max_bytes=max_bytes)
            result = _after(result, response, decode, self._runtime.now())
            hold = self._heed(response, released)
            self._tell(request, result, leaves)
            if result.status == 401 and self._credentials and allowed < 2 * self._retry.max_attempts:
                allowed += 1
                if await self._credentials.renew(generation):
                    continue
            if result.attempts >= allowed or not self._retry.repeats(result, repeatable):
                return result
            if not await self._may_repeat(request, result, hold, ignore_stop):
                return msgspec.structs.replace(result, stopped=True)

    async def _headers(self, request: Request) -> tuple[Mapping[str, str], int]:
        if self._credentials is None:
            return request.headers, 0
        return await self._credentials.headers(request)

    async def _released(self, ignore_stop: bool) -> float | None:
        """The moment at which the limiter let it go; None when a stop came first."""
        if self.limiter is None:
            return self._runtime.clock()
        if ignore_stop or self._stop is None:
            return await self.limiter.acquire()
        if not self._stop and (released := self.limiter.acquire_now()) is not None:
            return released
        return await self._stop.unless_requested(self.limiter.acquire)

    async def _may_repeat(
        self, request: Request, result: Result[Any], hold: float, ignore_stop: bool
    ) -> bool:
        """Wait before the next attempt, for `hold` seconds at least; whether there may be one."""
        if await self._ends_before(hold, ignore_stop):
            return False
        self._say(request, result, hold)
        return await self._back_off(result, hold, ignore_stop)

    async def _ends_before(self, hold: float, ignore_stop: bool) -> bool:
        """Whether the deadline comes before the service may be asked again; then there is no need to wait for it."""
        now = self._runtime.clock()
        if not hold or self._stop is None or now + hold < self._stop.ends_at(late=ignore_stop):
            return False
        self._stop.request(
            Cause.DEADLINE, f"out of time: the service asks to wait for {hold:.0f} s (Retry-After)"
        )
        await anyio.lowlevel.checkpoint()  # reading is cancelled by a stop, and must not fail before that
        return True

    async def _back_off(self, result: Result[Any], hold: float, ignore_stop: bool) -> bool:
        """Wait before the next attempt, for `hold` seconds at least; whether there may be one."""
        by_chance = result.status == 429 and self.limiter is not None and self.limiter.refused_by_chance
        backoff = self._retry.backoff(result.attempts, self._runtime.random, by_chance=by_chance)
        seconds = max(hold, backoff)

        async def wait() -> bool:
            await self._runtime.sleep(seconds)
            return True

        self.backing_off += 1
        try:
            if ignore_stop or self._stop is None:
                return await wait()
            return bool(await self._stop.unless_requested(wait))
        finally:
            self.backing_off -= 1

    def _heed(self, response: Response | NoResponse, released: float) -> float:
        """Have the limiter slow everybody down, pause everybody, or just go on; the seconds that were asked for."""
        hold = _asked_hold(response, self._runtime.now)
        if self.limiter is None or isinstance(response, NoResponse):
            return hold
        if response.status == 429:
            self.limiter.throttled(released, hold)
            return hold
        if response.status in _OF_THE_SERVICE:
            self.limiter.pause(hold)
        self.limiter.succeeded(released)
        return hold

    def _tell(self, request: Request, result: Result[Any], leaves: float) -> None:
        """Tell those who count answers, or want to know each, of one that came to a request that left then."""
        if self._runtime.answered:
            self._runtime.answered(result.status)
        if self._runtime.trace or self._runtime.spans:
            self._trace(request, result, self._runtime.clock() - leaves)

    def _trace(self, request: Request, result: Result[Any], seconds: float) -> None:
        """Tell of an attempt that has ended. Headers and bodies may hold secrets: nothing of them is told."""
        if self._runtime.spans:
            self._runtime.spans.request(
                request.method,
                f"{request.origin}{request.path}",
                seconds,
                attempt=result.attempts,
                status=result.status,
                request_id=result.request_id,
            )
        self._runtime.say_more(
            f"{request.method} {request.origin}{request.target}",
            status=result.status,
            trouble=result.trouble,
            ms=round(seconds * 1000),
            attempt=result.attempts,
            request_id=result.request_id,
        )

    def _say(self, request: Request, result: Result[Any], hold: float) -> None:
        """Tell people of a long pause: once, whoever meets it."""
        now = self._runtime.clock()
        if hold < _LONG_HOLD or now < self._told_until:
            return
        self._told_until = now + hold
        why = f"{request.host} answered {result.status} and asks to wait (Retry-After)"
        self._runtime.warn(f"{why}: going on in {hold:.0f} s")


def _after(
    so_far: Result[T], response: Response | NoResponse, decode: Callable[[Response], T], now: datetime
) -> Result[T]:
    """The result after one more attempt; doubts of earlier ones stay."""
    attempts = so_far.attempts + 1
    if isinstance(response, NoResponse):
        doubtful = so_far.doubtful or response.sent
        return Result(label=so_far.label, trouble=response.why, attempts=attempts, doubtful=doubtful)
    value, trouble = None, response.unread
    if 200 <= response.status < 300:
        try:
            value = decode(response)
        except ValueError as error:
            trouble = trouble or str(error)
    date = http_date(response.headers.get("Date", ""))
    return Result(
        label=so_far.label,
        status=response.status,
        body=response.body,
        value=value,
        request_id=_shown(response.headers.get("X-Request-Id", "")[:128]) or None,
        redirect=_pointed_to(response),
        date=date,
        trouble=trouble,
        clock=_wrong_clock(now, date) if date and response.status in (401, 403) else None,
        attempts=attempts,
        # A 429 was turned away at the door.
        doubtful=so_far.doubtful or (passes(response.status) and response.status != 429),
        unreadable=200 <= response.status < 300 and value is None,
    )


def _wrong_clock(now: datetime, date: datetime) -> str | None:
    ahead = now - date
    if abs(ahead) <= HARMFUL_SKEW:
        return None
    side = "ahead of" if ahead > timedelta() else "behind"
    minutes = round(abs(ahead) / timedelta(minutes=1))
    return f"this machine's clock is {minutes} minutes {side} the service's: set it (NTP)"


def _pointed_to(response: Response) -> str | None:
    """Where a redirect leads, without its query: that may carry a login."""
    location = _shown(response.headers.get("Location", ""))
    if not location or not 300 <= response.status < 400:
        return None
    try:
        parts = urlsplit(location)
        return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
    except ValueError:
        return "an address that is none"


def _shown(header: str) -> str:
    """A header's text, fit to be written: what is no UTF-8 came as halves of characters."""
    return (
        header
        if header.isprintable()
        else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in header)
    )


def _asked_hold(response: Response | NoResponse, now: Callable[[], datetime]) -> float:
    """Seconds that an answer which may pass asks to wait, within a bound; 0 where it does not say so."""
    if isinstance(response, NoResponse) or not passes(response.status):
        return 0.0
    return min(_retry_after(response, now()), LONGEST_PAUSE)


def _retry_after(response: Response, now: datetime) -> float:
    """Seconds to wait, from seconds or from an HTTP date by the service's own clock; 0 when not said."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    moment = http_date(text)
    if moment is None:
        return 0.0
    return max(0.0, (moment - (http_date(response.headers.get("Date", "")) or now)).total_seconds())


@lru_cache(maxsize=16)  # it changes once a second
def http_date(text: str) -> datetime | None:
    """The time in an HTTP header such as `Date`; None where there is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
