"""A line for a terminal: texts, each in a style. What styles look like is asked of rich, and only in colour."""

import io
from collections.abc import Iterable
from typing import Self

Part = tuple[str, str]  # a text and its style


class StyledLine:
    """A line that is written part by part."""

    __slots__ = ("parts",)

    def __init__(self, text: str = "", style: str = "") -> None:
        self.parts: list[Part] = [(text, style)]

    def add(self, more: "StyledLine | str", style: str = "") -> Self:
        """The same line, with more at its end."""
        self.parts += [(more, style)] if isinstance(more, str) else more.parts
        return self

    @property
    def plain(self) -> str:
        """The line as it is without styles."""
        return "".join([text for text, _ in self.parts])


def printed(lines: Iterable[StyledLine], color: bool) -> str:
    """Lines as they are printed: no markup is read in them, and nothing is folded."""
    if not color:
        return "".join(f"{line.plain.rstrip()}\n" for line in lines)
    from rich.console import Console
    from rich.text import Text

    file = io.StringIO()
    console = Console(
        file=file,
        force_terminal=True,
        color_system="standard",
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
    )
    for line in lines:
        text = Text.assemble(*line.parts)
        text.rstrip()
        console.print(text, soft_wrap=True)
    return file.getvalue()
