"""Secrets that are fetched when first needed, renewed before they expire, and once for everybody."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import anyio

from cleanup.errors import CleanupError
from cleanup.modelarts.http.messages import Request

S = TypeVar("S")
_TRY_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Secret(Generic[S]):
    """A secret just fetched; `source` says for people where from, `renew_at` when to fetch it again."""

    value: S = field(repr=False)
    source: str
    renew_at: datetime | None = None


class Credentials(Generic[S]):
    """How the requests of one target are authenticated.

    `fetch` gets the secret and raises AccessDenied or InventoryError when it cannot; `authenticate` turns
    a request and the secret into headers. A renewal that fails costs nothing while the old secret
    may still be good.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Secret[S]]],
        authenticate: Callable[[Request, S], Mapping[str, str]],
        now: Callable[[], datetime],
    ) -> None:
        self._fetch = fetch
        self._authenticate = authenticate
        self._now = now
        self._renewing = anyio.Lock()
        self._held: Secret[S] | None = None
        self._renew_at: datetime | None = None
        self._generation = 0
        self._refused = 0  # the generation that could not be renewed when it was refused

    async def resolve(self) -> str:
        """Fetch the secret if that has not happened yet; returns where it is from, for people."""
        return (await self._current()).source

    async def headers(self, request: Request) -> tuple[Mapping[str, str], int]:
        """All headers of a request, and the generation of the secret they rest on.

        Raises AccessDenied or InventoryError when there never was a secret.
        """
        held = self._held
        if held is None or self._is_due():
            held = await self._current()
        return self._authenticate(request, held.value), self._generation

    async def _current(self) -> Secret[S]:
        if self._held is None:
            async with self._renewing:
                return self._held or self._hold(await self._fetch())
        if self._is_due():
            self._renew_at = self._now() + _TRY_AGAIN  # the others go on with what they have
            async with self._renewing:
                with suppress(CleanupError):  # it is used on; should it be refused, `renew` will be asked
                    self._hold(await self._fetch())
        return self._held

    def _is_due(self) -> bool:
        """Whether it is time for another secret."""
        return self._renew_at is not None and self._now() >= self._renew_at

    def _hold(self, secret: Secret[S]) -> Secret[S]:
        if self._held is None or secret.value != self._held.value:
            self._generation += 1
        self._held, self._renew_at = secret, secret.renew_at
        return secret

    async def renew(self, seen: int) -> bool:
        """After a 401 to a request of generation `seen`: whether there is a newer secret to try.

        All who met the 401 share one renewal; where it brought nothing new, nobody asks again.
        """
        async with self._renewing:
            if self._generation == seen and self._refused != seen:
                self._refused = seen
                try:
                    self._hold(await self._fetch())
                except CleanupError:
                    return False
            return self._generation != seen
