"""The simulator as an aiohttp application on a loopback port, for as long as it is wanted."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cleanup.errors import UsageError
from cleanup.simulator import control
from cleanup.simulator.auth import Access
from cleanup.simulator.faults import Faults
from cleanup.simulator.service import Service

HOST = "127.0.0.1"
_LARGEST_HEADER = 128 << 10  # tokens can be 64 KB long


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
    runner = web.AppRunner(
        gateway.application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0.1,
        max_field_size=_LARGEST_HEADER,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except (OSError, OverflowError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "out of range"
            raise UsageError(
                f"port {port} of {HOST} cannot be used ({why}): take another with --port, 0 takes a free one"
            ) from error
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        gateway.closing.set()
        await runner.cleanup()
