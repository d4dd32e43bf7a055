"""The calls that list notebook instances: one's own, and everybody's."""

from cleanup.simulator.messages import ApiResponse, Call, Record, error_response, json_response
from cleanup.simulator.parameters import ParameterError, one_of, page, whole_number
from cleanup.simulator.project import Project

_FEATURES = ("NOTEBOOK", "DEFAULT")
_LIMITS = (10, 20, 50)


def list_own(project: Project, call: Call) -> ApiResponse:
    """One page of the caller's notebooks."""
    own = [each for each in project.notebooks if each.get("user_id") == project.user_id]
    return _list(project, own, call)


def list_all(project: Project, call: Call) -> ApiResponse:
    """One page of everybody's notebooks, for which a permission of its own is needed."""
    if not project.sees_all:
        return error_response(403, "ModelArts.0108", "Not authorized to list the notebooks of other users.")
    return _list(project, list(project.notebooks), call)


def _list(project: Project, notebooks: list[Record], call: Call) -> ApiResponse:
    query = call.query
    offset, limit = whole_number(query, "offset", 0, 0), whole_number(query, "limit", 10, 1)
    if limit not in _LIMITS:
        raise ParameterError("limit", limit, "it must be one of 10, 20, 50")
    # The SDK spells the workspace `workspace_id`, the API pages spell it `workspaceId`.
    workspace = query.get("workspaceId", query.get("workspace_id", "0"))
    project.enter(workspace)
    exact = {
        "feature": one_of(query, "feature", _FEATURES),
        "workspace_id": workspace,
        **{name: query[name] for name in ("status", "id") if name in query},
    }
    found = [
        notebook
        for notebook in notebooks
        if all(notebook.get(name) == value for name, value in exact.items())
        and query.get("image_id") in (None, notebook.get("image", {}).get("id"))
        and query.get("swr_path", "") in notebook.get("image", {}).get("swr_path", "")
    ]
    found.sort(key=lambda notebook: (-(notebook.get("create_at") or 0), notebook["id"]))
    if one_of(query, "sort_dir", ("DESC", "ASC")) == "ASC":
        found.reverse()
    return json_response(200, page(found[offset : offset + limit], len(found), offset, limit))
