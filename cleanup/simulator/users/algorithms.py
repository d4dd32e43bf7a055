"""Saved algorithms: `GET /v2/{project_id}/algorithms`."""

from cleanup.simulator.messages import ApiResponse, Call, json_response
from cleanup.simulator.parameters import in_order, one_of, whole_number
from cleanup.simulator.project import Project


def list_algorithms(project: Project, call: Call) -> ApiResponse:
    """One page of algorithms; `offset` counts records, or pages where the project is told so.

    The API page says "1 = from the second"; the vendor's Terraform client counts pages.
    """
    query = call.query
    offset, limit = whole_number(query, "offset", 0, 0), whole_number(query, "limit", 10, 1, 50)
    found = project.of_workspace(project.algorithms, query.get("workspace_id", "0"))
    found = in_order(found, query, lambda one: one["metadata"]["create_time"])
    start = offset * limit if project.pages_algorithms else offset
    return json_response(
        200,
        {
            "total": len(found),
            "count": len(found),
            "limit": limit,
            "offset": offset,
            "sort_by": query.get("sort_by", "create_time"),
            "order": one_of(query, "order", ("desc", "asc")),
            "group_by": "",
            "items": found[start : start + limit],
        },
    )
