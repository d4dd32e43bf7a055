"""Training jobs: `POST /v2/{project_id}/training-job-searches`."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cleanup.simulator.messages import ApiResponse, Call, Record, json_response
from cleanup.simulator.parameters import ParameterError, in_order, whole_number
from cleanup.simulator.project import Project
from cleanup.simulator.seed_images import DAY

_RECENT_DAYS = 31
# Where the keys of filters stand in a job.
_FILTERED: Mapping[str, Callable[[Record], Any]] = {
    "id": lambda job: job["metadata"]["id"],
    "name": lambda job: job["metadata"]["name"],
    "user_id": lambda job: job["metadata"].get("user_id"),
    "kind": lambda job: job["kind"],
    "phase": lambda job: job["status"]["phase"],
    "algorithm_id": lambda job: job.get("algorithm", {}).get("id"),
}
_OPERATORS: Mapping[str, Callable[[Any, list[str]], bool]] = {
    "in": lambda value, given: value in given,
    "not": lambda value, given: value not in given,
    "like": lambda value, given: any(part in str(value) for part in given),
}


class _Filter(msgspec.Struct):
    key: str
    operator: str
    value: list[str]


class _Search(msgspec.Struct):
    offset: int = 0
    limit: int = 10
    sort_by: str = "create_time"
    order: str = "desc"
    workspace_id: str = "0"
    unified_jobs: bool = False
    train_type: str | None = None
    filters: list[_Filter] = []
    tags: list[Any] = []
    host_ips: list[Any] = []


def search_jobs(project: Project, call: Call) -> ApiResponse:
    """One page of jobs; `offset` is a page number. Fine-tuning jobs are left out unless `unified_jobs` is set.

    `total` counts the jobs of the workspace, `count` those that match. Filters by tag or host silently end
    31 days ago.
    """
    try:
        search = msgspec.json.decode(call.body or b"{}", type=_Search)
    except msgspec.ValidationError as error:
        raise ParameterError("body", "", str(error)) from error
    numbers = {"offset": str(search.offset), "limit": str(search.limit), "order": search.order}
    offset, limit = whole_number(numbers, "offset", 0, 0), whole_number(numbers, "limit", 10, 1, 50)
    everything = project.of_workspace(project.jobs, search.workspace_id)
    jobs = [job for job in everything if _matches(job, search)]
    if search.tags or search.host_ips:
        since = project.milliseconds() - _RECENT_DAYS * DAY
        jobs = [job for job in jobs if job["metadata"]["create_time"] >= since]
    jobs = in_order(jobs, numbers, lambda job: job["metadata"]["create_time"])
    return json_response(
        200,
        {
            "total": len(everything),
            "count": len(jobs),
            "limit": limit,
            "offset": offset,
            "sort_by": search.sort_by,
            "order": search.order,
            "group_by": "",
            "workspace_id": search.workspace_id,
            "ai_project": "default-ai-project",
            "items": jobs[offset * limit : (offset + 1) * limit],
        },
    )


def _matches(job: Record, search: _Search) -> bool:
    kind = "ftjob" if "ftjob_config" in job else "job"
    if kind == "ftjob" and not search.unified_jobs:
        return False
    if search.train_type not in (None, kind):
        return False
    return all(
        _OPERATORS[each.operator](_FILTERED[each.key](job), each.value)
        for each in search.filters
        if each.key in _FILTERED and each.operator in _OPERATORS
    )
