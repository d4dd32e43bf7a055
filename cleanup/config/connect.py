"""From settings to a client: one connection, one login, one limiter for a target."""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import anyio

from cleanup.config.settings import Target, Terms
from cleanup.modelarts.auth.choose import AuthContext, choose
from cleanup.modelarts.auth.credentials import Credentials
from cleanup.modelarts.client import Client
from cleanup.modelarts.http.connection import Connection
from cleanup.modelarts.http.rate_limit import RateLimiter
from cleanup.modelarts.http.transport import RetryPolicy, Transport
from cleanup.stop import Stop


@asynccontextmanager
async def connect(
    target: Target,
    terms: Terms,
    *,
    environment: Mapping[str, str],
    stop: Stop | None,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> AsyncIterator[Client]:
    """A client for one target, for as long as the context lasts; `stop` cuts retries and waits short."""
    way = open_transport(target, terms, environment=environment, stop=stop, clock=clock, now=now)
    async with way as (transport, _):
        yield Client(
            transport,
            endpoint=target.endpoint,
            project_id=target.project_id,
            workspaces=target.workspaces,
            at_once=target.concurrency,
            clock=clock,
        )


@asynccontextmanager
async def open_transport(
    target: Target,
    terms: Terms,
    *,
    environment: Mapping[str, str],
    stop: Stop | None,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> AsyncIterator[tuple[Transport, Credentials[Any]]]:
    """What is below a client, for those who look at it piece by piece: its requests and its login."""
    async with Connection(
        limit=target.concurrency,
        timeout=terms.timeout,
        environment=environment,
        ca_bundle=terms.ca_bundle,
    ) as connection:
        context = AuthContext(
            environment=environment,
            connection=connection,
            project_id=target.project_id,
            iam=target.iam_endpoint,
            ca_bundle=terms.ca_bundle,
            now=now,
            sleep=anyio.sleep,
            random=random.random,
        )
        retry = RetryPolicy(
            max_attempts=terms.max_attempts,
            sleep=anyio.sleep,
            random=random.random,
            now=now,
            stopping=stop.requested if stop else None,
        )
        limiter = RateLimiter(target.rate, clock=clock, sleep=anyio.sleep)
        credentials = choose(target.auth, target.credentials, context)
        yield Transport(connection, credentials, limiter, retry), credentials
