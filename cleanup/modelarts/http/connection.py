"""One HTTP exchange: a request out, its answer or why there is none. No pacing, no retries, no secrets told."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp.http import HttpProcessingError
from yarl import URL

import cleanup
from cleanup.errors import UsageError
from cleanup.modelarts.http.alarm import Alarm
from cleanup.modelarts.http.causes import cause
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.http.open_connection import OpenConnection
from cleanup.modelarts.http.proxies import Route, passwords, route

_SECRET_HEADERS = ("X-Auth-Token", "X-Security-Token")  # the same in many requests
_ALWAYS = (
    f"User-Agent: image-cleanup/{cleanup.__version__}\r\nAccept: application/json\r\n"
    "Accept-Encoding: identity\r\nX-Language: en-us\r\n"
)
_NO_OTHER_TIMEOUT = aiohttp.ClientTimeout()
_LONGEST_IDLE = 15.0  # seconds: gateways may close a connection later on, just as a request leaves
_SHORTEST_SECRET = 6  # what is shorter occurs in innocent text


@dataclass(frozen=True)
class _Way:
    """How one origin is reached: by which route, what aiohttp wants to know to open a connection there, and
    the open connections that nobody uses at the moment."""

    route: Route
    opening: aiohttp.ClientRequest
    host: str
    idle: deque[OpenConnection] = field(default_factory=deque)


class Connection:
    """The way to one target and its IAM. `limit` bounds the connections, `timeout` (seconds) each exchange.

    HTTPS_PROXY and NO_PROXY of `environment` hold. aiohttp's own `trust_env` is not used: it would
    also take logins for the service from ~/.netrc. Bodies are asked for as they are, and unpacked here
    where a gateway packs them all the same, so that they stay within their bound.
    """

    def __init__(
        self, *, limit: int, timeout: float, environment: Mapping[str, str], ca_bundle: Path | None = None
    ) -> None:
        self._timeout = timeout
        self._environment = environment
        self._secrets = _spellings(*passwords(environment))
        self._ways: dict[str, _Way] = {}  # by origin: the environment stays what it is
        self._connector = aiohttp.TCPConnector(limit=limit, ssl=_trusting(ca_bundle))
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm()
        self._opening = 0  # requests that wait for aiohttp to open a connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave_idle_ones()
        await self._connector.close()

    async def send(
        self, request: Request, headers: Mapping[str, str], *, max_bytes: int
    ) -> Response | NoResponse:
        """One exchange; `max_bytes` bounds the answer's body in bytes. Redirects are answers like others.

        What was sent as a secret does not come back: a refusal that repeats it is blackened, for it
        goes into logs and journals.
        """
        way = self._way(request)
        for name in _SECRET_HEADERS:
            if name in headers:
                self.remember(headers[name])
        spelled = _spelled(request, way.host, headers)
        until = self._loop.time() + self._timeout
        connection = answer = None
        try:
            connection = self._idle(way) or await self._opened(way, until)
            answer = await connection.ask(spelled, until=until, max_bytes=max_bytes)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            sent = connection is not None
            return NoResponse(cause(error, request, way.route, self._timeout, sent=sent), sent)
        finally:
            if connection:
                self._put_back(connection, way, is_answered=answer is not None and answer.unread is None)
        if answer.status >= 300 and answer.body:
            body = self._blackened(answer.body, headers.get("Authorization", ""))
            answer = Response(answer.status, body, answer.headers)
        return answer

    def _idle(self, way: _Way) -> OpenConnection | None:
        """One that is open already; those that cannot be used any more are closed."""
        while way.idle:
            connection = way.idle.popleft()
            if connection.is_usable and self._loop.time() - connection.idle_since < _LONGEST_IDLE:
                return connection
            connection.close()
        return None

    async def _opened(self, way: _Way, until: float) -> OpenConnection:
        """One that aiohttp opens, as soon as there may be another."""
        self._leave_idle_ones()
        self._opening += 1
        try:
            async with asyncio.timeout_at(until):
                return OpenConnection(
                    await self._connector.connect(way.opening, [], _NO_OTHER_TIMEOUT), self._alarm
                )
        finally:
            self._opening -= 1

    def _put_back(self, connection: OpenConnection, way: _Way, *, is_answered: bool) -> None:
        """One that owes an answer is closed: that could come later, and be taken for the next."""
        if not is_answered or not connection.is_usable:
            connection.close()
        elif self._opening:  # somebody may wait until aiohttp has room for one
            connection.give_back()
        else:
            connection.idle_since = self._loop.time()
            way.idle.append(connection)

    def _leave_idle_ones(self) -> None:
        """Leave all that are idle to aiohttp: they count among its connections."""
        for way in self._ways.values():
            while way.idle:
                way.idle.popleft().give_back()

    def _way(self, request: Request) -> _Way:
        if request.origin not in self._ways:
            found = route(request, self._environment)
            url = URL(request.origin)
            host = url.host_port_subcomponent or ""
            # aiohttp itself adds the Host, but only after its pool went by these headers.
            login = {**found.login, "Host": host} if found.login else None
            opening = aiohttp.ClientRequest(
                "GET", url, loop=self._loop, proxy=found.proxy, proxy_headers=login
            )
            self._ways[request.origin] = _Way(found, opening, host)
        return self._ways[request.origin]

    def remember(self, *secrets: str) -> None:
        """These are secrets, and stay so in all answers to come."""
        self._secrets |= _spellings(*secrets)

    def _blackened(self, body: bytes, own: str) -> bytes:
        """`own` is the Authorization of this request: another one has another, so it is not remembered."""
        for secret in sorted(self._secrets | _spellings(own), key=len, reverse=True):
            body = body.replace(secret, b"[secret]")
        return body


def _spelled(request: Request, host: str, headers: Mapping[str, str]) -> bytes:
    """A request as it goes over the wire; a Host among the `headers` was signed so."""
    lines = _header_lines(headers if "Host" in headers else {"Host": host, **headers})
    if request.body or request.method != "GET":
        lines += f"Content-Length: {len(request.body)}\r\n"
    return f"{request.method} {request.target} HTTP/1.1\r\n{lines}{_ALWAYS}\r\n".encode() + request.body


def _header_lines(headers: Mapping[str, str]) -> str:
    if not "".join(headers.values()).isprintable():
        raise ValueError("a header holds a line break or another control character")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def _spellings(*secrets: str) -> set[bytes]:
    """Secrets as they are and as JSON writes them."""
    long_enough = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    return {secret.encode() for secret in long_enough} | {
        msgspec.json.encode(secret)[1:-1] for secret in long_enough
    }


@cache
def _trusting(ca_bundle: Path | None) -> ssl.SSLContext | bool:
    """Whom to trust: the system's authorities, which aiohttp has read at its import, or those of the bundle."""
    if ca_bundle is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        why = "it holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"--ca-bundle {ca_bundle} cannot be used: {why}") from error
