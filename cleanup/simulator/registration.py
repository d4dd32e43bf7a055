"""Registering an image whose content is in SWR: what the service asks for, what it makes of it."""

import re
from collections.abc import Mapping

from cleanup.simulator.messages import Record
from cleanup.simulator.parameters import ParameterError

# `[host[:port]]/[namespace]/[name]:[tag]`, 16 to 2048 characters (the SDK's ImageRegRequest).
_PATH = re.compile(r"[^/\s]+/(?P<namespace>[^/\s]+)/(?P<name>[^:\s]+):(?P<tag>[^:/\s]+)")


def register(request: object, contents: Mapping[str, int], new_id: str, today: int) -> Record:
    """The record of a newly registered image. Raises ParameterError when the content is not there."""
    if not isinstance(request, dict) or not isinstance(request.get("swr_path"), str):
        raise ParameterError("swr_path", "", "it is required", "ModelArts.0101")
    path: str = request["swr_path"]
    match = _PATH.fullmatch(path)
    if match is None or not 16 <= len(path) <= 2048:
        raise ParameterError("swr_path", path, "it must be host/namespace/name:tag of 16 to 2048 characters")
    if path not in contents:
        raise ParameterError("swr_path", path, "there is no such image in SWR", "ModelArts.0107")
    return {
        "arch": request.get("arch", "X86_64"),
        "create_at": today,
        "description": request.get("description", ""),
        "dev_services": request.get("services", ["NOTEBOOK", "SSH"]),
        "id": new_id,
        "name": match["name"],
        "namespace": match["namespace"],
        "origin": request.get("origin", "CUSTOMIZE"),
        "resource_categories": request.get("resource_category", ["CPU", "GPU"]),
        "service_type": request.get("service_type", "UNKNOWN"),
        "size": contents[path],
        "status": "ACTIVE",
        "swr_path": path,
        "tag": match["tag"],
        "type": "DEDICATED",
        "update_at": today,
        "visibility": request.get("visibility", "PRIVATE"),
        "workspace_id": request.get("workspace_id", "0"),
    }
