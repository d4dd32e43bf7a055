"""What real inventories have: missing fields, odd times, shared content, images being saved or broken."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random

from cleanup.simulator.messages import Record
from cleanup.simulator.seed_images import DAY, new_id

_ENOUGH_FOR_ALL = 60
_Change = Callable[[Random, Record, int], object]


def with_edge_cases(random: Random, images: Sequence[Record], today: int) -> list[Record]:
    """The images, some of them changed; 60 images or more show each edge case at least once.

    Every edge case takes images of its own, so that one image shows one of them.
    """
    changed = [dict(image) for image in images]
    untouched = iter(random.sample(changed, len(changed)))
    for change, share in _SHARES:
        count = max(int(share * len(images)), 1 if len(images) >= _ENOUGH_FOR_ALL else 0)
        for image in islice(untouched, count):
            change(random, image, today)
    _share_content(random, untouched, len(images))
    return changed


def _being_saved(random: Random, image: Record, today: int) -> None:
    tag = f"save-{random.randrange(10**8, 10**9)}"
    image.update(status=random.choice(("INIT", "CREATING")), origin="IMAGE_SAVE", tag=tag)
    image.update(create_at=today - 120_000, update_at=today - 60_000)
    image["swr_path"] = f"{image['swr_path'].rpartition(':')[0]}:{tag}"
    del image["size"]


def _save_failed(random: Random, image: Record, _: int) -> None:
    image.update(status="CREATE_FAILED", origin="IMAGE_SAVE")
    image["status_message"] = (
        f"Failed to push the image: {random.choice(('no space left', 'quota exceeded'))}"
    )
    del image["size"]


def _broken(random: Random, image: Record, _: int) -> None:
    image.update(
        status="ERROR", status_message=random.choice(("Image manifest not found", "Layer is damaged"))
    )


def _without(field: str) -> _Change:
    return lambda _, image, __: image.pop(field)


def _with(**fields: object) -> _Change:
    return lambda _, image, __: image.update(fields)


def _tagged(random: Random, image: Record, _: int) -> None:
    team = str(image["namespace"]).split("-")[1:2] or ["shared"]
    image["tags"] = [{"key": "team", "value": f"{team[0]}-{random.choice(('core', 'apps'))}"}]
    if random.random() < 0.3:
        image["tags"].append({"key": "keep", "value": random.choice(("true", "until-audit"))})


def _of_a_newer_release(random: Random, image: Record, _: int) -> None:
    image.update(
        flavor_type="ASCEND_SNT9B",
        lifecycle={"stage": "beta", "pinned": False, "id": new_id(random)},
    )


# Which change is made to what share of the images.
_SHARES: tuple[tuple[_Change, float], ...] = (
    (_being_saved, 0.01),
    (_save_failed, 0.01),
    (_broken, 0.015),
    (_without("update_at"), 0.005),
    (_with(update_at=0), 0.003),
    (lambda random, image, today: image.update(update_at=today + random.randint(1, 30) * DAY), 0.004),
    (_without("size"), 0.005),
    (_without("visibility"), 0.004),
    (_with(visibility="PUBLIC"), 0.02),
    (_with(visibility="private"), 0.005),
    (_with(visibility="SHARED"), 0.003),
    (_with(status="ARCHIVED"), 0.003),
    (_with(service_type="AGENT"), 0.005),
    (_with(arch="X86_64"), 0.2),
    (_with(arch="AARCH64", resource_categories=["ASCEND"]), 0.03),
    (_of_a_newer_release, 0.03),
    (_tagged, 0.15),
    (_with(tags=[]), 0.05),
)


def _share_content(random: Random, untouched: Iterator[Record], total: int) -> None:
    """Turn pairs of images into two records of one content: registered twice, at different times."""
    for _ in range(max(total // 100, 3)):
        pair = tuple(islice(untouched, 2))
        if len(pair) == 2:
            shared = ("swr_path", "namespace", "name", "tag", "size", "resource_categories")
            pair[1].update({field: pair[0][field] for field in shared}, description="registered again")
            pair[1]["visibility"] = random.choice(("PRIVATE", "PRIVATE", "PUBLIC"))
