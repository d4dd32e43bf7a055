"""One HTTP exchange: a request out, its answer or why there is none. No pacing, no retries, no secrets told."""

import ssl
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from yarl import URL

import cleanup
from cleanup.errors import UsageError
from cleanup.modelarts.http.causes import LONGEST_HEADER, cause, is_before_sending
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.http.proxies import Route, passwords, route

_CHUNK = 1 << 18
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_SECRET_HEADERS = ("X-Auth-Token", "X-Security-Token")  # the same in many requests
_WANTED = {"Accept": "application/json", "Accept-Encoding": "identity", "X-Language": "en-us"}
_SHORTEST_SECRET = 6  # what is shorter occurs in innocent text


class _Lost(aiohttp.ClientError):
    """The connection ended before the answer did; unlike its cause, an error of aiohttp's, it leads to no repeat."""

    def __init__(self, found: aiohttp.ClientError) -> None:
        super().__init__()
        self.found = found


@dataclass
class _Mark:
    """Whether a request has left."""

    sent: bool = False


_under_way: ContextVar[_Mark] = ContextVar("under_way")  # of the exchange that this task is at


class _Request(aiohttp.ClientRequest):
    """Marks when it leaves; a middleware and a trace could do that too, at ten times the cost."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        _under_way.get().sent = True
        try:
            return await super().send(conn)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _Lost(error) from error


class _Response(aiohttp.ClientResponse):
    """Keeps aiohttp from sending a DELETE again by itself when a kept-alive connection turns out dead."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        try:
            return await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _Lost(error) from error


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
        self._routes: dict[str, Route] = {}  # by origin: the environment stays what it is
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=_trusting(ca_bundle)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"image-cleanup/{cleanup.__version__}"} | _WANTED,
            auto_decompress=False,
            max_field_size=LONGEST_HEADER,
            timeout=aiohttp.ClientTimeout(total=timeout),
            request_class=_Request,
            response_class=_Response,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(
        self, request: Request, headers: Mapping[str, str], *, max_bytes: int
    ) -> Response | NoResponse:
        """One exchange; `max_bytes` bounds the answer's body in bytes. Redirects are answers like others.

        What was sent as a secret does not come back: a refusal that repeats it is blackened, for it
        goes into logs and journals.
        """
        mark = _Mark()
        _under_way.set(mark)
        way = self._route(request)
        for name in _SECRET_HEADERS:
            if name in headers:
                self.remember(headers[name])
        try:
            return await self._exchange(request, headers, way, max_bytes)
        except (aiohttp.ClientError, OSError) as error:
            found = error.found if isinstance(error, _Lost) else error
            sent = mark.sent and not is_before_sending(found)
            return NoResponse(cause(found, request, way, self._timeout, sent=mark.sent), sent)

    def _route(self, request: Request) -> Route:
        if request.origin not in self._routes:
            self._routes[request.origin] = route(request, self._environment)
        return self._routes[request.origin]

    def remember(self, *secrets: str) -> None:
        """These are secrets, and stay so in all answers to come."""
        self._secrets |= _spellings(*secrets)

    def _blackened(self, body: bytes, own: str) -> bytes:
        """`own` is the Authorization of this request: another one has another, so it is not remembered."""
        for secret in sorted(self._secrets | _spellings(own), key=len, reverse=True):
            body = body.replace(secret, b"[secret]")
        return body

    async def _exchange(
        self,
        request: Request,
        headers: Mapping[str, str],
        way: Route,
        max_bytes: int,
    ) -> Response:
        async with self._session.request(
            request.method,
            URL(request.origin + request.target, encoded=True),
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
            proxy=way.proxy,
            proxy_headers=way.login,
        ) as response:
            try:
                told = await _read(response, max_bytes)
                if coding := response.headers.get("Content-Encoding"):
                    told = _unpacked(told, coding, max_bytes)
            except ValueError as error:
                return Response(response.status, b"", response.headers, str(error))
            if response.status >= 300:
                told = self._blackened(told, headers.get("Authorization", ""))
            return Response(response.status, told, response.headers)


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body as it came. Raises ValueError where it is larger than that, and reads no further."""
    if (length := response.content_length) is not None and length <= max_bytes:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            response.close()
            raise ValueError(_too_large(max_bytes))
    return bytes(body)


def _unpacked(body: bytes, coding: str, max_bytes: int) -> bytes:
    """The body as it was before its content coding, which nobody asked for. Raises ValueError saying why not."""
    coding = coding.strip().lower()
    if not body or coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"its body has the content coding {coding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise ValueError(f"its body cannot be unpacked: it is no {coding}, as its header says") from None
    if len(plain) > max_bytes:
        raise ValueError(_too_large(max_bytes))
    if not unpacker.eof:
        raise ValueError(f"its body was cut off: the {coding} ends too soon")
    return plain


def _too_large(max_bytes: int) -> str:
    return f"its answer is larger than {max_bytes >> 20} MiB and was not read"


def _spellings(*secrets: str) -> set[bytes]:
    """Secrets as they are and as JSON writes them."""
    long_enough = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    return {secret.encode() for secret in long_enough} | {
        msgspec.json.encode(secret)[1:-1] for secret in long_enough
    }


def _trusting(ca_bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        why = "it holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"--ca-bundle {ca_bundle} cannot be used: {why}") from error
