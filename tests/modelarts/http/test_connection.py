"""One exchange over a socket: every byte as meant, and every way of not being answered told apart."""

import asyncio
import gzip
import socket
import ssl
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import cleanup
from cleanup.errors import UsageError
from cleanup.modelarts.auth.signing import Keys, sign
from cleanup.modelarts.http.connection import Connection
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


async def test_what_comes_ahead_of_an_answer_is_no_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        writer.write(answer(200, b"{}"))

    async with served(handler) as place, connected() as connection:
        reply = await connection.send(get(place), NONE, max_bytes=100)
    assert isinstance(reply, Response)
    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\0"], ids=["line", "newline", "nul"])
async def test_no_header_begins_another_line(text: str) -> None:
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    async with served(handler) as place, connected() as connection:
        with pytest.raises(ValueError, match="control character"):
            await connection.send(get(place), {"X-Auth-Token": text}, max_bytes=100)
    assert seen in ([], [b""])


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
    assert (len(reply.body), bool(reply.unread)) == ((100, False) if size == 100 else (0, True))


CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT_OFF = "the answer of {} was cut off: its body ended too soon"


@pytest.mark.parametrize(
    ("cut", "why"),
    [
        (b"", "{} closed the connection without an answer"),
        (b"HTTP/1.1 200", "{} closed the connection within the headers of an answer"),
        (b"HTTP/1.1 200 X\r\nDate: x\r\n", "{} closed the connection within the headers of an answer"),
        (answer(200, b"12345")[:-1], CUT_OFF),
        (CHUNKED + b"5\r\n12", CUT_OFF),
        (CHUNKED + b"what?\r\n12", "what {} sent is no HTTP"),
        (b"SSH-2.0-OpenSSH_9.0\r\n\r\n", "what {} sent is no HTTP"),
        (
            answer(200, X_Long="x" * (129 << 10)),
            "a header of the answer of {} is too long: more than 128 KiB",
        ),
    ],
)
async def test_what_is_no_whole_answer_may_have_had_its_effect(cut: bytes, why: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(cut)

    async with served(handler) as place, connected() as connection:
        lost = await connection.send(get(place), NONE, max_bytes=100)
        assert lost == NoResponse(why.format(place), sent=True)


async def test_a_reset_connection_may_have_had_its_effect() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        reset = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        writer.transport.abort()

    async with served(handler) as place, connected() as connection:
        lost = await connection.send(get(place), NONE, max_bytes=100)
        assert lost == NoResponse(f"{place} reset the connection", sent=True)


def bomb() -> bytes:
    """64 MiB that are 64 KiB packed; it takes too long for those who only collect this module."""
    return gzip.compress(bytes(64 << 20), mtime=0)


@pytest.mark.parametrize(
    ("coding", "body", "shown", "unread"),
    [
        pytest.param("identity", b"{}", b"{}", None, id="as-it-is"),
        pytest.param("gzip", gzip.compress(b"{}", mtime=0), b"{}", None, id="gzip"),
        pytest.param("Deflate", zlib.compress(b"{}"), b"{}", None, id="deflate"),
        pytest.param("gzip", b"", b"", None, id="empty"),
        pytest.param(
            "gzip", gzip.compress(b"x" * (1 << 20), mtime=0), b"x" * (1 << 20), None, id="as-large-as-may-be"
        ),
        pytest.param("gzip", bomb, b"", "its answer is larger than 1 MiB and was not read", id="bomb"),
        pytest.param(
            "gzip",
            gzip.compress(b"{}" * 99, mtime=0)[:-9],
            b"",
            "its body was cut off: the gzip ends too soon",
            id="cut-off",
        ),
        pytest.param(
            "gzip", b"{}", b"", "its body cannot be unpacked: it is no gzip, as its header says", id="no-gzip"
        ),
        pytest.param(
            "br",
            b"{}",
            b"",
            "its body has the content coding 'br', which was not asked for",
            id="not-asked-for",
        ),
    ],
)
async def test_packed_bodies_are_bounded(
    coding: str, body: bytes | Callable[[], bytes], shown: bytes, unread: str | None
) -> None:
    asked, packed = [], body() if callable(body) else body

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await read_request(reader))[1])
        writer.write(answer(200, packed, Content_Encoding=coding))

    tracemalloc.start()
    try:
        async with served(handler) as place, connected() as connection:
            reply = await connection.send(get(place), NONE, max_bytes=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(reply, Response)
    assert (reply.body, reply.unread) == (shown, unread)
    assert peak < 12 << 20
    assert (asked[0]["Accept-Encoding"], asked[0]["X-Language"]) == ("identity", "en-us")


async def test_headers_of_64_kilobytes_in_both_directions() -> None:
    token = "t" * (64 << 10)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = (await read_request(reader))[1]["X-Auth-Token"]
        writer.write(answer(201, X_Subject_Token=seen))

    async with served(handler, limit=1 << 18) as place, connected() as connection:
        reply = await connection.send(get(place), {"X-Auth-Token": token}, max_bytes=100)
    assert isinstance(reply, Response)
    assert reply.headers["X-Subject-Token"] == token


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
    assert lost == NoResponse(f"{place} closed the connection without an answer", sent=True)
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
    assert lost == NoResponse(f"{place} refused the connection", sent=False)


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (NONE, "the name of no-such-host.invalid cannot be resolved"),
        (
            {"HTTPS_PROXY": "http://me:pass-word@no-proxy.invalid:3128"},
            "the name of the proxy no-proxy.invalid:3128 cannot be resolved"
            " (by the proxy of HTTPS_PROXY; NO_PROXY names who is reached without)",
        ),
        (
            {"https_proxy": "http://no-proxy.invalid:3128", "no_proxy": "*.invalid"},
            "the name of no-such-host.invalid cannot be resolved"
            " (reached without a proxy, for no_proxy names it)",
        ),
    ],
)
async def test_an_unknown_name_had_no_effect(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], why: str
) -> None:
    async def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    async with connected(environment=environment) as connection:
        lost = await connection.send(get("", origin="https://no-such-host.invalid"), NONE, max_bytes=100)
    assert lost == NoResponse(why, sent=False)


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
    assert lost.why.startswith(f"no trust in {place}: its certificate is its own authority (self-signed); ")
    assert "--ca-bundle" in lost.why


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    async with tls_server(tmp_path) as place, connected(ca_bundle=tmp_path / "ca.pem") as connection:
        elsewhere = place.replace("127.0.0.1", "localhost")
        lost = await connection.send(get(place, origin=f"https://{elsewhere}"), NONE, max_bytes=100)
    assert isinstance(lost, NoResponse)
    assert lost.why.startswith(
        f"no trust in {elsewhere}: its certificate is for another name (Hostname mismatch"
    )


