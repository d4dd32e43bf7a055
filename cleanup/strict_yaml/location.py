"""Where in a file something is written."""

from dataclasses import dataclass

from cleanup.errors import Problem


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def problem(self, message: str) -> Problem:
        """Something that is wrong, or doubtful, at this place, on one line and safe for a terminal."""
        shown = "".join(character if character.isprintable() else " " for character in message)
        return Problem(self.file, self.line, self.column, shown)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
