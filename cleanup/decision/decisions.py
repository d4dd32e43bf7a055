"""The decisions about very many images, each made when it is asked for: what is held of one are a few bytes. Pure."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, overload

from cleanup.decision.keep_last import Ranks
from cleanup.decision.rulings import Ruling
from cleanup.decision.types import Action, Decision, Withheld
from cleanup.image import Image, id_key
from cleanup.image_columns.fields import column

_TOGETHER: Final = 500  # decisions that are made together

# How `forces` says what became of a rule's `force`.
NOT_ASKED: Final = 0
FORCED: Final = 1
_WITHHELD: Final[tuple[Withheld | None, ...]] = (None, None, *Withheld)
WHY_NOT: Final = {why: number for number, why in enumerate(_WITHHELD) if why}


class Decisions(Sequence[Decision]):
    """One decision for each of the images, or those that `order` numbers, in that order.

    `rulings` and `forces` are in the order of the images, and so are `keys`, their `key_numbers` where they are known.
    """

    def __init__(
        self,
        images: Sequence[Image],
        rulings: Sequence[Ruling],
        forces: bytearray,
        ranks: Ranks,
        now: datetime,
        keys: "array[int] | None",
        order: Sequence[int] | None = None,
    ) -> None:
        self.images = images
        self.rulings = rulings
        self.forces = forces
        self._ranks = ranks
        self._now = now
        self.keys = keys
        self.order: Sequence[int] = range(len(rulings)) if order is None else order

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, place: int) -> Decision: ...
    @overload
    def __getitem__(self, place: slice) -> "Decisions": ...
    def __getitem__(self, place: int | slice) -> "Decision | Decisions":
        if isinstance(place, slice):
            return self.in_order(self.order[place])
        number = self.order[place]
        return self._decision(number, *self.details([number]))

    def __iter__(self) -> Iterator[Decision]:
        for start in range(0, len(self.order), _TOGETHER):
            numbers = self.order[start : start + _TOGETHER]
            yield from map(self._decision, numbers, self.details(numbers))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decisions | tuple | list) or len(self) != len(other):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def in_order(self, order: Iterable[int]) -> "Decisions":
        """The decisions about the images of these numbers."""
        numbers = order if isinstance(order, range | array) else array("I", order)
        return Decisions(self.images, self.rulings, self.forces, self._ranks, self._now, self.keys, numbers)

    def going(self) -> Iterator[int]:
        """The numbers of the images that are deleted."""
        rulings, delete = self.rulings, Action.DELETE
        return (number for number in self.order if rulings[number].action is delete)

    def details(self, numbers: Sequence[int]) -> list[str]:
        """The sentences about the images of these numbers."""
        by_ruling: defaultdict[Ruling, list[int]] = defaultdict(list)
        for ruling, number in zip(map(self.rulings.__getitem__, numbers), numbers, strict=True):
            by_ruling[ruling].append(number)
        found: dict[int, str] = {}
        for ruling, some in by_ruling.items():
            told = [ruling.detail] * len(some)
            if terms := ruling.terms:
                told = terms.details(ruling.reason, self.images, some, self._ranks, self._now)
            found |= zip(some, told, strict=True)
        return [found[number] for number in numbers]

    def deleted_by(self, number: int) -> str | None:
        """The rule that deletes the image of this number; None where it stays."""
        ruling = self.rulings[number]
        return ruling.rule if ruling.action is Action.DELETE else None

    def withheld(self, number: int) -> Withheld | None:
        """Why the image of this number does not lose its content, where its rule asks for it."""
        return _WITHHELD[self.forces[number]]

    def forced(self, number: int) -> bool:
        """The image of this number loses its content, too."""
        return self.forces[number] == FORCED

    def _decision(self, number: int, detail: str) -> Decision:
        ruling = self.rulings[number]
        return Decision(
            image=self.images[number],
            action=ruling.action,
            reason=ruling.reason,
            detail=detail,
            rule=ruling.rule,
            force=self.forced(number),
            force_withheld=self.withheld(number),
        )


class Parts(NamedTuple):
    """Decisions taken apart: the numbers of those that are meant, in their order, and by number all that is known.

    Nothing has to be made for it that is held otherwise.
    """

    numbers: Sequence[int]
    images: Sequence[Image]
    rulings: Sequence[Ruling | Decision]
    forced: Callable[[int], bool]
    withheld: Callable[[int], Withheld | None]
    keys: "array[int] | None"

    @property
    def deletes(self) -> list[int]:
        """The numbers of the images that are deleted."""
        rulings, delete = self.rulings, Action.DELETE
        return [number for number in self.numbers if rulings[number].action is delete]


def parts_of(decisions: Iterable[Decision]) -> Parts:
    """The parts of decisions, however they are held."""
    if isinstance(decisions, Decisions):
        found = decisions
        return Parts(found.order, found.images, found.rulings, found.forced, found.withheld, found.keys)
    made = tuple(decisions)
    images = tuple(decision.image for decision in made)
    numbers = range(len(made))
    return Parts(
        numbers,
        images,
        made,
        lambda number: made[number].force,
        lambda number: made[number].force_withheld,
        None,
    )


def about(decisions: Sequence[Decision], keys: Container[str]) -> Sequence[Decision]:
    """Those of them that are about the images with these keys; no others are made for it."""
    if not isinstance(decisions, Decisions):
        return [decision for decision in decisions if decision.image.key in keys]
    ids = column(decisions.images, "id")
    return decisions.in_order(number for number in decisions.order if id_key(ids[number]) in keys)


def rules_of(decisions: Iterable[Decision]) -> Iterator[str | None]:
    """By which rule each of them was decided, one after the other."""
    if isinstance(decisions, Decisions):
        return (decisions.rulings[number].rule for number in decisions.order)
    return (decision.rule for decision in decisions)
