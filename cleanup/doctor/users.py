"""Whether the lists of those who use images can be read: one cheap page each, and one detail where `plan` needs it."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cleanup.doctor.checks import (
    UNREADABLE,
    Check,
    CheckLevel,
    failure,
    ok,
    refused,
    unasked,
    warning,
)
from cleanup.modelarts.failures import describe
from cleanup.modelarts.http.messages import Result, segment
from cleanup.modelarts.users.kinds import PERMISSIONS, UserKind
from cleanup.modelarts.wire.json_bodies import Page, decode_json, decode_page
from cleanup.modelarts.wire.values import Unreadable

_MOST_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class UserList:
    """One list of users of images. `items` is the key of the list in a page.

    `key` is what a detail is asked by, empty where the list says all. A `posted` query is a JSON body.
    A list that is `names_only` protects nothing: `plan` does well without it.
    """

    name: str
    kind: UserKind
    path: str
    items: str
    key: str = ""
    query: Mapping[str, object] = field(default_factory=dict)
    posted: bool = False
    names_only: bool = False


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
        names_only=True,
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


async def check_list(ask: Ask, asked: UserList, workspace: str, wanted: Collection[UserKind]) -> Check:
    """One page, and the first of its details; what is missing is a failure where a plan that asks `wanted` needs it."""
    in_project = asked.kind is UserKind.WORKFLOWS
    query = dict(asked.query) if in_project else {**asked.query, "workspace_id": workspace}
    of_list, of_detail = PERMISSIONS[asked.kind]
    answer = await ask(asked.path, query, posted=asked.posted)
    if not answer.ok:
        return _missing(answer, of_list, asked, wanted)
    try:
        page = shown_page(answer.body, asked.items)
    except Unreadable as error:
        trouble = failure(UNREADABLE, f"no page of {asked.name} came: {error}", "try again")
        return _weighed(trouble, asked, wanted)
    read = map(decode_json, map(bytes, page.records))
    records = [one for one in read if isinstance(one, dict)]
    if asked.key and records and isinstance(id_ := records[0].get(asked.key), str):
        detail = await ask(f"{asked.path}/{segment(id_)}", {})
        if not detail.ok:
            return _missing(detail, of_detail, asked, wanted)
    seen = f"{'?' if page.total is None else page.total} in workspace {workspace}"
    return ok(seen + (_whose(records) if asked.kind is UserKind.JOBS else ""))


def shown_page(body: bytes, items: str = "data") -> Page:
    """The first page of a list, as `plan` reads it. Raises Unreadable, also where it claims records and shows none."""
    page = decode_page(body, items)
    if page.total and not page.records:
        raise Unreadable(f"it says that there are {page.total}, and shows none")
    return page


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


def _missing(answer: Result[bytes], permission: str, asked: UserList, wanted: Collection[UserKind]) -> Check:
    if answer.status == 404:
        detail = f"this region does not seem to offer {asked.name}: it {describe(answer)}"
        return _weighed(failure(UNREADABLE, detail, ""), asked, wanted)
    check = refused(answer, permission, f"{asked.name} that use images cannot be seen: ")
    if asked.names_only and answer.status == 401 and asked.kind in wanted:
        return check  # refused credentials end a plan, whatever was asked with them
    return _weighed(check, asked, wanted)


def _weighed(failed: Check, asked: UserList, wanted: Collection[UserKind]) -> Check:
    """What a failed check means for a plan that asks `wanted`: nothing, names that are missing, or no plan."""
    if asked.kind not in wanted:
        return unasked(failed, asked.kind)
    if asked.names_only:
        names = f"; to see their names, {failed.next_step}" if failed.next_step else ""
        return warning(failed.detail, f"nothing to do, their models protect without it{names}")
    rest = ",".join(kind for kind in wanted if kind is not asked.kind)
    leave_out = f"leave {asked.kind} out with --users {rest or 'notebooks --in-use off'}"
    steps = [step for step in (failed.next_step, leave_out) if step]
    return failure(failed.exit_code, failed.detail, ", or ".join(steps))


async def check_workspaces(ask: Ask, cleaned: tuple[str, ...]) -> Check:
    """All workspaces of the project, for images and users in any of them count."""
    query = {"limit": 1000, "offset": 0, "sort_by": "name", "order": "asc", "filter_accessible": "false"}
    answer = await ask("v1/{}/workspaces", query)
    told, ids = describe(answer), list[str]()
    if answer.ok:
        told, ids = _workspaces(answer.body)
    if told:
        step = (
            "grant modelarts:workspace:list and modelarts:workspace:get; until then name all with --workspace"
        )
        return warning(f"the project's other workspaces cannot be seen: it {told}", step)
    strange = [one for one in cleaned if one != "0" and one not in ids]
    if strange:
        step = f"check --workspace: there are {', '.join(ids) or 'none'}"
        return warning(f"there is no workspace {', '.join(strange)} in this project", step)
    return Check(
        level=CheckLevel.OK, detail=f"{len(ids)}: {', '.join(ids[:20])}; cleaned: {', '.join(cleaned)}"
    )


def _workspaces(body: bytes) -> tuple[str, list[str]]:
    """Why a page does not show all workspaces, empty where it does, and the ids of those that it shows."""
    try:
        page = shown_page(body, "workspaces")
    except Unreadable as error:
        return f"shows no workspaces: {error}", []
    found = [one.get("id") for one in map(decode_json, map(bytes, page.records)) if isinstance(one, dict)]
    ids = [one for one in found if isinstance(one, str) and one]
    total = len(page.records) if page.total is None else page.total
    return ("" if len(ids) == total else f"shows {len(ids)} of {total}"), ids


def steps(
    ask: Ask, workspaces: tuple[str, ...], wanted: Collection[UserKind]
) -> tuple[tuple[str, Callable[[], Awaitable[Check]]], ...]:
    """The names of the checks and the checks, in order."""

    def of(asked: UserList) -> Callable[[], Awaitable[Check]]:
        return lambda: check_list(ask, asked, workspaces[0], wanted)

    return (
        *((asked.name, of(asked)) for asked in USER_LISTS),
        ("workspaces", lambda: check_workspaces(ask, workspaces)),
    )
