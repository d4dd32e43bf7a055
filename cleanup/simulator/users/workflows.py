"""Workflows, whose definitions are free JSON: `GET /v2/{project_id}/workflows`, all of them in every workspace."""

from cleanup.simulator.messages import ApiResponse, Call, json_response
from cleanup.simulator.parameters import not_found, whole_number
from cleanup.simulator.project import Project


def list_workflows(project: Project, call: Call) -> ApiResponse:
    """One page of whole workflows, the newest first; `offset` counts records."""
    offset, limit = whole_number(call.query, "offset", 0, 0), whole_number(call.query, "limit", 10, 1)
    open_ones = [one for one in project.workflows if project.may_enter(one.get("workspace_id", "0"))]
    found = sorted(open_ones, key=lambda one: str(one["created_at"]), reverse=True)
    items = found[offset : offset + limit]
    return json_response(200, {"total": len(found), "count": len(items), "items": items})


def show_workflow(project: Project, call: Call) -> ApiResponse:
    """One workflow."""
    workflow = project.workflows.get(call.parts["id"])
    return not_found("workflow", call.parts["id"]) if workflow is None else json_response(200, workflow)
