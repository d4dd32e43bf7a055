"""Query parameters as the service reads them: what is listed, and what it refuses with 400."""

from collections.abc import Iterable, Mapping

from cleanup.simulator.image_store import BUILD_IN, ImageQuery
from cleanup.simulator.messages import Record

_TYPES = (BUILD_IN, "DEDICATED")
_FEATURES = ("NOTEBOOK", "DEFAULT")
_NOTEBOOK_LIMITS = (10, 20, 50)
_SORTABLE = frozenset(
    {"create_at", "update_at", "name", "namespace", "tag", "size", "status", "swr_path", "id"}
)
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


def image_query(query: Query) -> ImageQuery:
    """What a listing of images asks for, the API's defaults filled in. Raises ParameterError."""
    keys = tuple(key for key in query.get("sort_key", "").split(",") if key)
    return ImageQuery(
        kind=one_of(query, "type", _TYPES),
        workspace=query.get("workspace_id", "0"),
        namespace=query.get("namespace") or None,
        name=query.get("name") or None,
        fuzzy=one_of(query, "name_fuzzy_match", ("true", "false")) == "true",
        service_type=query.get("service_type") or None,
        sort=() if keys == ("create_at",) else _sortable(keys),
        ascending=one_of(query, "sort_dir", ("DESC", "ASC")) == "ASC",
    )


def one_of(query: Query, name: str, values: tuple[str, ...]) -> str:
    """One of the given values whatever its case, the first when it is left out. Raises ParameterError."""
    text = query.get(name, values[0])
    for value in values:
        if text.casefold() == value.casefold():
            return value
    raise ParameterError(name, text, f"it must be one of {', '.join(values)}")


def _sortable(keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        if key not in _SORTABLE:
            raise ParameterError("sort_key", key, "the field does not support sorting", "ModelArts.6303")
    return keys


def notebook_page(
    query: Query, notebooks: Iterable[Record], user_id: str | None
) -> tuple[list[Record], int, int, int]:
    """One page of the notebooks of `user_id` (None: of everybody), their total, its offset and limit.

    The SDK spells the workspace `workspace_id`, the pages spell it `workspaceId`. Raises ParameterError.
    """
    offset, limit = whole_number(query, "offset", 0, 0), whole_number(query, "limit", 10, 1)
    if limit not in _NOTEBOOK_LIMITS:
        raise ParameterError("limit", limit, "it must be one of 10, 20, 50")
    exact = {
        "feature": one_of(query, "feature", _FEATURES),
        "workspace_id": query.get("workspaceId", query.get("workspace_id", "0")),
        **{name: query[name] for name in ("status", "id") if name in query},
    }
    found = [
        notebook
        for notebook in notebooks
        if (user_id is None or notebook.get("user_id") == user_id)
        and all(notebook.get(name) == value for name, value in exact.items())
        and _about_image(query, notebook)
    ]
    found.sort(key=lambda notebook: (-(notebook.get("create_at") or 0), notebook["id"]))
    if one_of(query, "sort_dir", ("DESC", "ASC")) == "ASC":
        found.reverse()
    return found[offset : offset + limit], len(found), offset, limit


def _about_image(query: Query, notebook: Record) -> bool:
    image = notebook.get("image", {})
    if "image_id" in query and image.get("id") != query["image_id"]:
        return False
    return query.get("swr_path", "") in image.get("swr_path", "")
