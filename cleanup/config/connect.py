"""From settings to a client: one connection, one login, one limiter for a target."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from cleanup.config.settings import Settings, Target
from cleanup.modelarts.auth.choose import AuthContext, choose
from cleanup.modelarts.auth.credentials import Credentials
from cleanup.modelarts.client import Client
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.retry import RetryPolicy
from cleanup.modelarts.http.transport import Transport
from cleanup.runtime import Runtime
from cleanup.stop import Stop

if TYPE_CHECKING:
    from cleanup.modelarts.http.connection import Connection


@asynccontextmanager
async def connect(
    target: Target, settings: Settings, runtime: Runtime, stop: Stop | None = None
) -> AsyncIterator[Client]:
    """A client for one target, for as long as the context lasts; `stop` cuts retries and waits short."""
    async with open_transport(target, settings, runtime, stop) as (transport, limiter, _):
        yield Client(
            transport,
            limiter,
            endpoint=target.endpoint,
            project_id=target.project_id,
            at_once=target.concurrency,
            clock=runtime.clock,
        )


def new_connection(limit: int, settings: Settings, runtime: Runtime) -> "Connection":
    """A connection to whatever host, to be entered; at most `limit` requests at a time."""
    # aiohttp takes as long to import as all the rest: here, for who sends no request needs none of it.
    from cleanup.modelarts.http.connection import Connection

    return Connection(
        limit=limit,
        timeout=settings.timeout,
        environment=runtime.environment,
        ca_bundle=settings.ca_bundle,
    )


@asynccontextmanager
async def open_transport(
    target: Target, settings: Settings, runtime: Runtime, stop: Stop | None = None
) -> AsyncIterator[tuple[Transport, RateLimiter, Credentials[Any]]]:
    """What is below a client, for those who look at it piece by piece: its requests, their pace, and its login."""
    async with new_connection(target.concurrency, settings, runtime) as connection:
        retry = RetryPolicy(settings.max_attempts)
        context = AuthContext(
            runtime=runtime,
            transport=Transport(connection, runtime, retry, stop=stop),
            project_id=target.project_id,
            iam_endpoint=target.iam_endpoint,
            ca_bundle=settings.ca_bundle,
        )
        credentials = choose(target.auth, target.credentials, context)
        limiter = RateLimiter(target.rate, clock=runtime.clock, sleep=runtime.sleep)
        yield (
            Transport(connection, runtime, retry, limiter=limiter, credentials=credentials, stop=stop),
            limiter,
            credentials,
        )
