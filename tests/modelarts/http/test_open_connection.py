"""Answers on a connection that is kept open: each belongs to one request, however it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cleanup.modelarts.http.connection import Connection
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from tests.support.stage import answer, read_request, served

CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nX-A:1\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


class Service:
    """Answers each request with what is next, in pieces of so many bytes; counts connections and requests."""

    def __init__(self, *answers: bytes, piece: int = 1 << 20) -> None:
        self._answers = iter(answers)
        self._piece = piece
        self.connections = self.requests = 0
        self.place = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while await read_request(reader):
            self.requests += 1
            given = next(self._answers)
            for start in range(0, len(given), self._piece):
                writer.write(given[start : start + self._piece])
                await asyncio.sleep(0)
                await writer.drain()

    @asynccontextmanager
    async def reached(self, limit: int = 4, seconds: float = 5.0) -> AsyncIterator[Connection]:
        async with (
            served(self) as self.place,
            Connection(limit=limit, timeout=seconds, environment={}) as connection,
        ):
            yield connection

    async def ask(self, connection: Connection, path: str = "/") -> Response | NoResponse:
        request = Request(method="DELETE", origin=f"http://{self.place}", path=path)
        return await connection.send(request, {}, max_bytes=1000)


@pytest.mark.parametrize(
    "given",
    [
        answer(200, b"{}", Date="Mon, 30 Nov 2026 12:00:00 GMT", X_Request_Id="r-1"),
        answer(200, b""),
        answer(404, b"no", Connection="keep-alive"),
        answer(200, b"{}", Connection="close"),
        answer(500, b"\xff\0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        answer(202, b"{}").replace(b" 202 ", b" 202  \t- "),
        answer(200, b"{}", X_A=" \t1 ", X_B="").replace(b"X-A: ", b"X-A:"),
        answer(200, b"{}", X_A="\N{LATIN SMALL LETTER E WITH ACUTE}"),
        answer(200, b"{}").replace(b"Content-Length: 2", b"content-LENGTH: 02"),
        b"HTTP/1.1 204 X\r\nX-A: 1\r\n\r\n",
        b"HTTP/1.1 304 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, b"{}"),
        CHUNKED,
    ],
    ids=lambda given: str(given[9:60]),
)
async def test_an_answer_in_one_piece_is_what_it_is_in_many(given: bytes) -> None:
    found = []
    for piece in (1 << 20, 1):
        service = Service(given, piece=piece)
        async with service.reached() as connection:
            found.append(await service.ask(connection))
    assert isinstance(found[0], Response)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("given", "connections"),
    [
        (answer(200, b"{}"), 1),
        (CHUNKED, 1),
        (answer(200, b"{}", Connection="close"), 3),
        (answer(200, b"{}") + answer(200, b"of nobody"), 3),
        (CHUNKED + answer(200, b"of nobody"), 3),
        (answer(200, b"{}") + b"\r\n", 1),  # which HTTP has a reader overlook
        (answer(200, b"x" * 1001), 3),
        (answer(200, b"x" * 100_000), 3),
    ],
)
async def test_what_is_used_again_owes_nothing(given: bytes, connections: int) -> None:
    service = Service(given, given, given)
    async with service.reached() as connection:
        found = [await service.ask(connection) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert isinstance(found[0], Response)
    assert (service.connections, service.requests) == (connections, 3)


async def test_what_comes_unasked_is_no_answer_to_the_next_request() -> None:
    said = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await read_request(reader))[0]:
            writer.write(answer(200, line.split()[1].encode()))
            if line.startswith("DELETE /first"):
                await said.wait()
                writer.write(answer(200, b"unasked"))
                await writer.drain()

    service = Service()
    async with served(handler) as service.place, Connection(limit=4, timeout=5, environment={}) as connection:
        await service.ask(connection, "/first")
        said.set()
        for _ in range(20):
            await asyncio.sleep(0)
        found = await service.ask(connection, "/second")
    assert isinstance(found, Response)
    assert found.body == b"/second"


async def test_a_request_that_was_given_up_leaves_its_answer_to_nobody() -> None:
    service = Service(answer(200, b"first"), answer(200, b"late"), answer(200, b"second"))
    async with service.reached() as connection:
        await service.ask(connection)
        given_up = asyncio.create_task(service.ask(connection))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        for _ in range(20):
            await asyncio.sleep(0)
        found = await service.ask(connection)
    assert isinstance(found, Response)
    assert (found.body in (b"second", b"late"), service.connections) == (True, 2)


async def test_idle_connections_leave_room_for_other_origins() -> None:
    one, two = Service(*[answer(200, b"1")] * 4), Service(*[answer(200, b"2")] * 4)
    async with one.reached(limit=1) as connection, served(two) as two.place:
        for service in (one, two, one, two):
            assert isinstance(await service.ask(connection), Response)


async def test_who_waits_for_room_gets_the_connection_that_becomes_free() -> None:
    service = Service(*[answer(200, b"{}")] * 9)
    async with service.reached(limit=2) as connection:
        found = await asyncio.gather(*(service.ask(connection) for _ in range(9)))
    assert {type(one) for one in found} == {Response}
    assert service.connections <= 2


async def test_a_kept_connection_has_its_time_too() -> None:
    service = Service(answer(200, b"{}"), b"")
    async with service.reached(seconds=0.05) as connection:
        await service.ask(connection)
        lost = await service.ask(connection)
    assert lost == NoResponse(f"{service.place} gave no answer within 0.05 s", sent=True)