async def test_a_port_that_speaks_no_tls() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 X\r\n\r\n")

    async with served(handler) as place, connected() as connection:
        lost = await connection.send(get(place, origin=f"https://{place}"), NONE, max_bytes=100)
    assert isinstance(lost, NoResponse)
    assert not lost.sent
    assert lost.why.startswith(f"{place} does not speak TLS")


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


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (answer(407), "the proxy {} refused with 407: it wants a login"),
        (b"", "the proxy {} closed the connection without an answer"),
        (b"SSH-2.0\r\n\r\n", "what the proxy {} sent is no HTTP"),
    ],
)
async def test_requests_go_through_the_proxy(refusal: bytes, why: str) -> None:
    lines = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await read_request(reader))[0])
        writer.write(refusal)

    async with (
        served(proxy) as place,
        Connection(limit=1, timeout=5, environment={"HTTPS_PROXY": f"http://{place}"}) as connection,
    ):
        lost = await connection.send(get("", origin="https://modelarts.test"), NONE, max_bytes=100)
    assert set(lines) == {
        "CONNECT modelarts.test:443 HTTP/1.1"
    }  # aiohttp may knock twice; no request has left
    way = "(by the proxy of HTTPS_PROXY; NO_PROXY names who is reached without)"
    assert lost == NoResponse(f"{why.format(place)} {way}", sent=False)


async def test_one_tunnel_through_the_proxy_serves_many_requests(tmp_path: Path) -> None:
    """Its login is told to the proxy, and to nobody else."""
    asked: list[Any] = []

    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append((await read_request(reader))[1])
            writer.write(answer(200, b"{}"))

    (tmp_path / "server.pem").write_text(CERTIFICATE + KEY)
    (tmp_path / "ca.pem").write_text(CERTIFICATE)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")
    tunnels: list[Any] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnels.append(await read_request(reader))
        host, _, port = tunnels[-1][0].split(" ")[1].partition(":")
        from_there, there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(pump(reader, there), pump(from_there, writer))
        finally:
            there.transport.abort()

    async with served(service, ssl=context) as place, served(proxy) as between:
        environment = {"HTTPS_PROXY": f"http://me:pass-word@{between}"}
        async with connected(environment=environment, ca_bundle=tmp_path / "ca.pem") as connection:
            request = get("", origin=f"https://{place}")
            replies = [await connection.send(request, NONE, max_bytes=100) for _ in range(3)]
    assert [type(reply) for reply in replies] == [Response] * 3
    assert [line for line, *_ in tunnels] == [f"CONNECT {place} HTTP/1.1"]
    assert tunnels[0][1]["Proxy-Authorization"].startswith("Basic ")
    assert [(sent["Host"], "Proxy-Authorization" in sent) for sent in asked] == [(place, False)] * 3


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
