"""The API at a glance: the name, method and path of every call; whatever else is asked is `other`."""

from enum import StrEnum


class Operation(StrEnum):
    """The calls that the simulator answers, by the names that faults are given for."""

    LIST = "list"
    SHOW = "show"
    DELETE = "delete"
    REGISTER = "register"
    NOTEBOOKS = "notebooks"
    ALL_NOTEBOOKS = "all-notebooks"
    TOKEN = "token"  # noqa: S105 - the name of a call, not a secret
    OTHER = "other"


ROUTES = (
    ("GET", "/v1/{project_id}/images", Operation.LIST),
    ("POST", "/v1/{project_id}/images", Operation.REGISTER),
    ("GET", "/v1/{project_id}/images/{image_id}", Operation.SHOW),
    ("DELETE", "/v1/{project_id}/images/{image_id}", Operation.DELETE),
    ("GET", "/v1/{project_id}/notebooks", Operation.NOTEBOOKS),
    ("GET", "/v1/{project_id}/notebooks/all", Operation.ALL_NOTEBOOKS),
    ("POST", "/v3/auth/tokens", Operation.TOKEN),
    ("*", "/{path:.*}", Operation.OTHER),
)
