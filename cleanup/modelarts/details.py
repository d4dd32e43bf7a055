"""What records say in detail, remembered for as long as a run lasts."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Details:
    """Details by the path of a record; each holds as long as its stamp (version, update time) stays the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Hashable, Any]] = {}

    async def get(self, path: str, stamp: tuple[Hashable, ...], read: Callable[[], Awaitable[T]]) -> T:
        """The remembered detail, else what `read` finds, remembered unless a part of the stamp is unknown (None)."""
        if path in self._known and self._known[path][0] == stamp:
            found: T = self._known[path][1]
            return found
        found = await read()
        if None not in stamp:
            self._known[path] = (stamp, found)
        return found
