"""One progress bar a phase of a run, on a terminal; silent where there is no terminal."""

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from cleanup.durations import format_elapsed
from cleanup.outcome import BAD, Outcome
from cleanup.tracing import RunSpans

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import Task

_BAD_FIRST = sorted(Outcome, key=lambda outcome: outcome not in BAD)
_DELETING = "deleting"


class Progress:
    """Shows how far a run is: what is done of how many, rate, time left, and why nothing moves.

    It draws on `stream` between `with` and its end, and leaves a line for each phase that has ended; on
    anything but a terminal it draws nothing. `note` is given what the log should say meanwhile, `begun` the name of
    each phase, and an empty one when all is over; `spans` is told the same, and how the whole ends.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        note: Callable[[str], None] = lambda _: None,
        begun: Callable[[str], None] = lambda _: None,
        spans: RunSpans | None = None,
    ) -> None:
        self._spans = spans
        self._held: Callable[[], str] = lambda: ""
        self._bar = _bar(stream, self._why_held) if stream is not None and stream.isatty() else None
        self._ended: Counter[Outcome] = Counter()
        self._open: Counter[str] = Counter()  # kinds of users that have not been read
        self.note = note
        self._begun = begun
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
        if self._spans:
            self._spans.end(error)
        self.pause()
        self._begun("")

    def watch(self, held: Callable[[], str]) -> None:
        """Show beside the bar what `held` says: why requests have to wait, empty where they have not."""
        self._held = held

    def _why_held(self) -> str:
        return self._held()

    def pause(self) -> None:
        """Draw nothing until the next phase begins: something else is about to be shown."""
        if self._spans:
            self._spans.end_phase()
        if self._bar:
            self._end()
            self._bar.stop()

    def begin(self, phase: str, total: int | None = None) -> None:
        """The phase before it is over; this one has so many steps, None where that is not known."""
        self._begun(phase)
        if self._spans:
            self._spans.begin(phase)
        if self._bar:
            self._end()
            self._bar.add_task(phase, total=total, counts="")
            self._bar.start()

    def _end(self) -> None:
        """Say in a line how the phase went; how a run ended its own summary says."""
        if self._bar is None:
            return
        self._bar.refresh()
        for task in list(self._bar.tasks):
            if task.description != _DELETING:
                done = f"{task.completed:,.0f}, " if task.completed else ""
                line = f"{task.description}: {done}{format_elapsed(task.elapsed or 0)}"
                self._bar.console.print(line, highlight=False, markup=False)
            self._bar.remove_task(task.id)

    def listed(self, count: int, total: int | None = None) -> None:
        """So many records have been read so far, of so many that the service claims."""
        if self._bar and self._bar.task_ids:
            self._bar.update(self._bar.task_ids[0], completed=count, total=total)

    def asking(self, kinds: Sequence[str]) -> None:
        """Who uses images is read now, one step for each kind and workspace."""
        self._open = Counter(kinds)
        self.begin("reading users of images", len(kinds))
        self._tell_open()

    def answered(self, kind: str) -> None:
        """One of them has been read."""
        self._open -= Counter((kind,))
        if self._bar and self._bar.task_ids:
            self._bar.advance(self._bar.task_ids[0])
            self._tell_open()

    def _tell_open(self) -> None:
        if self._bar:
            self._bar.update(self._bar.task_ids[0], counts=", ".join(self._open))

    def total(self, planned: int) -> None:
        """All is decided: so many images are to be deleted, none of them has ended yet."""
        self._ended.clear()
        self.planned = planned
        self.begin(_DELETING, planned)

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


def _bar(stream: TextIO, held: Callable[[], str]) -> "Bar | None":
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    console = Console(file=stream)
    if console.is_dumb_terminal:
        return None

    class Told(ProgressColumn):
        """What a function says of the task, asked anew each time the bar is drawn."""

        def __init__(self, says: Callable[["Task"], str], style: str = "") -> None:
            super().__init__()
            self._says = says
            self._style = style

        def render(self, task: "Task") -> Text:
            return Text(self._says(task), style=self._style, overflow="ellipsis", no_wrap=True)

    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=14),
        Told(_of_total),
        Told(lambda task: f"{task.finished_speed or task.speed or 0:.0f}/s"),
        TimeRemainingColumn(compact=True),
        Told(lambda _: held(), "yellow"),
        Told(lambda task: str(task.fields["counts"])),
        console=console,
        transient=True,
        redirect_stdout=False,  # results go to stdout, whatever is drawn on stderr
    )


def _of_total(task: "Task") -> str:
    """`9,800/16,800`, and nothing behind it where nobody knows."""
    return f"{task.completed:,.0f}" + (f"/{task.total:,.0f}" if task.total is not None else "")
