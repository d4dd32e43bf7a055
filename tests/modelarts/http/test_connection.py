"""One exchange over a socket: every byte as meant, and every way of not being answered told apart."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import cleanup
from cleanup.errors import UsageError
from cleanup.modelarts.auth.signing import Keys, sign
from cleanup.modelarts.http.connection import Connection, _proxy
from cleanup.modelarts.http.messages import NoResponse, Request, Response, segment
from tests.support.stage import answer, read_request, served

NONE: dict[str, str] = {}


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Connection]:
    usual: dict[str, Any] = {"limit": 4, "timeout": 5.0, "environment": NONE}
    async with Connection(**usual | options) as connection:
        yield connection


def get(place: str, path: str = "/v1/p/images", **fields: Any) -> Request:
    return Request(**{"method": "GET", "origin": f"http://{place}", "path": path} | fields)


async def test_what_is_signed_is_sent_byte_for_byte() -> None:
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer(200, b"{}"))

    async with served(handler) as place, connected() as connection:
        request = get(
            place,
            f"/v1/p/images/{segment('a b%2F~ü+:@')}",
            query=(("name", "a+b c/d~é&="), ("force", "true"), ("a", "2"), ("a", "10")),
            body=b'{"x": 1}',
            method="POST",
        )
        headers = sign(request, Keys("AK", "SK", "TOKEN"), request.headers, datetime(2026, 1, 1, tzinfo=UTC))
        reply = await connection.send(request, headers, max_bytes=100)
    line, sent, body = seen[0]
    path = "/v1/p/images/a%20b%252F~%C3%BC%2B%3A%40"
    assert line == f"POST {path}?a=10&a=2&force=true&name=a%2Bb%20c%2Fd~%C3%A9%26%3D HTTP/1.1"
    assert body == b'{"x": 1}'
    assert {name: sent[name] for name in headers} == headers
    assert sent.getall("Host") == [place]
    assert sent["User-Agent"] == f"image-cleanup/{cleanup.__version__}"
    assert sent["X-Language"] == "en-us"
    assert isinstance(reply, Response)
    assert (reply.status, reply.body) == (200, b"{}")


async def test_an_answer_with_its_headers() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(429, b"slow down", Retry_After="3", X_Request_Id="r1"))

    async with served(handler) as place, connected() as connection:
        reply = await connection.send(get(place), NONE, max_bytes=100)
    assert isinstance(reply, Response)
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (429, b"slow down", "r1")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    requests = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer(status, Location="/elsewhere"))

    async with served(handler) as place, connected() as connection:
        reply = await connection.send(get(place), NONE, max_bytes=100)
    assert isinstance(reply, Response)
    assert reply.status == status
    assert len(requests) == 1


@pytest.mark.parametrize("size", [100, 101, 3_000_000])
async def test_an_answer_above_the_bound_is_not_read(size: int) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(200, b"x" * size))
        await writer.drain()

    async with served(handler) as place, connected() as connection:
        reply = await connection.send(get(place), NONE, max_bytes=100)
    assert isinstance(reply, Response)
    assert (len(reply.body), reply.oversized) == ((100, False) if size == 100 else (0, True))


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200",
        answer(200, b"12345")[:-1],
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
    ],
)
async def test_a_dropped_connection_may_have_had_its_effect(cut: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(cut)

    async with served(handler) as place, connected() as connection:
        lost = await connection.send(get(place), NONE, max_bytes=100)
        assert lost == NoResponse(f"the connection to {place} was dropped", sent=True)


async def test_rubbish_is_no_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"SSH-2.0-OpenSSH_9.0\r\n\r\n")

    async with served(handler) as place, connected() as connection:
        lost = await connection.send(get(place), NONE, max_bytes=100)
    assert isinstance(lost, NoResponse)
    assert lost.sent


async def test_nothing_is_sent_twice_behind_our_back() -> None:
    """A kept-alive connection that dies under a DELETE: aiohttp on its own would send the DELETE again."""
    lines = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await read_request(reader))[0])
        writer.write(answer(200, b"{}"))
        lines.append((await read_request(reader))[0])

    async with served(handler) as place, connected() as connection:
        await connection.send(get(place, "/first"), NONE, max_bytes=100)
        lost = await connection.send(get(place, "/second", method="DELETE"), NONE, max_bytes=100)
    assert lost == NoResponse(f"the connection to {place} was dropped", sent=True)
    assert lines == ["GET /first HTTP/1.1", "DELETE /second HTTP/1.1"]


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n12"])
async def test_a_service_that_hangs(begun: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(begun)
        await reader.read()

    async with served(handler) as place, connected(timeout=0.05) as connection:
        lost = await connection.send(get(place), NONE, max_bytes=100)
    assert lost == NoResponse(f"{place} gave no answer within 0.05 s", sent=True)


async def test_a_refused_connection_had_no_effect() -> None:
    async with served(lambda reader, writer: asyncio.sleep(0)) as place:
        pass
    async with connected() as connection:
        lost = await connection.send(get(place, method="DELETE"), NONE, max_bytes=100)
    assert isinstance(lost, NoResponse)
    assert not lost.sent
    assert lost.why.startswith(f"cannot connect to {place}: ")


async def test_an_unknown_name_had_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    async with connected() as connection:
        lost = await connection.send(get("no-such-host.invalid"), NONE, max_bytes=100)
    assert lost == NoResponse("the name no-such-host.invalid cannot be resolved", sent=False)


@asynccontextmanager
async def tls_server(folder: Path) -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (folder / "server.pem").write_text(CERTIFICATE + KEY)
    (folder / "ca.pem").write_text(CERTIFICATE)
    context.load_cert_chain(folder / "server.pem")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(200, b"{}"))

    async with served(handler, ssl=context) as place:
        yield place


async def test_tls_is_verified(tmp_path: Path) -> None:
    async with tls_server(tmp_path) as place, connected() as connection:
        lost = await connection.send(get(place, origin=f"https://{place}"), NONE, max_bytes=100)
    assert isinstance(lost, NoResponse)
    assert not lost.sent
    assert lost.why.startswith(f"no trust in {place}: ")
    assert lost.why.endswith("; see --ca-bundle")


async def test_a_ca_bundle_is_trusted(tmp_path: Path) -> None:
    async with tls_server(tmp_path) as place, connected(ca_bundle=tmp_path / "ca.pem") as connection:
        reply = await connection.send(get(place, origin=f"https://{place}"), NONE, max_bytes=100)
    assert isinstance(reply, Response)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_bundle_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"--ca-bundle .*ca\.pem cannot be used"):
        Connection(limit=1, timeout=1, environment=NONE, ca_bundle=path)


async def test_what_is_remembered_does_not_grow_with_the_requests() -> None:
    """Each signed request has an Authorization of its own: blackened in its own answer, and then forgotten."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, sent, _ = await read_request(reader)
            said = " ".join(sent[name] for name in ("Authorization", "X-Security-Token"))
            writer.write(answer(403, said.encode()))

    remembered = []
    async with served(handler) as place, connected() as connection:
        for number in range(1000):
            headers = {"Authorization": f"Signature={number:064}", "X-Security-Token": "temporary"}
            reply = await connection.send(get(place), headers, max_bytes=1000)
            assert isinstance(reply, Response)
            assert reply.body == b"[secret] [secret]"
            remembered.append(len(connection._secrets))
    assert remembered[0] == remembered[-1]


