"""The simulator as an aiohttp application on a loopback port, for as long as it is wanted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cleanup.errors import UsageError
from cleanup.simulator import control
from cleanup.simulator.auth import Access
from cleanup.simulator.faults import Faults
from cleanup.simulator.routes import ROUTES
from cleanup.simulator.service import Service

HOST = "127.0.0.1"
_LARGEST_BODY = 16 << 20


@asynccontextmanager
async def serve(
    service: Service,
    *,
    port: int = 0,
    access: Access | None = None,
    faults: Faults | None = None,
    drip: float = 0.25,
) -> AsyncIterator[str]:
    """Serve on 127.0.0.1 for as long as the context lasts; yields the URL, without a slash at its end.

    Port 0 takes a free one. `drip` is the pause in seconds between the 20 pieces of a slow response.
    Raises UsageError when the port cannot be used.
    """
    from aiohttp import web  # here, for it takes as long to import as all the rest of a command

    from cleanup.simulator.middleware import Gateway

    gateway = Gateway(
        control.Simulation(service=service, access=access or Access(), faults=faults or Faults()), drip
    )
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=gateway.middlewares)
    app.on_response_prepare.append(gateway.date)
    for method, path, handle in control.ROUTES:
        app.router.add_route(method, path, gateway.control(handle))
    for method, path, operation in ROUTES:
        app.router.add_route(method, path, gateway.answer, name=operation)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port} of {HOST} cannot be used ({error}); take another with --port"
            ) from error
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        gateway.closing.set()
        await runner.cleanup()
