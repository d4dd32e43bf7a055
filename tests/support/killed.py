"""What a kill leaves of a run: a journal without its end, and a cloud in which the last images are as they were."""

import json
from collections.abc import Mapping
from pathlib import Path

from cleanup.simulator import Service
from cleanup.simulator.messages import Record
from tests.support.builders import lines_of


def as_a_kill_leaves(
    journal: Path, service: Service, before: Mapping[str, Record], *, gone: int, left: int, there: int = 0
) -> None:
    """Take back what was written last in the journal of a run that came to its end.

    Without a result on record are `there` images that still are there and after them `gone` ones that are gone;
    the last `left` were not begun. `before` are the images as they were, by their ids.
    """
    lines = lines_of(journal)
    done = [line["image_id"] for line in lines if line["event"] == "delete.result"]
    in_doubt, never = done[-there - gone - left : -left], done[-left:]
    for image_id in (*in_doubt[:there], *never):
        service.images.put(before[image_id])
    forgotten = {"delete.result": {*in_doubt, *never}, "delete.intent": {*never}}
    kept = [
        line
        for line in lines
        if line["event"] != "run.finished" and line.get("image_id") not in forgotten.get(line["event"], ())
    ]
    journal.write_text("".join(json.dumps(line) + "\n" for line in kept))


def images_of(service: Service) -> dict[str, Record]:
    """The images as they are now, by their ids."""
    return {image["id"]: image for image in service.images}