PROXY = {"HTTPS_PROXY": "http://proxy.corp:3128"}


@pytest.mark.parametrize(
    ("origin", "environment", "proxy"),
    [
        ("https://modelarts.test", NONE, None),
        ("https://modelarts.test", PROXY, "http://proxy.corp:3128"),
        ("https://modelarts.test:8443", PROXY, "http://proxy.corp:3128"),
        ("https://modelarts.test", {"https_proxy": "proxy.corp:3128"}, "http://proxy.corp:3128"),
        ("http://127.0.0.1:80", PROXY | {"HTTP_PROXY": "http://proxy.corp:3128"}, None),
        ("https://modelarts.test", PROXY | {"NO_PROXY": "other,.test"}, None),
        ("https://modelarts.test:8443", PROXY | {"no_proxy": "Modelarts.Test"}, None),
        ("https://modelarts.test:8443", PROXY | {"no_proxy": "modelarts.test:8443"}, None),
        ("https://modelarts.test", PROXY | {"NO_PROXY": "*"}, None),
        ("https://modelarts.test", PROXY | {"NO_PROXY": "arts.test, "}, "http://proxy.corp:3128"),
    ],
)
def test_proxies(origin: str, environment: dict[str, str], proxy: str | None) -> None:
    url, headers = _proxy(Request(method="GET", origin=origin, path="/"), environment)
    assert (None if url is None else str(url)) == (None if proxy is None else f"{proxy}/") or str(
        url
    ) == proxy
    assert headers is None


