"""Staged answers for the tests of cleanup.modelarts: without a socket, and over one on loopback."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import anyio
import msgspec
from multidict import CIMultiDict

from cleanup.modelarts.auth.credentials import Credentials, Secret
from cleanup.modelarts.client import Client
from cleanup.modelarts.http.connection import Connection
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.retry import RetryPolicy
from cleanup.modelarts.http.transport import Transport
from cleanup.modelarts.users.kinds import AskedUsers, Scope, UserKind
from cleanup.modelarts.users.listing import Reading
from cleanup.runtime import Runtime
from cleanup.stop import Stop

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENDPOINT = "https://modelarts.test"


def reply(status: int, body: object = b"", **headers: str) -> Response:
    """An answer; a body that is not bytes is encoded as JSON, `X_Request_Id` is the header X-Request-Id."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(
        status, content, CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()})
    )


def error(status: int, code: str, message: str = "no") -> Response:
    return reply(status, {"error_code": code, "error_msg": message}, X_Request_Id=f"req-{status}")


LOST = NoResponse("modelarts.test gave no answer within 30 s", sent=True)
REFUSED = NoResponse("cannot connect to modelarts.test: Connection refused", sent=False)

Step = Response | NoResponse | Callable[[Request], "Response | NoResponse | Awaitable[Response | NoResponse]"]


class Stage:
    """Stands in for a Connection: answers with one step after the other and keeps what was sent.

    A step that is a function is asked; when the steps are used up `otherwise` is.
    """

    def __init__(self, *steps: Step, otherwise: Step | None = None) -> None:
        self._steps = deque(steps)
        self._otherwise = otherwise
        self.requests: list[Request] = []
        self.headers: list[Mapping[str, str]] = []

    async def send(
        self, request: Request, headers: Mapping[str, str], *, max_bytes: int
    ) -> Response | NoResponse:
        self.requests.append(request)
        self.headers.append(headers)
        await anyio.lowlevel.checkpoint()
        step = self._steps.popleft() if self._steps else self._otherwise
        assert step is not None, f"nothing is staged for {request.label}"
        given = step(request) if callable(step) else step
        return await given if isinstance(given, Awaitable) else given

    def remember(self, *secrets: str) -> None:
        """A connection blackens what is remembered; a stage shows what it is told to."""

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    @property
    def all_played(self) -> bool:
        return not self._steps


class Shelf:
    """A list of the service: `records` in pages, under the name `items`; what it does wrong is set by fields.

    `numbered`: offsets count pages. `claims` makes what a page says beside its records, from those.
    """

    def __init__(self, records: list[Any], **wrong: Any) -> None:
        self.records = records
        self.items: str = wrong.get("items", "data")
        self.numbered: bool = wrong.get("numbered", False)
        self.claims: Callable[[list[Any]], dict[str, object]] | None = wrong.get("claims")
        self.cap: int = wrong.get("cap", 10**9)
        self.total: Callable[[int], object] = wrong.get("total", lambda _: len(self.records))
        self.before: Callable[[int], None] = wrong.get("before", lambda _: None)
        self.ignores_offset: bool = wrong.get("ignores_offset", False)
        self.calls = 0

    def __call__(self, request: Request) -> Response:
        query = asked(request)
        self.before(self.calls)
        self.calls += 1
        limit = min(int(query["limit"]), self.cap)
        offset = 0 if self.ignores_offset else int(query["offset"]) * (limit if self.numbered else 1)
        page = self.records[offset : offset + limit]
        if self.claims:
            return reply(200, {self.items: page, **self.claims(page)})
        return reply(
            200,
            {"current": 0, self.items: page, "pages": 1, "size": len(page), "total": self.total(self.calls)},
        )


def asked(request: Request) -> dict[str, Any]:
    """What a request asks for, in its query or its body."""
    return msgspec.json.decode(request.body) if request.body else dict(request.query)


class Time:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await anyio.lowlevel.checkpoint()


def no_login() -> Credentials[Any]:
    async def nothing() -> Secret[None]:
        return Secret(None, "no login")

    return Credentials(nothing, lambda request, _: request.headers, lambda: NOW)


def make_transport(
    stage: Stage,
    *,
    credentials: Credentials[Any] | None = None,
    max_attempts: int = 5,
    time: Time | None = None,
    rate: float = 1000,
    stop: Stop | None = None,
) -> Transport:
    """A transport on a stage; backoffs are half of their longest."""
    runtime = make_runtime(time or Time())
    return Transport(
        cast(Connection, stage),
        runtime,
        RetryPolicy(max_attempts),
        limiter=RateLimiter(rate, clock=runtime.clock, sleep=runtime.sleep),
        credentials=credentials or no_login(),
        stop=stop,
    )


def make_runtime(time: "Time", environment: Mapping[str, str] | None = None) -> Runtime:
    """A world in which only sleeping takes time."""
    return Runtime(
        now=lambda: NOW,
        clock=time,
        sleep=lambda seconds: time.sleep(seconds),  # noqa: PLW0108 - a test may replace it later
        random=lambda: 0.5,
        environment=environment or {},
    )


def make_client(
    stage: Stage,
    *,
    endpoint: str = ENDPOINT,
    project_id: str = "p1",
    at_once: int = 4,
    **options: Any,
) -> Client:
    time = options.setdefault("time", Time())
    transport = make_transport(stage, **options)
    assert transport.limiter
    return Client(
        transport,
        transport.limiter,
        endpoint=endpoint,
        project_id=project_id,
        at_once=at_once,
        clock=time,
    )


def make_reading(stage: Stage, *kinds: UserKind, scope: Scope = Scope.ALL, **options: Any) -> Reading:
    """What users of some kinds (all, when none is named) are read with, on a stage."""
    history = options.pop("job_history", timedelta(days=30))
    asked_users = AskedUsers(kinds=kinds or tuple(UserKind), notebooks=scope, job_history=history)
    return Reading(client=make_client(stage, **options), asked=asked_users, now=NOW)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """A bare TCP server on loopback, so that a test sees and sends every byte; yields host:port.

    At its end every conversation is cancelled and its socket closed, so that none is left to the
    garbage collector, which would complain in some later test.
    """
    conversations: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        conversations[task] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        for writer in conversations.values():
            writer.transport.abort()
            with suppress(ConnectionError, TimeoutError):
                await writer.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, CIMultiDict[str], bytes]:
    """The request line, the headers and the body of one request, as sent."""
    line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers: CIMultiDict[str] = CIMultiDict()
    for field in fields:
        name, _, text = field.partition(": ")
        headers.add(name, text)
    return line, headers, await reader.readexactly(int(headers.get("Content-Length", "0")))


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
