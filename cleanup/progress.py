"""A progress bar on a terminal while images are listed and deleted; silent where there is no terminal."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from cleanup.outcome import BAD, Outcome

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_BAD_FIRST = sorted(Outcome, key=lambda outcome: outcome not in BAD)


class Progress:
    """Shows how far a run is: images read, then images ended with counts by outcome, rate and time left.

    It draws on `stream` between `with` and its end; on anything but a terminal it draws nothing. `note`
    is given what the log should say meanwhile.
    """

    def __init__(self, stream: TextIO | None = None, note: Callable[[str], None] = lambda _: None) -> None:
        self._bar = _bar(stream) if stream is not None and stream.isatty() else None
        self._ended: Counter[Outcome] = Counter()
        self.note = note
        self.planned = 0

    @property
    def draws(self) -> bool:
        """Whether anything can be seen: there is a terminal that can move its cursor."""
        return self._bar is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def pause(self) -> None:
        """Draw nothing until the next phase begins: something else is about to be shown."""
        if self._bar:
            self._bar.stop()

    def _begin(self, phase: str, total: int | None) -> None:
        if self._bar:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.add_task(phase, total=total, counts="")
            self._bar.start()

    def listed(self, count: int) -> None:
        """So many images have been read so far."""
        if self._bar:
            if not self._bar.task_ids:
                self._begin("listing", None)
            self._bar.update(self._bar.task_ids[0], completed=count)

    def total(self, planned: int) -> None:
        """The listing is over: so many images are to be deleted, none of them has ended yet."""
        self._ended.clear()
        self.planned = planned
        self._begin("deleting", planned)

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


def _bar(stream: TextIO) -> "Bar | None":
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

    console = Console(file=stream)
    if console.is_dumb_terminal:
        return None

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
        console=console,
        transient=True,
        redirect_stdout=False,  # results go to stdout, whatever is drawn on stderr
    )
