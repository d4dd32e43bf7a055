"""Logging in to IAM with a user name and a password: a token that is kept in memory only."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from cleanup.errors import AccessDenied, CleanupError, InventoryError
from cleanup.modelarts import wire
from cleanup.modelarts.auth.credentials import Secret
from cleanup.modelarts.http.messages import NoResponse, Request, Response
from cleanup.modelarts.http.rate_limit import backoff

if TYPE_CHECKING:
    from cleanup.modelarts.http.connection import Connection

_LIFE = timedelta(hours=24)  # how long a token is good where IAM does not say (api.md, Calls)
_MOST_BODY = 1 << 20
_TRIES = 3


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


@dataclass(frozen=True, kw_only=True)
class Login:
    """`POST {iam}/v3/auth/tokens` for one project; tries a few times when IAM cannot be reached."""

    connection: "Connection"
    iam: str
    project_id: str
    user: User
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]

    async def fetch(self) -> Secret[str]:
        """A new token. Raises AccessDenied when IAM refuses, InventoryError when it does not answer."""
        request = self._request()
        self.connection.remember(self.user.password)
        for attempt in range(1, _TRIES + 1):
            answer = await self.connection.send(request, request.headers, max_bytes=_MOST_BODY)
            if isinstance(answer, Response) and answer.status != 429 and answer.status < 500:
                return self._token(answer)
            if attempt < _TRIES:
                await self.sleep(backoff(attempt, self.random))
        raise InventoryError(f"cannot log in: {_trouble(answer, request)}; is --iam-endpoint right?")

    def _request(self) -> Request:
        scheme, _, rest = self.iam.rstrip("/").removesuffix("/v3").partition("://")  # OS_AUTH_URL has a /v3
        host, slash, path = rest.partition("/")
        user = {"name": self.user.name, "password": self.user.password, "domain": {"name": self.user.domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": {"id": self.project_id}}}}
        return Request(
            method="POST",
            origin=f"{scheme}://{host}",
            path=f"{slash}{path}/v3/auth/tokens",
            body=msgspec.json.encode(body),
        )

    def _token(self, answer: Response) -> Secret[str]:
        token = answer.headers.get("X-Subject-Token", "").strip()
        if answer.status in (200, 201) and token:
            return Secret(token, f"the password of {self.user.source}", self._renew_at(answer.body))
        raise self._refusal(answer)

    def _refusal(self, answer: Response) -> CleanupError:
        told = wire.decode_error(answer.body)
        return AccessDenied(
            f"IAM at {self.iam} refused the login of {self.user.source} with {answer.status}"
            f"{f' ({told.message})' if told.message else ''}: check user, password, domain and project"
        )

    def _renew_at(self, body: bytes) -> datetime:
        """A tenth of its life before a token ends, at most five minutes; by IAM's times, not by our clock."""
        now = self.now()
        try:
            token = msgspec.json.decode(body, type=_Issued).token
            life = (token.expires_at - (token.issued_at or now)) if token.expires_at else _LIFE
        except (ValueError, TypeError, OverflowError, RecursionError):
            life = _LIFE
        return now + max(life - min(life / 10, timedelta(minutes=5)), timedelta(minutes=1))


def _trouble(answer: Response | NoResponse, request: Request) -> str:
    return answer.why if isinstance(answer, NoResponse) else f"{request.place} answered {answer.status}"
