"""Records of the users of images, as the API shows them in detail; what is not given is made up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from cleanup.simulator.messages import Record

FINAL_PHASES = ("Completed", "Failed", "Terminated")
HOUR = 3_600_000


def iso(milliseconds: int) -> str:
    """A moment as workflows write it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def derived_id(*parts: str) -> str:
    """A UUID that is always the same for the same parts."""
    return str(UUID(bytes=sha256("/".join(parts).encode()).digest()[:16], version=4))


def merged(record: Record, changes: Mapping[str, object]) -> Record:
    """A record with changes in it; mappings but `image` are merged, all else is replaced."""
    result = dict(record)
    for name, value in changes.items():
        old = result.get(name)
        if isinstance(old, dict) and isinstance(value, dict) and name != "image":
            value = merged(old, value)  # noqa: PLW2901
        result[name] = value
    return result


def job(
    new_id: str,
    now: int,
    *,
    phase: str = "Running",
    began: int | None = None,
    hours: int = 1,
    **fields: object,
) -> Record:
    """A training job that began at a moment; in a final phase it ended so many hours later."""
    start = now if began is None else began
    metadata = {
        "id": new_id,
        "name": f"added-{new_id[:8]}",
        "description": "",
        "user_name": "user-1",
        "workspace_id": "0",
        "create_time": start - 60_000,
    }
    duration = hours * HOUR if phase in FINAL_PHASES else now - start
    status = {"phase": phase, "secondary_phase": phase, "start_time": start, "duration": duration}
    return merged({"kind": "job", "metadata": metadata, "status": status, "algorithm": {}}, fields)


def algorithm(new_id: str, now: int, **fields: object) -> Record:
    """A saved algorithm."""
    metadata = {
        "id": new_id,
        "name": f"added-{new_id[:8]}",
        "workspace_id": "0",
        "user_name": "user-1",
        "create_time": now,
        "update_time": now,
    }
    config = {"code_dir": "/bucket/code/", "boot_file": "/bucket/code/train.py", "engine": {}}
    return merged({"metadata": metadata, "job_config": config}, fields)


def model(new_id: str, now: int, **fields: object) -> Record:
    """An AI application of the v1 API; `source_copy` is a text and may be missing, `config` is JSON as text."""
    common = {
        "model_id": new_id,
        "model_name": f"added-{new_id[:8]}",
        "model_version": "1.0.0",
        "model_type": "Image",
        "model_status": "published",
        "owner": "user-1",
        "workspace_id": "0",
        "create_at": now,
        "image_address": f"100.125.5.235:20202/models/{new_id}:1.0.0",
    }
    return merged(common, fields)


def service_v1(new_id: str, now: int, *, models: Sequence[Record] = (), **fields: object) -> Record:
    """A service of the v1 API over models."""
    common = {
        "service_id": new_id,
        "service_name": f"added-{new_id[:8]}",
        "infer_type": "real-time",
        "status": "running",
        "owner": "user-1",
        "workspace_id": "0",
        "start_time": now,
        "transition_at": now,
        "config": [
            {"model_id": one["model_id"], "model_name": one["model_name"], "weight": 100, "instance_count": 1}
            for one in models
        ],
    }
    return merged(common, fields)


def service(
    new_id: str, now: int, *, images: Sequence[Record] = (), status: str = "RUNNING", **fields: object
) -> Record:
    """A service of the v2 API with one deployment, and a version for each image; the last is the current one."""
    units = [
        [{"id": derived_id(new_id, str(n)), "role": "COMMON", "image": one}] for n, one in enumerate(images)
    ]
    current = units[-1] if units else []
    version, name = f"1.0.{max(0, len(units) - 1)}", f"added-{new_id[:8]}"
    deployment = {
        "id": derived_id(new_id, "deployment"),
        "name": f"{name}-1",
        "infer_name": f"{name}-1",
        "status": status,
        "version": version,
        "unit_configs": current,
        "versions": [
            {"version": f"1.0.{n}", "version_status": "ACTIVE", "unit_configs": unit}
            for n, unit in enumerate(units)
        ],
    }
    groups = [{"name": "g1", "count": 1, "unit_configs": current}]
    common = {
        "id": new_id,
        "name": name,
        "workspace_id": "0",
        "type": "REAL_TIME",
        "status": status,
        "user_name": "user-1",
        "create_at": now,
        "update_at": now,
        "version": {"id": derived_id(new_id, version), "version": version, "instance_groups": groups},
        "deployments": [deployment],
    }
    return merged(common, fields)


def workflow(new_id: str, now: int, **fields: object) -> Record:
    """A workflow; references may stand anywhere in `data`, `data_requirements` and `steps`."""
    moment = iso(now)
    common = {
        "workflow_id": new_id,
        "name": f"added-{new_id[:8]}",
        "user_name": "user-1",
        "workspace_id": "0",
        "created_at": moment,
        "last_modified_at": moment,
        "data": [],
        "data_requirements": [],
        "steps": [],
    }
    return merged(common, fields)


def workspace(new_id: str, now: int, **fields: object) -> Record:
    """A workspace; a PRIVATE one is closed to the caller unless `owner` or `grants` name him."""
    common = {
        "id": new_id,
        "name": f"added-{new_id[:8]}",
        "description": "",
        "owner": "user-1",
        "auth_type": "PUBLIC",
        "status": "NORMAL",
        "status_info": "",
        "create_time": now,
        "update_time": now,
        "enterprise_project_id": "0",
        "enterprise_project_name": "default",
    }
    return merged(common, fields)
