"""The decisions of a plan file, left in it: there may be a million."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import overload

from cleanup.decision.types import Decision
from cleanup.plan.lines import ReadLine, evident_decision, read_lines, shown_decision
from cleanup.plan.sealed import BATCH, SealedFile


class StoredDecisions(Sequence[Decision]):
    """Decisions of a plan that was proven, read from its file once more each time they are gone through.

    Their images say what a report shows, or all that a policy may ask. Raises UsageError,
    RecordRejected when the file was changed meanwhile.
    """

    def __init__(
        self, file: SealedFile, places: range, decide: Callable[[ReadLine], Decision] | None = None
    ) -> None:
        self._file = file
        self._places = places
        self._decide = decide or shown_decision

    @property
    def evidence(self) -> "StoredDecisions":
        """The same decisions, the images of deletes with all that a policy may ask: a keep's line has no more."""
        return StoredDecisions(self._file, self._places, evident_decision)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Decision: ...
    @overload
    def __getitem__(self, place: slice) -> "StoredDecisions": ...
    def __getitem__(self, place: int | slice) -> "Decision | StoredDecisions":
        if isinstance(place, slice):
            return StoredDecisions(self._file, self._places[place], self._decide)
        line = self._places[place]
        return next(iter(StoredDecisions(self._file, range(line, line + 1), self._decide)))

    def __iter__(self) -> Iterator[Decision]:
        return map(self._decide, chain.from_iterable(map(read_lines, self.lines())))

    def lines(self) -> Iterator[list[bytes]]:
        """Their lines as they stand in the file, some hundred at a time."""
        lines = self._file.again(self._places.start, self._places.stop)
        while batch := list(islice(lines, BATCH)):
            yield batch

    @staticmethod
    def decode(line: bytes) -> Decision:
        """The decision of a line, as it is shown."""
        return shown_decision(*read_lines([line]))
