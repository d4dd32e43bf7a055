"""What an apply must be told again: a plan's place by the option that names it, and what it was made with."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cleanup.config.pins import pins_digest, read_pins
from cleanup.config.settings import Target, TargetRef
from cleanup.in_use import InUse, Use
from cleanup.modelarts.users.kinds import Scope, UserKind
from cleanup.plan.asked import forgotten, other_pins
from cleanup.plan.plan import InventoryRef

HERE = TargetRef(name="t", endpoint="https://ma.example.com", project_id="0a1b" * 8, workspaces=("0",))
PINS = InUse([Use(user=f"pin pins.txt:{n}", swr_path=f"team/ocr:{n}") for n in (1, 2, 3)])
ALL = dict.fromkeys(map(str, UserKind), 0)


def planned(**more: Any) -> InventoryRef:
    fields: dict[str, Any] = {"users": ALL, "job_history_s": 30 * 86400.0, "pins": 0} | more
    return InventoryRef(images=1, notebooks=0, complete=True, **fields)


def target(**more: Any) -> Target:
    return Target(name="t", endpoint=HERE.endpoint, project_id=HERE.project_id, **more)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"project_id": "1b2c" * 8},
            f"project {'1b2c' * 8}, not for project {'0a1b' * 8}: give --project-id 1b2c",
        ),
        (
            {"endpoint": "https://other.example"},
            "not for https://ma.example.com: give --endpoint https://other",
        ),
        (
            {"workspaces": ("0", "w 1")},
            "workspaces 0, w 1, not for 0: give --workspace 0 --workspace 'w 1' again",
        ),
        ({"endpoint": "https://MA.example.com/", "name": "other"}, None),
    ],
    ids=["project", "endpoint", "workspaces", "nothing"],
)
def test_what_differs_and_the_option_that_mends_it(changed: dict[str, Any], told: str | None) -> None:
    found = msgspec.structs.replace(HERE, **changed).differs_from(HERE)
    assert found is None if told is None else told in str(found)


@pytest.mark.parametrize(
    ("plan", "here", "told"),
    [
        ({}, {}, []),
        ({"pins": 3}, {}, ["made with 3 pins, this goes on with none"]),
        ({"pins": 1}, {}, ["made with 1 pin, this goes on with none"]),
        ({"pins": 4}, {"pins": PINS}, ["made with 4 pins, this goes on with 3"]),
        ({"pins": 3}, {"pins": PINS}, []),
        ({}, {"pins": PINS}, []),
        ({}, {"in_use": Scope.OWN}, ["made with --in-use all, this goes on with --in-use own"]),
        ({"in_use": "own"}, {}, []),
        (
            {},
            {"users": (UserKind.NOTEBOOKS, UserKind.JOBS)},
            ["asked algorithms, models, services, workflows"],
        ),
        ({}, {"job_history": timedelta(days=7)}, ["made with --job-history 30d, this goes on with 7d"]),
        ({"job_history_s": 86400.0}, {}, []),
        ({"users": {}, "job_history_s": None}, {"users": (), "job_history": timedelta()}, []),
    ],
    ids=range(12),
)
def test_what_looks_at_less_is_told(plan: dict[str, Any], here: dict[str, Any], told: list[str]) -> None:
    found = list(forgotten(planned(**plan), target(**here)))
    assert len(found) == len(told)
    assert all(part in one for part, one in zip(told, found, strict=True))


def test_the_digest_of_pins_is_over_what_they_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("team/ocr:3\nteam/ocr:1\n# because\n")
    (tmp_path / "b").write_text("team/ocr:2 # why\nteam/ocr:1\n")
    pins = read_pins([tmp_path / "a", tmp_path / "b"])
    assert pins_digest(pins) == pins_digest(PINS) != pins_digest(InUse())
    notebook = InUse([Use(user="notebook pin (RUNNING)", image_id="img-1")])
    assert pins_digest(PINS | notebook) == pins_digest(PINS)
    assert pins_digest(notebook) == ""
    known = planned(pins=3, pins_sha256=pins_digest(PINS))
    assert not other_pins(known, target(pins=PINS))
    others = InUse([*PINS.uses[:2], Use(user="pin pins.txt:3", image_id="img-9")])
    assert other_pins(known, target(pins=others))
    assert not other_pins(planned(), target(pins=PINS))
