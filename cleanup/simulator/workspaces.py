"""The workspaces of the project, also those that the caller may not enter: `GET /v1/{project_id}/workspaces`."""

from cleanup.simulator.messages import ApiResponse, Call, json_response
from cleanup.simulator.parameters import in_order, numbered_page, one_of
from cleanup.simulator.project import Project


def list_workspaces(project: Project, call: Call) -> ApiResponse:
    """One page of workspaces; `offset` is a page number, `filter_accessible=true` leaves closed ones out."""
    only_open = one_of(call.query, "filter_accessible", ("false", "true")) == "true"
    found = [one for one in project.workspaces if not only_open or project.may_enter(one["id"])]
    key = one_of(call.query, "sort_by", ("name", "update_time", "status"))
    found = in_order(found, call.query, lambda one: (one.get(key), one["id"]))
    return json_response(200, numbered_page("workspaces", found, call.query))
