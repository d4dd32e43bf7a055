"""The decisions of a plan file, left in it: there may be a million."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, overload

from cleanup.decision.types import Decision
from cleanup.image_columns.fields import column
from cleanup.modelarts.wire.image_records import record_column
from cleanup.plan.lines import Decided, ReadLine, read_lines, shown_decision
from cleanup.plan.sealed import TOGETHER, SealedFile


class StoredDecisions(Sequence[Decision]):
    """Decisions of a plan that was proven, read from its file once more each time they are gone through.

    Their images say what a report shows. Raises UsageError, RecordRejected when the file was changed meanwhile.
    """

    def __init__(self, file: SealedFile, places: range) -> None:
        self._file = file
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Decision: ...
    @overload
    def __getitem__(self, place: slice) -> "StoredDecisions": ...
    def __getitem__(self, place: int | slice) -> "Decision | StoredDecisions":
        if isinstance(place, slice):
            return StoredDecisions(self._file, self._places[place])
        line = self._places[place]
        return next(iter(StoredDecisions(self._file, range(line, line + 1))))

    def __iter__(self) -> Iterator[Decision]:
        return map(shown_decision, chain.from_iterable(self.read()))

    def read(self) -> Iterator[list[ReadLine]]:
        """Their lines read, some hundred at a time."""
        return map(read_lines, self.lines())

    def lines(self) -> Iterator[list[bytes]]:
        """Their lines as they stand in the file, some hundred at a time."""
        lines = self._file.again(self._places.start, self._places.stop)
        while batch := list(islice(lines, TOGETHER)):
            yield batch

    @staticmethod
    def decode(line: bytes) -> Decision:
        """The decision of a line, as it is shown."""
        return shown_decision(*read_lines([line]))


class ImageFields(dict[str, Sequence[Any]]):
    """By their names the fields of some images, each a column that is made when it is asked for."""

    def __init__(self, make: Callable[[str], Sequence[Any]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Sequence[Any]:
        self[name] = made = self._make(name)
        return made


def in_columns(decisions: Sequence[Decision]) -> Iterator[tuple[Sequence[Decided], ImageFields]]:
    """Decisions, however they are held, some hundred at a time, with the fields of their images.

    Where they lie in a plan file a kept image has no more than its line.
    """
    if isinstance(decisions, StoredDecisions):
        for told in decisions.read():
            yield told, ImageFields(partial(record_column, [one.image for one in told]))
        return
    rest = iter(decisions)
    while some := list(islice(rest, TOGETHER)):
        yield some, ImageFields(partial(column, [one.image for one in some]))
