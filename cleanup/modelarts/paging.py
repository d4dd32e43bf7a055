"""Complete lists over pages that may shift: read to a proven end, compare, and read again when in doubt."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from cleanup.modelarts.gather import hand_over

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
READINGS = 4  # of a list that changes meanwhile
_MOST_PAGES = 20_000
_WINDOW = 10_000  # records: where a search ends that looks no further (API.md, trap 30)


class Items(Protocol[T_co]):
    """What was on a page, however it is held."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[T_co]: ...


@dataclass(frozen=True)
class PageItems(Generic[T]):
    """One page: what was on it, and the total the service claims (a hint; None when it does not say)."""

    items: Items[T]
    total: int | None


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A whole list. It is complete when there are no `doubts`, which say in words why it may not be."""

    items: tuple[T, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Paging(Generic[T]):
    """How to read one list: `fetch(offset)` gets a page and raises a CleanupError when it cannot.

    `keys` say which one each item is, `limit` is the page size asked for, `at_once` bounds the pages under way.
    Offsets count records, or pages where the list is `numbered` (API.md, trap 15). So many `readings`
    are made at most. `into` makes what one of them is put into, a list of the items or what holds them in less room.
    """

    fetch: Callable[[int], Awaitable[PageItems[T]]]
    keys: Callable[[Items[T]], Sequence[str]]
    limit: int
    at_once: int
    listed: Callable[[int, int | None], None] = lambda _, __: None
    numbered: bool = False
    readings: int = READINGS
    into: Callable[[], Any] = list


async def read_all(paging: Paging[T]) -> Listing[T]:
    """Read the list, and again (up to `readings` times in all) while it changes under our hands.

    Where the service never says a total, nothing shows that a deletion hid a record behind a page's
    edge: then two readings in a row must have found the same.
    """
    before: set[str] | None = None
    for _ in range(paging.readings):
        reading = _Reading(paging)
        found = await reading.to_the_end()
        if not found.doubts and (reading.total_told or reading.keys == before):
            return found
        before = reading.keys
    return Listing(found.items, found.doubts or ("no total is said, and each reading found something else",))


class _Reading(Generic[T]):
    """One reading from the first page to the end, and what was odd about it."""

    def __init__(self, paging: Paging[T]) -> None:
        self._paging = paging
        self._items: Any = paging.into()
        self._numbers: dict[str, int] = {}
        self._received = 0
        self._pages = 0
        self._totals: list[int] = []
        self._doubts: list[str] = []
        self._endless = False

    async def to_the_end(self) -> Listing[T]:
        first = await self._paging.fetch(0)
        self._take(first)
        size, last = len(first.items), first
        full = self._paging.limit if self._total is None or size >= self._total else size
        while last.items and not self._endless and not self._proven(last, full):
            last, full = await self._read_on(size) or last, size
            if self._doubts:
                break
        items = self._items
        return Listing(tuple(items) if isinstance(items, list) else items, self._judge())

    async def _read_on(self, size: int) -> PageItems[T] | None:
        """Take the following pages, as far as the total claims any; the last that was taken."""
        last: PageItems[T] | None = None

        def take(page: PageItems[T]) -> bool:
            nonlocal last
            if last and page.items and len(last.items) < size:
                self._doubts.append("a page in the middle came short")
            self._take(page)
            last = page
            return bool(page.items) and not self._endless and not self._doubts

        calls = (partial(self._paging.fetch, offset) for offset in self._next_offsets(size))
        await hand_over(calls, take, at_once=self._paging.at_once)
        return last

    @property
    def keys(self) -> set[str]:
        return set(self._numbers)

    @property
    def total_told(self) -> bool:
        return bool(self._totals)

    @property
    def _total(self) -> int | None:
        return self._totals[-1] if self._totals else None

    def _proven(self, last: PageItems[T], full: int) -> bool:
        """The end is proven without asking for an empty page: the last was short, and nothing is missing."""
        return len(last.items) < full and self._received == self._total

    def _next_offsets(self, size: int) -> range:
        """Where the following pages begin as far as the total claims them; else just the next one."""
        claimed = range(self._received, max(self._total or 0, self._received + 1), size)
        return range(self._pages, self._pages + len(claimed)) if self._paging.numbered else claimed

    def _take(self, page: PageItems[T]) -> None:
        self._pages += 1
        self._received += len(page.items)
        if page.total is not None:
            self._totals.append(page.total)
        known = len(self._items)
        self._put(page.items)
        repeated = bool(page.items) and len(self._items) == known
        self._endless |= repeated or self._pages >= _MOST_PAGES
        self._paging.listed(len(self._items), self._total)

    def _put(self, items: Items[T]) -> None:
        """Take items; one that came before gives its place to what it is now."""
        numbers, keys, known = self._numbers, self._paging.keys(items), len(self._items)
        if len(set(keys)) == len(keys) and numbers.keys().isdisjoint(keys):  # nearly always
            numbers.update(zip(keys, range(known, known + len(keys)), strict=True))
            self._items.extend(items)
            return
        new: list[T] = []
        for key, item in zip(keys, items, strict=True):
            if (number := numbers.setdefault(key, known + len(new))) == known + len(new):
                new.append(item)
            elif number < known:
                self._items[number] = item
            else:
                new[number - known] = item
        self._items.extend(new)

    def _judge(self) -> tuple[str, ...]:
        doubts, found = list(self._doubts), len(self._items)
        if self._endless:
            doubts.append("the pages repeat or do not end")
        if found != self._received:
            doubts.append(f"{self._received - found} of {self._received} records came twice")
        if len(set(self._totals)) > 1:
            doubts.append(f"the total changed from {min(self._totals)} to {max(self._totals)} while listing")
        elif self._totals and self._totals[0] != found:
            doubts.append(f"{found} records were found where the service claims {self._totals[0]}")
        if found == _WINDOW:
            doubts.append(
                f"it ends after exactly {found} records, where a search that looks no further would end too"
            )
        return tuple(doubts)