def test_the_login_of_a_proxy_is_a_header() -> None:
    request = Request(method="GET", origin="https://modelarts.test", path="/")
    url, headers = _proxy(request, {"HTTPS_PROXY": "http://me:s%40cret@proxy.corp:3128"})
    assert str(url).rstrip("/") == "http://proxy.corp:3128"
    assert headers == {"Proxy-Authorization": "Basic bWU6c0BjcmV0"}


async def test_requests_go_through_the_proxy() -> None:
    lines = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await read_request(reader))[0])
        writer.write(answer(407))

    async with (
        served(proxy) as place,
        Connection(limit=1, timeout=5, environment={"HTTPS_PROXY": f"http://{place}"}) as connection,
    ):
        lost = await connection.send(get("", origin="https://modelarts.test"), NONE, max_bytes=100)
    assert lines == ["CONNECT modelarts.test:443 HTTP/1.1"]
    assert lost == NoResponse("the proxy of HTTPS_PROXY refused with 407", sent=False)


def pem(label: str, text: str) -> str:
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


# A certificate for 127.0.0.1 that is its own authority; it is valid until 2126 and guards nothing.
CERTIFICATE = pem(
    "CERTIFICATE",
    "MIIBuDCCAV2gAwIBAgIUA54agqHSkGts9fvvuRGJoaF2O+4wCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMzIwMzcwMVoYDzIxMjYxMDMw\n"
    "MjAzNzAxWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAARO/CfyBehAajPwOwcz/BAiB1wom4rUaKx23CLSgiL7tfQHEBhzObhw\n"
    "pxx3MCpujgfHhbLQJ/Qm9nPvAAvW+xMSo4GKMIGHMB0GA1UdDgQWBBToo1mxTfC2\n"
    "BKxB2Md1tZANd3IrpTAfBgNVHSMEGDAWgBToo1mxTfC2BKxB2Md1tZANd3IrpTAP\n"
    "BgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgKE\n"
    "MBMGA1UdJQQMMAoGCCsGAQUFBwMBMAoGCCqGSM49BAMCA0kAMEYCIQD1ARI8w56L\n"
    "kOkeAOTR9/JL5YMdnYCMC0YUSvqTw2Ln4AIhAJlS6GvNwaz4TPT8/VdWWAJMLAl2\n"
    "F7B6H8UVLnDX7m9B\n",
)
KEY = pem(
    "PRIVATE KEY",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsvMHeg2knzfcOV6c\n"
    "Li5ke5a9HrSLyA2LBMlc5cwYd5+hRANCAARO/CfyBehAajPwOwcz/BAiB1wom4rU\n"
    "aKx23CLSgiL7tfQHEBhzObhwpxx3MCpujgfHhbLQJ/Qm9nPvAAvW+xMS\n",
)
