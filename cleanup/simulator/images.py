"""The calls about images: list, show, delete, register."""

import re

from cleanup.simulator.image_store import BUILD_IN, ImageQuery
from cleanup.simulator.messages import ApiResponse, Call, Record, error_response, json_response
from cleanup.simulator.parameters import ParameterError, Query, one_of, page, whole_number
from cleanup.simulator.project import Project, WhenInUse
from cleanup.simulator.user_records import derived_id

_TYPES = (BUILD_IN, "DEDICATED")
_SORTABLE = ("create_at", "update_at", "name", "namespace", "tag", "size", "status", "swr_path", "id")
# `[host[:port]]/[namespace]/[name]:[tag]`, 16 to 2048 characters (the SDK's ImageRegRequest).
_PATH = re.compile(r"[^/\s]+/[^/\s]+/[^:\s]+:[^:/\s]+")
# What a registration may give, by its name there and in the record.
_GIVEN = {
    **{
        name: name
        for name in (
            "arch",
            "description",
            "origin",
            "service_type",
            "swr_instance_id",
            "visibility",
            "workspace_id",
        )
    },
    "services": "dev_services",
    "resource_category": "resource_categories",
}


_MOST_TAGS = 20


def list_images(project: Project, call: Call) -> ApiResponse:
    """One page of images; `offset` counts records."""
    offset, limit = whole_number(call.query, "offset", 0, 0), whole_number(call.query, "limit", 200, 1)
    query = image_query(call.query)
    project.enter(query.workspace)
    records, total = project.images.page(query, offset, limit)
    return json_response(200, page(records, total, offset, limit))


def list_groups(project: Project, call: Call) -> ApiResponse:
    """One page of groups, the versions of one namespace/name; they come as `groups` where no `limit` is sent."""
    offset, limit = whole_number(call.query, "offset", 0, 0), whole_number(call.query, "limit", 200, 1)
    query = image_query(call.query)
    project.enter(query.workspace)
    groups = [_group(project, query, versions) for versions in project.images.repositories(query)]
    answer = page(groups[offset : offset + limit], len(groups), offset, limit) | {"is_swr_enterprise": False}
    if "limit" not in call.query:
        answer["groups"] = answer.pop("data")
    return json_response(200, answer)


def _group(project: Project, query: ImageQuery, versions: list[Record]) -> Record:
    """`versions` are the images of one group, newest first."""
    newest, oldest = versions[0], versions[-1]
    namespace, name = str(newest.get("namespace")), str(newest.get("name"))
    group_id = derived_id(query.kind, query.workspace, namespace, name)
    return {
        "id": group_id,
        "name": name,
        "namespace": namespace,
        "version_count": len(versions),
        "create_at": oldest.get("create_at"),
        "update_at": newest.get("update_at"),
        "description": "",
        "read_me": project.read_mes.get(group_id),
    }


def update_group(project: Project, call: Call) -> ApiResponse:
    """Set the resource tags of a group, which all its versions show, or its `read_me`, or both."""
    body = call.json()
    given = body if isinstance(body, dict) else {}
    tags = given.get("tags", [] if "read_me" in given else None)
    read_me = given.get("read_me", "")
    if not isinstance(read_me, str) or len(read_me) > 30_000:
        raise ParameterError("read_me", str(read_me)[:20], "it must be up to 30000 characters")
    pairs = isinstance(tags, list) and all(
        isinstance(tag, dict) and {"key", "value"} == tag.keys() for tag in tags
    )
    if not isinstance(tags, list) or not pairs or len(tags) > _MOST_TAGS:
        raise ParameterError("tags", str(tags), f"it must be up to {_MOST_TAGS} of key and value")
    versions = [image for image in project.images if _group_id(image) == call.parts["id"]]
    if not versions:
        return error_response(
            404, "ModelArts.6797", f"Specified image group {call.parts['id']} cannot be found."
        )
    if "tags" in given:
        for image in versions:
            project.images.put(image | {"tags": tags})
    if "read_me" in given:
        project.read_mes[call.parts["id"]] = read_me
    return json_response(200, {"id": call.parts["id"], "tags": tags}, effect="updated")


def _group_id(image: Record) -> str:
    place = (str(image.get(name)) for name in ("type", "workspace_id", "namespace", "name"))
    return derived_id(*place)


