"""One HTTP exchange: a request out, its answer or why there is none. No pacing, no retries, no secrets told."""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
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
from cleanup.modelarts.http.causes import LONGEST_HEADER, cause
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.http.proxies import Route, passwords, route

_CHUNK = 1 << 18
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_SECRET_HEADERS = ("X-Auth-Token", "X-Security-Token")  # the same in many requests
_ALWAYS = (
    f"User-Agent: image-cleanup/{cleanup.__version__}\r\nAccept: application/json\r\n"
    "Accept-Encoding: identity\r\nX-Language: en-us\r\n"
)
_NO_OTHER_TIMEOUT = aiohttp.ClientTimeout()
_SHORTEST_SECRET = 6  # what is shorter occurs in innocent text


@dataclass(frozen=True)
class _Way:
    """How one origin is reached: by which route, and what aiohttp wants to know to open a connection there."""

    route: Route
    opening: aiohttp.ClientRequest
    host: str


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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        connection = None
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connector.connect(way.opening, [], _NO_OTHER_TIMEOUT)
                return await self._exchange(connection, request, headers, max_bytes)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            sent = connection is not None
            return NoResponse(cause(error, request, way.route, self._timeout, sent=sent), sent)
        finally:
            if connection:
                connection.close()  # unless it was released, for others to use

    def _way(self, request: Request) -> _Way:
        if request.origin not in self._ways:
            found = route(request, self._environment)
            url = URL(request.origin)
            host = url.host_port_subcomponent or ""
            # aiohttp itself adds the Host, but only after its pool went by these headers.
            login = {**found.login, "Host": host} if found.login else None
            loop = asyncio.get_running_loop()
            opening = aiohttp.ClientRequest("GET", url, loop=loop, proxy=found.proxy, proxy_headers=login)
            self._ways[request.origin] = _Way(found, opening, host)
        return self._ways[request.origin]

    def remember(self, *secrets: str) -> None:
        """These are secrets, and stay so in all answers to come."""
        self._secrets |= _spellings(*secrets)

    async def _exchange(
        self,
        connection: aiohttp.connector.Connection,
        request: Request,
        headers: Mapping[str, str],
        max_bytes: int,
    ) -> Response:
        head, content = await _ask(connection, _spelled(request, self._way(request).host, headers))
        try:
            body = await _read(head.headers, content, max_bytes)
            if coding := head.headers.get("Content-Encoding"):
                body = _unpacked(body, coding, max_bytes)
        except ValueError as error:
            return Response(head.code, b"", head.headers, str(error))
        connection.release()
        if head.code >= 300:
            body = self._blackened(body, headers.get("Authorization", ""))
        return Response(head.code, body, head.headers)

    def _blackened(self, body: bytes, own: str) -> bytes:
        """`own` is the Authorization of this request: another one has another, so it is not remembered."""
        for secret in sorted(self._secrets | _spellings(own), key=len, reverse=True):
            body = body.replace(secret, b"[secret]")
        return body


async def _ask(
    connection: aiohttp.connector.Connection, request: bytes
) -> tuple[aiohttp.http.RawResponseMessage, aiohttp.StreamReader]:
    """The head of the answer to what is sent, and its body to be read.

    Without aiohttp's session: that takes two thirds of what a request costs, and on its own it sends one again
    where a kept-alive connection turns out dead.
    """
    protocol = connection.protocol
    if protocol is None or protocol.transport is None:
        raise aiohttp.ClientConnectionResetError
    protocol.set_response_params(read_until_eof=True, auto_decompress=False, max_field_size=LONGEST_HEADER)
    protocol.transport.write(request)
    head, content = await protocol.read()
    while 100 <= head.code < 200 and head.code != 101:  # what comes ahead of an answer
        head, content = await protocol.read()
    return head, content


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


async def _read(headers: Mapping[str, str], content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """The body as it came. Raises ValueError where it is larger than that, and reads no further."""
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= max_bytes:
        return await content.read()
    body = bytearray()
    async for chunk in content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
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
