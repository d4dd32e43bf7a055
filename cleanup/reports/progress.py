"""A progress bar on a terminal while images are listed and deleted; silent where there is no terminal."""

from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from cleanup.outcome import BAD, Outcome

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_BAD_FIRST = sorted(Outcome, key=lambda outcome: outcome not in BAD)


class Progress:
    """Shows how far a run is: images read, then images ended with counts by outcome, rate and time left.

    It draws on `stream` between `with` and its end. On anything but a terminal all calls do nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        self._bar = _bar(stream) if stream.isatty() else None
        self._ended: Counter[Outcome] = Counter()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._bar.add_task("listing", total=None, counts="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def listed(self, count: int) -> None:
        """So many images have been read so far."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=count)

    def total(self, planned: int) -> None:
        """The listing is over: so many images are to be deleted, none of them has ended yet."""
        self._ended.clear()
        if self._bar:
            self._bar.remove_task(self._bar.task_ids[0])
            self._bar.add_task("deleting", total=planned, counts="")

    def ended(self, outcome: Outcome) -> None:
        """One more image has come to its end."""
        self._ended[outcome] += 1
        if self._bar:
            self._bar.update(self._bar.task_ids[0], advance=1, counts=self._counts())

    @property
    def done(self) -> int:
        """How many images have come to their end."""
        return self._ended.total()

    def _counts(self) -> str:
        """The bad ones first: they must not be cut off on a narrow terminal."""
        return ", ".join(
            f"{self._ended[outcome]:,} {outcome}" for outcome in _BAD_FIRST if self._ended[outcome]
        )


def _bar(stream: TextIO) -> "Bar":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:.0f}/s")

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[counts]}", markup=False),
        console=Console(file=stream),
        transient=True,
        redirect_stdout=False,  # results go to stdout, whatever is drawn on stderr
    )
