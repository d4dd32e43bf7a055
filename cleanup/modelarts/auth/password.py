"""Logging in to IAM with a user name and a password: a token that is kept in memory only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from cleanup.errors import AccessDenied, InventoryError
from cleanup.modelarts.auth.credentials import Secret
from cleanup.modelarts.http.messages import Request, Response, passes
from cleanup.modelarts.wire.error_bodies import explanation

if TYPE_CHECKING:
    from cleanup.modelarts.http.transport import Transport

_LIFE = timedelta(hours=24)  # how long a token is good where IAM does not say (API.md, Hosts and logging in)


@dataclass(frozen=True)
class User:
    """Who logs in. `source` names the variables this came from."""

    name: str
    domain: str
    source: str
    password: str = field(repr=False)


class _Token(msgspec.Struct):
    expires_at: datetime | None = None
    issued_at: datetime | None = None


class _Issued(msgspec.Struct):
    token: _Token


async def log_in(
    transport: "Transport", iam_endpoint: str, project_id: str, user: User, now: Callable[[], datetime]
) -> Secret[str]:
    """`POST {iam}/v3/auth/tokens` for one project: a new token.

    Raises AccessDenied when IAM refuses, InventoryError when it does not answer.
    """
    transport.connection.remember(user.password)
    result = await transport.request(_request(iam_endpoint, project_id, user), _token, ignore_stop=True)
    if result.value:
        return Secret(result.value, f"the password of {user.source}", _renewed_at(result.body, now()))
    if result.status is None or passes(result.status):
        trouble = result.trouble or f"it answered {result.status}"
        raise InventoryError(f"cannot log in at {iam_endpoint} (--iam-endpoint): {trouble}")
    if result.status < 400:
        trouble = f"{result.label} answered {result.status} without a token that a header can carry"
        raise AccessDenied(f"cannot log in: {trouble}; is --iam-endpoint right?")
    why = explanation(result)
    raise AccessDenied(
        f"IAM at {iam_endpoint} refused the login of {user.source} with {result.status}"
        f"{f' ({why})' if why else ''}: check user, password, domain, project and --iam-endpoint"
    )


def _request(iam_endpoint: str, project_id: str, user: User) -> Request:
    scheme, _, rest = iam_endpoint.rstrip("/").removesuffix("/v3").partition("://")  # OS_AUTH_URL has a /v3
    host, slash, path = rest.partition("/")
    named = {"name": user.name, "password": user.password, "domain": {"name": user.domain}}
    identity = {"methods": ["password"], "password": {"user": named}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}}
    return Request(
        method="POST",
        origin=f"{scheme}://{host}",
        path=f"{slash}{path}/v3/auth/tokens",
        body=msgspec.json.encode(body),
    )


def _token(response: Response) -> str:
    """The token, empty where there is none that can be sent: that is a refusal, whatever the status says."""
    token = response.headers.get("X-Subject-Token", "").strip()
    return token if token.isascii() and token.isprintable() else ""


def _renewed_at(body: bytes, now: datetime) -> datetime:
    """A tenth of its life before a token ends, at most five minutes; by IAM's times, not by our clock."""
    try:
        token = msgspec.json.decode(body, type=_Issued).token
        life = (token.expires_at - (token.issued_at or now)) if token.expires_at else _LIFE
    except (ValueError, TypeError, OverflowError, RecursionError):
        life = _LIFE
    return now + max(life - min(life / 10, timedelta(minutes=5)), timedelta(minutes=1))
