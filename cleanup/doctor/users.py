"""Whether the lists of those who use images can be read: one cheap page each, and one detail where `plan` needs it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cleanup.doctor.checks import UNREADABLE, Check, CheckLevel, failure, ok, refused, warning
from cleanup.modelarts import wire
from cleanup.modelarts.client import describe
from cleanup.modelarts.http.messages import Result, segment
from cleanup.modelarts.users import PERMISSIONS, UserKind

_MOST_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class UserList:
    """One list of users of images. `items` is the key of the list in a page.

    `key` is what a detail is asked by, empty where the list says all. A `posted` query is a JSON body.
    """

    name: str
    kind: UserKind
    path: str
    items: str
    key: str = ""
    query: Mapping[str, object] = field(default_factory=dict)
    posted: bool = False


_FIRST = {"limit": 1, "offset": 0}
USER_LISTS = (
    UserList(
        name="training jobs",
        kind=UserKind.JOBS,
        path="v2/{}/training-job-searches",
        items="items",
        query={"limit": 50, "offset": 0, "sort_by": "create_time", "order": "desc", "unified_jobs": True},
        posted=True,
    ),
    UserList(
        name="algorithms",
        kind=UserKind.ALGORITHMS,
        path="v2/{}/algorithms",
        items="items",
        query=_FIRST | {"sort_by": "create_time", "order": "desc"},
    ),
    UserList(
        name="models",
        kind=UserKind.MODELS,
        path="v1/{}/models",
        items="models",
        key="model_id",
        query=_FIRST | {"model_type": "Image"},
    ),
    UserList(
        name="services v1",
        kind=UserKind.SERVICES,
        path="v1/{}/services",
        items="services",
        key="service_id",
        query=_FIRST,
    ),
    UserList(
        name="services v2",
        kind=UserKind.SERVICES,
        path="v2/{}/services",
        items="data",
        key="id",
        query=_FIRST | {"sort_key": "create_at", "sort_dir": "DESC"},
    ),
    UserList(
        name="workflows",
        kind=UserKind.WORKFLOWS,
        path="v2/{}/workflows",
        items="items",
        query=_FIRST | {"sort_by": "create_time"},
    ),
)


class Ask(Protocol):
    """Sends one request that reads; `path` has {} for the project."""

    def __call__(
        self, path: str, query: Mapping[str, object], *, posted: bool = False
    ) -> Awaitable[Result[bytes]]: ...


async def check_list(ask: Ask, asked: UserList, workspace: str, needed: bool) -> Check:
    """One page, and the first of its details. Where `needed` is false, what is missing is only a warning."""
    query = (
        dict(asked.query) if asked.kind is UserKind.WORKFLOWS else {**asked.query, "workspace_id": workspace}
    )
    of_list, of_detail = PERMISSIONS[asked.kind]
    answer = await ask(asked.path, query, posted=asked.posted)
    if not answer.ok:
        return _missing(answer, of_list, asked, needed)
    page = wire.decode_json(answer.body)
    if not isinstance(page, dict) or not isinstance(page.get(asked.items) or [], list):
        step = f"try again; else leave them out with {_without(asked.kind)}"
        return _milder(failure(UNREADABLE, f"no page of {asked.name} came", step), needed)
    records = [one for one in page.get(asked.items) or [] if isinstance(one, dict)]
    if asked.key and records and isinstance(id_ := records[0].get(asked.key), str):
        detail = await ask(f"{asked.path}/{segment(id_)}", {})
        if not detail.ok:
            return _missing(detail, of_detail, asked, needed)
    total = page.get("total_count", page.get("total"))
    seen = f"{total if isinstance(total, int) else '?'} in workspace {workspace}"
    return ok(seen + (_whose(records) if asked.kind is UserKind.JOBS else ""))


def _whose(jobs: list[dict[str, Any]]) -> str:
    """Whose jobs the page shows: nobody documents whether the service shows everybody's (API.md, Training jobs)."""
    found = {job["metadata"].get("user_name") for job in jobs if isinstance(job.get("metadata"), dict)}
    names = sorted(name for name in found if isinstance(name, str) and name)
    if not names:
        return ""
    told = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    if len(names) > 1:
        return f"; the newest {len(jobs)} are of {len(names)} users ({told})"
    return f"; the newest {len(jobs)} are all of one user ({told}): are others' hidden, pin what they use"


def _missing(answer: Result[bytes], permission: str, asked: UserList, needed: bool) -> Check:
    if answer.status == 404:
        detail = f"this region does not seem to offer {asked.kind}: it {describe(answer)}"
        return _milder(failure(UNREADABLE, detail, f"leave them out with {_without(asked.kind)}"), needed)
    check = refused(answer, permission, f"{asked.name} that use images cannot be seen: ")
    return _milder(check, needed, f", or leave {asked.kind} out with {_without(asked.kind)}")


def _milder(check: Check, needed: bool, more: str = "") -> Check:
    step = f"{check.next_step}{more}"
    return failure(check.exit_code, check.detail, step) if needed else warning(check.detail, step)


def _without(kind: UserKind) -> str:
    return f"--users {','.join(one for one in UserKind if one != kind)}"


async def check_workspaces(ask: Ask, cleaned: tuple[str, ...]) -> Check:
    """All workspaces of the project, for images and users in any of them count."""
    query = {"limit": 1000, "offset": 0, "sort_by": "name", "order": "asc", "filter_accessible": "false"}
    answer = await ask("v1/{}/workspaces", query)
    page = wire.decode_json(answer.body) if answer.ok else None
    if not isinstance(page, dict) or not isinstance(listed := page.get("workspaces"), list):
        told = describe(answer) if not answer.ok else "shows no workspaces"
        step = (
            "grant modelarts:workspace:list and modelarts:workspace:get; until then name all with --workspace"
        )
        return warning(f"the project's other workspaces cannot be seen: it {told}", step)
    ids = [str(one.get("id")) for one in listed if isinstance(one, dict)]
    strange = [one for one in cleaned if one != "0" and one not in ids]
    if strange:
        step = f"check --workspace: there are {', '.join(ids) or 'none'}"
        return warning(f"there is no workspace {', '.join(strange)} in this project", step)
    return Check(
        level=CheckLevel.OK, detail=f"{len(ids)}: {', '.join(ids[:20])}; cleaned: {', '.join(cleaned)}"
    )


def steps(
    ask: Ask, workspaces: tuple[str, ...], needed: frozenset[str]
) -> tuple[tuple[str, Callable[[], Awaitable[Check]]], ...]:
    """The names of the checks and the checks, in order."""

    def of(asked: UserList) -> Callable[[], Awaitable[Check]]:
        return lambda: check_list(ask, asked, workspaces[0], asked.kind in needed)

    return (
        *((asked.name, of(asked)) for asked in USER_LISTS),
        ("workspaces", lambda: check_workspaces(ask, workspaces)),
    )
