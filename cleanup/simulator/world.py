"""What a rehearsal starts from: the records and registry contents of one project.

`build_world` draws them from a seed, with every edge case of the real service somewhere among them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from cleanup.simulator import user_records
from cleanup.simulator.edge_cases import with_edge_cases
from cleanup.simulator.messages import Record
from cleanup.simulator.seed_images import built_in, dedicated
from cleanup.simulator.seed_notebooks import draw_notebooks
from cleanup.simulator.seed_users import ENOUGH_FOR_ALL, draw_users, with_aliases
from cleanup.simulator.user_records import derived_id

PROJECT_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
OTHER_WORKSPACE = "5f0e4d3c2b1a49687756453423120fed"
CLOSED_WORKSPACE = "c105edc105edc105edc105edc105ed00"
SOME_SIZE = 387_840_321  # of a content whose record does not say
USER_ID = "c0ffee00c0ffee00c0ffee00c0ffee00"
_SOMEBODY_ELSE = "5e7f5e7f5e7f5e7f5e7f5e7f5e7f5e7f"


@dataclass(frozen=True, kw_only=True)
class World:
    """One project. Records are as the API sends them in detail; `contents` is what SWR holds: bytes by reference.

    `user_id` is the caller: notebooks of other users appear in `/notebooks/all` only, and PRIVATE workspaces
    of other owners are closed. Without `workspaces` there are "0" and those that images name, all open.
    `services` are of the v2 API and carry their `deployments`, which carry their `versions`.
    """

    images: Sequence[Record] = ()
    notebooks: Sequence[Record] = ()
    workspaces: Sequence[Record] = ()
    jobs: Sequence[Record] = ()
    algorithms: Sequence[Record] = ()
    models: Sequence[Record] = ()
    services_v1: Sequence[Record] = ()
    services: Sequence[Record] = ()
    workflows: Sequence[Record] = ()
    contents: Mapping[str, int] = field(default_factory=dict)
    project_id: str = PROJECT_ID
    user_id: str = USER_ID


def build_world(seed: int, images: int, now: datetime, *, project_id: str = PROJECT_ID) -> World:
    """A believable project: `images` DEDICATED images in workspace "0", an eighth more in another.

    The same seed, number and `now` give the same world. Ages reach over 400 days; besides come the
    built-in images, notebooks in every state, and the other users of images. Times are UTC milliseconds,
    as in the API.
    """
    random = Random(seed)
    today = int(now.timestamp() * 1000)
    own = with_edge_cases(random, dedicated(random, images, "0", today), today)
    theirs = with_edge_cases(
        random, dedicated(random, images // 8, OTHER_WORKSPACE, today, suffix="-emea"), today
    )
    public = built_in(random, today)
    notebooks = draw_notebooks(random, (*own, *public), (*theirs, *public), today, USER_ID)
    own = with_aliases(own, notebooks, today) if images >= ENOUGH_FOR_ALL else own
    everything = [*own, *theirs, *public]
    return World(
        images=everything,
        notebooks=notebooks,
        workspaces=default_workspaces(everything),
        contents={
            image["swr_path"]: image.get("size", SOME_SIZE)
            for image in everything
            if image.get("status") not in ("INIT", "CREATING", "CREATE_FAILED")
        },
        project_id=project_id,
        **draw_users(seed, own, theirs, notebooks, today),
    )


def default_workspaces(images: Iterable[Record]) -> list[Record]:
    """Workspace "0" and those that images name, open to everybody."""
    named = {image.get("workspace_id", "0"): None for image in images} | {"0": None}
    names = {"0": "default", OTHER_WORKSPACE: "emea"}
    return [
        user_records.workspace(each, 0, name=names.get(each, f"workspace-{each[:8]}"), owner=USER_ID)
        for each in sorted(named)
    ]


def with_closed_workspace(world: World) -> World:
    """The world with one more workspace, which the caller may not enter; its images share others' content."""
    fields = {"name": "locked", "auth_type": "PRIVATE", "owner": _SOMEBODY_ELSE}
    closed = user_records.workspace(CLOSED_WORKSPACE, 0, **fields)
    images = [
        image | {"id": derived_id("closed", image["id"]), "workspace_id": CLOSED_WORKSPACE}
        for image in world.images[:3]
    ]
    return replace(world, images=[*world.images, *images], workspaces=[*world.workspaces, closed])
