"""What a rehearsal starts from: the image records, notebooks and registry contents of one project.

`build_world` draws them from a seed, with every edge case of the real service somewhere among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from cleanup.simulator.edge_cases import with_edge_cases
from cleanup.simulator.messages import Record
from cleanup.simulator.seed_images import built_in, dedicated
from cleanup.simulator.seed_notebooks import draw_notebooks

PROJECT_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
OTHER_WORKSPACE = "5f0e4d3c2b1a49687756453423120fed"
_SOME_SIZE = 387_840_321
USER_ID = "c0ffee00c0ffee00c0ffee00c0ffee00"


@dataclass(frozen=True, kw_only=True)
class World:
    """One project. Records are as the API sends them; `contents` is what SWR holds: bytes by `swr_path`.

    `user_id` is the caller: notebooks of other users appear in `/notebooks/all` only.
    """

    images: Sequence[Record] = ()
    notebooks: Sequence[Record] = ()
    contents: Mapping[str, int] = field(default_factory=dict)
    project_id: str = PROJECT_ID
    user_id: str = USER_ID


def build_world(seed: int, images: int, now: datetime, *, project_id: str = PROJECT_ID) -> World:
    """A believable project: `images` DEDICATED images in workspace "0", an eighth more in another.

    The same seed, number and `now` give the same world. Ages reach over 400 days; besides come the
    built-in images, and notebooks in every state. Times are UTC milliseconds, as in the API.
    """
    random = Random(seed)
    today = int(now.timestamp() * 1000)
    own = with_edge_cases(random, dedicated(random, images, "0", today), today)
    theirs = with_edge_cases(
        random, dedicated(random, images // 8, OTHER_WORKSPACE, today, suffix="-emea"), today
    )
    public = built_in(random, today)
    everything = (*own, *theirs, *public)
    return World(
        images=everything,
        notebooks=draw_notebooks(random, (*own, *public), (*theirs, *public), today, USER_ID),
        contents={
            image["swr_path"]: image.get("size", _SOME_SIZE)
            for image in everything
            if image.get("status") not in ("INIT", "CREATING", "CREATE_FAILED")
        },
        project_id=project_id,
    )
