"""Tell all channels how a command ended: in bounded time, and whatever comes of it, it is only a warning."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import msgspec

from cleanup.config.connect import new_connection, open_transport
from cleanup.config.settings import Settings, Target, make_target
from cleanup.errors import CleanupError
from cleanup.modelarts.auth.names import Auth
from cleanup.modelarts.http.messages import Request, Result, segment
from cleanup.modelarts.http.retry import RetryPolicy
from cleanup.modelarts.http.transport import Transport, as_bytes
from cleanup.runtime import Runtime
from cleanup.telemetry.channels import Address, Channels, Receiver, Shape, Topic
from cleanup.telemetry.facts import TargetFacts
from cleanup.telemetry.metrics import exposition
from cleanup.telemetry.metrics_file import write_metrics
from cleanup.telemetry.summary import body

_TIMEOUT, _ATTEMPTS = 10.0, 3
_IN_ALL = 45.0  # seconds for everybody together
_JOB = "image-cleanup"


async def tell_all(
    channels: Channels,
    exit_code: int,
    all_facts: Sequence[TargetFacts],
    login: Target | None,
    settings: Settings,
    runtime: Runtime,
) -> None:
    """Write the file, push to the gateway, notify; `login` is as whom a topic is published to, where that is known.

    What fails is told as a warning that names no more than a host.
    """
    if channels.metrics_file and (why := write_metrics(channels.metrics_file, all_facts)):
        runtime.warn(f"the metrics file {channels.metrics_file} was not written: {why}")
    quiet = replace(runtime, trace=None, answered=None)  # paths may be secrets, and all is counted already
    bounds = msgspec.structs.replace(settings, timeout=_TIMEOUT, max_attempts=_ATTEMPTS)

    async def post(what: str, requests: Sequence[Request], target: Target | None = None) -> None:
        try:
            async with _open(target, bounds, quiet) as transport:
                for request in requests:
                    _warn(runtime, what, request, await transport.request(request, as_bytes))
        except CleanupError as error:
            runtime.warn(f"{what}: {error}")

    with anyio.move_on_after(_IN_ALL) as scope:
        async with anyio.create_task_group() as group:
            if channels.pushgateway:
                pushes = [_push(channels.pushgateway, facts) for facts in all_facts]
                group.start_soon(post, "metrics were not pushed", pushes)
            for one in channels.receivers if all_facts else ():
                target = _logged_in(one.topic, login) if one.topic else None
                group.start_soon(
                    post, "a notification was not sent", [_post(one, exit_code, all_facts)], target
                )
    if scope.cancelled_caught:
        runtime.warn(f"metrics or notifications took more than {_IN_ALL:.0f} s and were given up")


def _logged_in(topic: Topic, login: Target | None) -> Target:
    """As whom a topic is published to: the first target's login, else whatever the environment holds."""
    if login:
        return msgspec.structs.replace(login, project_id=topic.project_id)
    return make_target(
        endpoint=None,
        region=topic.region,
        project_id=topic.project_id,
        workspaces=(),
        auth=Auth.AUTO,
        iam_endpoint=None,
        rate=1,
        concurrency=1,
    )


@asynccontextmanager
async def _open(target: Target | None, settings: Settings, runtime: Runtime) -> AsyncIterator[Transport]:
    """The way to a receiver, logged in as a target where there is one."""
    if target:
        async with open_transport(target, settings, runtime) as (transport, _, _):
            yield transport
        return
    async with new_connection(1, settings, runtime) as connection:
        yield Transport(connection, runtime, RetryPolicy(settings.max_attempts))


def _push(gateway: Address, facts: TargetFacts) -> Request:
    """POST, not PUT: what is not in it, as the time of the last success after a failure, stays as it was."""
    group = f"job/{_JOB}/project/{segment(facts.project_id)}/target/{segment(facts.target)}"
    return Request(
        method="POST",
        origin=gateway.origin,
        path=f"{gateway.path}/metrics/{group}",
        body=exposition([facts], {}),
        content_type="text/plain; version=0.0.4",
    )


def _post(receiver: Receiver, exit_code: int, all_facts: Sequence[TargetFacts]) -> Request:
    address = receiver.address
    return Request(
        method="POST",
        origin=address.origin,
        path=address.path or "/",
        query=address.query,
        body=body(receiver.shape, exit_code, all_facts),
        content_type="application/json" if receiver.shape is Shape.SMN else "application/json; charset=utf-8",
    )


def _warn(runtime: Runtime, what: str, request: Request, result: Result[bytes]) -> None:
    """Say that it did not arrive; neither path nor body are told."""
    if result.status is None:
        runtime.warn(f"{what}: {request.host} has no answer ({result.trouble})")
    elif not result.ok:
        runtime.warn(f"{what}: {request.host} answered {result.status}")
