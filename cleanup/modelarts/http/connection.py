"""One HTTP exchange: a request out, its answer or why there is none. No pacing, no retries, no secrets told."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import msgspec
from yarl import URL

import cleanup
from cleanup.errors import UsageError
from cleanup.modelarts.http.messages import NoResponse, Request, Response

_CHUNK = 1 << 18
_SECRET_HEADERS = ("X-Auth-Token", "X-Security-Token")  # the same in many requests
_SHORTEST_SECRET = 6  # what is shorter occurs in innocent text


class _Dropped(aiohttp.ClientError):
    """The connection ended before the answer did; unlike aiohttp's own errors it leads to no silent repeat."""


async def _never_repeat(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a DELETE again by itself when a kept-alive connection turns out dead."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped from error


async def _note_sending(
    _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.sent = True


class Connection:
    """The way to one target and its IAM. `limit` bounds the connections, `timeout` (seconds) each exchange.

    HTTPS_PROXY and NO_PROXY of `environment` hold. aiohttp's own `trust_env` is not used: it would
    also take logins for the service from ~/.netrc.
    """

    def __init__(
        self, *, limit: int, timeout: float, environment: Mapping[str, str], ca_bundle: Path | None = None
    ) -> None:
        self._timeout = timeout
        self._environment = environment
        self._secrets: set[bytes] = set()
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sending)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=_trusting(ca_bundle)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": f"image-cleanup/{cleanup.__version__}",
                "Accept": "application/json",
                "X-Language": "en-us",
            },
            timeout=aiohttp.ClientTimeout(total=timeout),
            trace_configs=[tracing],
            middlewares=[_never_repeat],
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
        mark = SimpleNamespace(sent=False)
        self.remember(*(headers[name] for name in _SECRET_HEADERS if name in headers))
        try:
            return await self._exchange(request, headers, max_bytes, mark)
        except TimeoutError:
            return NoResponse(f"{request.host} gave no answer within {self._timeout:g} s", mark.sent)
        except aiohttp.ClientSSLError as error:
            return NoResponse(
                f"no trust in {request.host}: {_tls_trouble(error)}; see --ca-bundle", sent=False
            )
        except aiohttp.ClientConnectorDNSError:
            return NoResponse(f"the name {request.host} cannot be resolved", sent=False)
        except aiohttp.ClientProxyConnectionError:
            return NoResponse("the proxy of HTTPS_PROXY cannot be reached", sent=False)
        except aiohttp.ClientHttpProxyError as error:
            return NoResponse(f"the proxy of HTTPS_PROXY refused with {error.status}", sent=False)
        except aiohttp.ClientConnectorError as error:
            return NoResponse(
                f"cannot connect to {request.host}: {error.os_error.strerror or 'refused'}", sent=False
            )
        except (aiohttp.ClientError, OSError):
            return NoResponse(f"the connection to {request.host} was dropped", mark.sent)

    def remember(self, *secrets: str) -> None:
        """These are secrets, and stay so in all answers to come."""
        self._secrets |= _spellings(*secrets)

    def _blackened(self, body: bytes, own: str) -> bytes:
        """`own` is the Authorization of this request: another one has another, so it is not remembered."""
        for secret in sorted(self._secrets | _spellings(own), key=len, reverse=True):
            body = body.replace(secret, b"[secret]")
        return body

    async def _exchange(
        self, request: Request, headers: Mapping[str, str], max_bytes: int, mark: SimpleNamespace
    ) -> Response:
        proxy, proxy_headers = _proxy(request, self._environment)
        async with self._session.request(
            request.method,
            URL(request.origin + request.target, encoded=True),
            headers=dict(headers),
            data=request.body or None,
            allow_redirects=False,
            proxy=proxy,
            proxy_headers=proxy_headers,
            trace_request_ctx=mark,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > max_bytes:
                    response.close()
                    return Response(response.status, b"", response.headers, oversized=True)
            told = bytes(body)
            if response.status >= 300:
                told = self._blackened(told, headers.get("Authorization", ""))
            return Response(response.status, told, response.headers)


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
        raise UsageError(f"--ca-bundle {ca_bundle} cannot be used: {error.strerror or error}") from error


def _tls_trouble(error: aiohttp.ClientSSLError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found: object = error.certificate_error
    else:
        found = error.os_error
    return str(getattr(found, "verify_message", "") or getattr(found, "reason", "") or "TLS failed")


def _proxy(request: Request, environment: Mapping[str, str]) -> tuple[URL | None, Mapping[str, str] | None]:
    """The proxy for a request, and its login as a header; plain http is for loopback and goes direct."""
    address = environment.get("https_proxy") or environment.get("HTTPS_PROXY")
    if not address or not request.origin.startswith("https:"):
        return None, None
    if _exempt(request.host, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None, None
    url = _proxy_url(address)
    login = (
        {"Proxy-Authorization": aiohttp.encode_basic_auth(url.user, url.password or "")} if url.user else None
    )
    return url.with_user(None), login


def _proxy_url(address: str) -> URL:
    """Raises UsageError without telling the address, which may hold a password."""
    try:
        return URL(address if "://" in address else f"http://{address}")
    except ValueError:
        message = "HTTPS_PROXY is no URL of the form http://[user:password@]host:port"
        raise UsageError(message) from None  # the reason would quote it


def _exempt(host: str, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host, with or without its port, one of its domains, or everything."""
    host, name = host.casefold(), host.casefold().partition(":")[0]
    listed = [entry.strip().casefold().removeprefix(".") for entry in no_proxy.split(",")]
    return any(entry in (host, name, "*") or name.endswith(f".{entry}") for entry in listed if entry)
