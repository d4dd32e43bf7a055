"""The simulator on a loopback port: aiohttp in front of the gateway, and the control calls beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import format_datetime

from aiohttp import web

from cleanup.errors import UsageError
from cleanup.simulator.calls import Answer, Call
from cleanup.simulator.front import Front
from cleanup.simulator.service import Service

HOST = "127.0.0.1"
_LARGEST_BODY = 1 << 20


@asynccontextmanager
async def serve(service: Service, *, port: int = 0) -> AsyncIterator[str]:
    """Serve on 127.0.0.1 for as long as the context lasts; yields the URL, without a slash at its end.

    Port 0 takes a free one. Raises UsageError when the port is taken.
    """
    door = _Door(Front(service))
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", door.respond)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await _start(site, port)
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _start(site: web.TCPSite, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        raise UsageError(
            f"port {port} of {HOST} cannot be used: {error.strerror}; choose another with --port"
        ) from error


class _Door:
    def __init__(self, front: Front) -> None:
        self._front = front

    async def respond(self, request: web.Request) -> web.StreamResponse:
        call = Call.parse(
            request.method,
            request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        given = self._front.answer(call)
        return web.Response(status=given.status, body=given.body, headers=self._headers(given))

    def _headers(self, given: Answer) -> dict[str, str]:
        date = format_datetime(self._front.service.now(), usegmt=True)
        kind = {"Content-Type": given.content_type} if given.body else {}
        return {"Date": date, **kind, **given.headers}