def image_query(query: Query) -> ImageQuery:
    """What a listing of images asks for, the API's defaults filled in. Raises ParameterError."""
    keys = tuple(key for key in query.get("sort_key", "").split(",") if key)
    for key in keys:
        if key not in _SORTABLE:
            raise ParameterError("sort_key", key, "the field does not support sorting", "ModelArts.6303")
    return ImageQuery(
        kind=one_of(query, "type", _TYPES),
        workspace=query.get("workspace_id", "0"),
        namespace=query.get("namespace") or None,
        name=query.get("name") or None,
        fuzzy=one_of(query, "name_fuzzy_match", ("true", "false")) == "true",
        service_type=query.get("service_type") or None,
        sort=() if keys == ("create_at",) else keys,
        ascending=one_of(query, "sort_dir", ("DESC", "ASC")) == "ASC",
    )


def show_image(project: Project, call: Call) -> ApiResponse:
    """One image by its id."""
    image = project.images.get(call.parts["image_id"])
    return _not_found(project, call) if image is None else json_response(200, image)


def _not_found(project: Project, call: Call) -> ApiResponse:
    return error_response(
        project.not_found, "ModelArts.6797", f"Specified image {call.image_id} cannot be found."
    )


def delete_image(project: Project, call: Call, after: float | None = None) -> ApiResponse:
    """Delete one image; with `force` a PRIVATE one's content too, from under every record of that content.

    `force` in the query is the documented way; the SDK of late 2026 sends `is_force` in a JSON body.
    Given `after`, the image is DELETING for so many seconds first.
    """
    image = project.images.get(call.parts["image_id"])
    if image is None:
        return _not_found(project, call)
    if image.get("type") == BUILD_IN:
        return error_response(403, "ModelArts.0108", "Not authorized to delete a built-in image.")
    if image.get("status") == "DELETING":
        return json_response(200, image)
    if project.when_in_use is not WhenInUse.ALLOW and project.notebooks.running_on(image):
        return in_use_error(image["id"], int(project.when_in_use))
    body = call.json()
    in_body = isinstance(body, dict) and body.get("is_force") is True
    force = in_body or call.query.get("force", "").lower() == "true"
    if after is not None:
        project.delete_later(image, force, after)
        return json_response(200, image | {"status": "DELETING"}, effect="deleting")
    project.delete(image, force)
    return json_response(200, image | {"status": "DELETED"}, effect="deleted")


def in_use_error(image_id: str, status: int) -> ApiResponse:
    """The refusal to delete an image that is being used; the pages name no code of its own for it."""
    return error_response(
        status, "ModelArts.0104", f"The image {image_id} is being used by a notebook instance."
    )


def register_image(project: Project, call: Call) -> ApiResponse:
    """Register an image whose content is in SWR, under a new id."""
    request = call.json()
    if not isinstance(request, dict) or not isinstance(request.get("swr_path"), str):
        raise ParameterError("swr_path", "", "it is required", "ModelArts.0101")
    path: str = request["swr_path"]
    if not (_PATH.fullmatch(path) and 16 <= len(path) <= 2048):
        raise ParameterError("swr_path", path, "it must be host/namespace/name:tag of 16 to 2048 characters")
    if path not in project.contents:
        raise ParameterError("swr_path", path, "there is no such image in SWR", "ModelArts.0107")
    given = {field: request[name] for name, field in _GIVEN.items() if name in request}
    image = new_image(project, path, project.contents[path]) | given
    if not any(_group_id(one) == _group_id(image) for one in project.images):
        project.read_mes.pop(_group_id(image), None)  # what its group said has gone with its last version
    project.images.put(image)
    return json_response(201, image, effect="registered")


def new_image(project: Project, path: str, size: int) -> Record:
    """The record of a newly registered image, with the API's defaults for what is not given."""
    repository, _, tag = path.rpartition(":")
    _, namespace, name = repository.split("/", 2)
    today = project.milliseconds()
    return {
        "arch": "X86_64",
        "create_at": today,
        "description": "",
        "dev_services": ["NOTEBOOK", "SSH"],
        "id": project.new_id(),
        "name": name,
        "namespace": namespace,
        "origin": "CUSTOMIZE",
        "resource_categories": ["CPU", "GPU"],
        "service_type": "UNKNOWN",
        "size": size,
        "status": "ACTIVE",
        "swr_path": path,
        "tag": tag,
        "type": "DEDICATED",
        "update_at": today,
        "visibility": "PRIVATE",
        "workspace_id": "0",
    }
