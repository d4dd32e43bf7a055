"""Query parameters as the service reads them, what it refuses with 400, and the form of its pages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cleanup.simulator.messages import ApiResponse, Record, error_response

Query = Mapping[str, str]


class ParameterError(Exception):
    """A parameter that the service refuses with 400; `code` is its error code."""

    def __init__(self, name: str, value: object, why: str, code: str = "ModelArts.0104") -> None:
        super().__init__(f"Invalid parameter {name}={value}: {why}.")
        self.code = code


def whole_number(query: Query, name: str, default: int, least: int, most: int | None = None) -> int:
    """A number of at least `least`, and at most `most` if that is given. Raises ParameterError."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ParameterError(name, text, f"it must be an integer of at least {least}")
    if most is not None and int(text) > most:
        raise ParameterError(name, text, f"it must be at most {most}")
    return int(text)


def one_of(query: Query, name: str, values: tuple[str, ...]) -> str:
    """One of the given values whatever its case, the first when it is left out. Raises ParameterError."""
    text = query.get(name, values[0])
    for value in values:
        if text.casefold() == value.casefold():
            return value
    raise ParameterError(name, text, f"it must be one of {', '.join(values)}")


def page(records: Sequence[Record], total: int, offset: int, limit: int) -> Record:
    """A page in the form of images, notebooks and v2 services; `current` counts pages from zero."""
    return {
        "current": offset // limit,
        "data": records,
        "pages": -(-total // limit),
        "size": len(records),
        "total": total,
    }


def numbered_page(name: str, records: Sequence[Record], query: Query) -> Record:
    """A page in the form of v1 models, v1 services and workspaces: `offset` is a page number, `count` the page's."""
    offset, limit = whole_number(query, "offset", 0, 0), whole_number(query, "limit", 1000, 1)
    chosen = records[offset * limit : (offset + 1) * limit]
    return {"total_count": len(records), "count": len(chosen), name: chosen}


def in_order(records: Iterable[Record], query: Query, value: Callable[[Record], Any]) -> list[Record]:
    """The records by a value, in the `order` that is asked for: `desc` unless it is `asc`."""
    return sorted(records, key=value, reverse=one_of(query, "order", ("desc", "asc")) == "desc")


def not_found(what: str, record_id: str) -> ApiResponse:
    """The 404 for a user of images that is not there; the pages name no code for it."""
    return error_response(404, "ModelArts.0104", f"The {what} {record_id} does not exist.")
