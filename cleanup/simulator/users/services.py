"""Services of the v2 API, down to the versions of their deployments: lists without the image, details with it."""

from collections.abc import Sequence

from cleanup.simulator.messages import ApiResponse, Call, Record, json_response
from cleanup.simulator.parameters import ParameterError, not_found, one_of, page, whole_number
from cleanup.simulator.project import Project

_LISTED = ("id", "name", "status", "workspace_id", "type", "user_name", "create_at", "update_at")
_LISTED_DEPLOYMENT = ("id", "name", "infer_name", "status", "version")
_LISTED_VERSION = ("infer_name", "version", "version_status", "create_at", "update_at")
_SORTED_BY = ("update_at", "create_at")


def list_services(project: Project, call: Call) -> ApiResponse:
    """One page of services; `offset` counts records and must be a multiple of `limit`."""
    found = project.of_workspace(project.services, call.query.get("workspace_id", "0"))
    key = one_of(call.query, "sort_key", _SORTED_BY)
    down = one_of(call.query, "sort_dir", ("DESC", "ASC")) == "DESC"
    found.sort(key=lambda service: (service[key], service["id"]), reverse=down)
    listed = [
        _only(service, _LISTED)
        | {
            "version": service["version"]["version"],
            "version_count": sum(len(one["versions"]) for one in service["deployments"]),
        }
        for service in found
    ]
    return _answer(call, listed, multiple=True)


def show_service(project: Project, call: Call) -> ApiResponse:
    """One service with the images of its current version."""
    service = project.services.get(call.parts["id"])
    if service is None:
        return not_found("service", call.parts["id"])
    return json_response(200, {name: value for name, value in service.items() if name != "deployments"})


def list_deployments(project: Project, call: Call) -> ApiResponse:
    """One page of the deployments of a service."""
    service = project.services.get(call.parts["id"])
    if service is None:
        return not_found("service", call.parts["id"])
    return _answer(call, [_only(one, _LISTED_DEPLOYMENT) for one in service["deployments"]])


def show_deployment(project: Project, call: Call) -> ApiResponse:
    """One deployment with the images of its current version."""
    deployment = _deployment(project, call)
    if deployment is None:
        return not_found("deployment", call.parts["deployment_id"])
    shown = {name: value for name, value in deployment.items() if name != "versions"}
    return json_response(200, shown | {"version_count": len(deployment["versions"])})


def list_versions(project: Project, call: Call) -> ApiResponse:
    """One page of the versions of a deployment, the current one and those it can be switched back to."""
    deployment = _deployment(project, call)
    if deployment is None:
        return not_found("deployment", call.parts["deployment_id"])
    return _answer(call, [_only(one, _LISTED_VERSION) for one in deployment["versions"]])


def show_version(project: Project, call: Call) -> ApiResponse:
    """One version of a deployment with its images."""
    deployment, wanted = _deployment(project, call), call.parts["version"]
    versions = deployment["versions"] if deployment else ()
    version = next((one for one in versions if one["version"] == wanted), None)
    if deployment is None or version is None:
        return not_found("version", wanted)
    shown = {name: value for name, value in deployment.items() if name != "versions"}
    return json_response(200, shown | version)


def _deployment(project: Project, call: Call) -> Record | None:
    service = project.services.get(call.parts["id"]) or {}
    wanted = call.parts["deployment_id"]
    return next((one for one in service.get("deployments", ()) if one["id"] == wanted), None)


def _only(record: Record, names: tuple[str, ...]) -> Record:
    return {name: record[name] for name in names if name in record}


def _answer(call: Call, found: Sequence[Record], *, multiple: bool = False) -> ApiResponse:
    offset, limit = whole_number(call.query, "offset", 0, 0), whole_number(call.query, "limit", 10, 1, 500)
    if multiple and offset % limit:
        raise ParameterError("offset", offset, "it must be a multiple of the limit")
    return json_response(200, page(found[offset : offset + limit], len(found), offset, limit))
