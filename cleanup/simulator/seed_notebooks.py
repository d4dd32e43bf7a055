"""Notebook instances of several users in every state, and what they run on."""

from collections.abc import Sequence
from random import Random

from cleanup.simulator.messages import Record
from cleanup.simulator.seed_images import DAY, new_id

# The states that the notebook pages document, with how many of a hundred are in them.
_STATES = {
    "RUNNING": 30,
    "STOPPED": 40,
    "FROZEN": 4,
    "DELETED": 6,
    "CREATE_FAILED": 3,
    "START_FAILED": 3,
    "ERROR": 2,
    "CREATING": 2,
    "STARTING": 2,
    "STOPPING": 2,
    "SNAPSHOTTING": 2,
    "INIT": 1,
    "DELETING": 1,
    "DELETE_FAILED": 2,
}
_MOST = 600
_FLAVORS = ("modelarts.vm.cpu.2u", "modelarts.vm.gpu.v100", "modelarts.bm.ascend.d910b")


def draw_notebooks(
    random: Random, own: Sequence[Record], theirs: Sequence[Record], today: int, user_id: str
) -> list[Record]:
    """One notebook for 15 images (every state twice at least, 600 at most); a part is of `user_id`.

    `own` are the images that workspace "0" can use, `theirs` those of the other one. Notebooks come
    in both features; some name their image by path only, some name one that is gone.
    """
    users = (user_id, *(f"{random.getrandbits(128):032x}" for _ in range(5)))
    certain = [*_STATES, *_STATES]
    more = max(0, min(len(own) // 15, _MOST) - len(certain))
    states = certain + random.choices(list(_STATES), list(_STATES.values()), k=more)
    notebooks = []
    for number, state in enumerate(states, 1):
        images = theirs if random.random() < 0.15 else own
        notebook = _instance(random, state, number, today)
        notebook |= {"image": _image_used(random, images), "workspace_id": images[0]["workspace_id"]}
        owner = random.choices(users, (40, 12, 12, 12, 12, 12))[0]
        notebooks.append(notebook | {"user": {"id": owner, "name": f"user-{owner[:4]}"}, "user_id": owner})
    return notebooks


def _image_used(random: Random, images: Sequence[Record]) -> Record:
    """How a notebook names its image: mostly by id, sometimes by path only, sometimes one long gone."""
    image = random.choice(images)
    named = {key: image[key] for key in ("id", "name", "swr_path", "type")}
    fate = random.random()
    if fate < 0.25:
        del named["id"]
    elif fate < 0.3:
        named.update(id=new_id(random), swr_path=f"{image['swr_path']}-gone")
    return named


def _instance(random: Random, state: str, number: int, today: int) -> Record:
    created = today - int(200 * DAY * random.random())
    feature = "DEFAULT" if random.random() < 0.15 else "NOTEBOOK"
    lease = {
        "create_at": created,
        "duration": 3_600_000,
        "enable": True,
        "type": "timing",
        "update_at": created,
    }
    failure = {"fail_reason": "the image could not be pulled"} if state.endswith("_FAILED") else {}
    return failure | {
        "create_at": created,
        "description": "",
        "feature": feature,
        "flavor": random.choice(_FLAVORS),
        "id": new_id(random),
        "lease": lease,
        "name": f"{'codelab' if feature == 'DEFAULT' else 'train'}-{number}",
        "status": state,
        "update_at": created,
        "volume": {"capacity": 50, "category": "EVS", "mount_path": "/cache", "ownership": "MANAGED"},
    }
