"""Query parameters as the service reads them, what it refuses with 400, and the form of its pages."""

from collections.abc import Mapping, Sequence

from cleanup.simulator.messages import Record

Query = Mapping[str, str]


class ParameterError(Exception):
    """A parameter that the service refuses with 400; `code` is its error code."""

    def __init__(self, name: str, value: object, why: str, code: str = "ModelArts.0104") -> None:
        super().__init__(f"Invalid parameter {name}={value}: {why}.")
        self.code = code


def whole_number(query: Query, name: str, default: int, least: int) -> int:
    """A number of at least `least`. Raises ParameterError."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ParameterError(name, text, f"it must be an integer of at least {least}")
    return int(text)


def one_of(query: Query, name: str, values: tuple[str, ...]) -> str:
    """One of the given values whatever its case, the first when it is left out. Raises ParameterError."""
    text = query.get(name, values[0])
    for value in values:
        if text.casefold() == value.casefold():
            return value
    raise ParameterError(name, text, f"it must be one of {', '.join(values)}")


def page(records: Sequence[Record], total: int, offset: int, limit: int) -> Record:
    """A page as the lists of images and notebooks answer it; `current` counts pages from zero."""
    return {
        "current": offset // limit,
        "data": records,
        "pages": -(-total // limit),
        "size": len(records),
        "total": total,
    }
