"""Imports point down: the rooms from the ground up, drawn once; each may use only what stands before it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "cleanup"
# A row may not import within itself; what is in brackets in style.md's drawing is a row here.
LAYERS = [
    ["errors", "durations", "runtime", "stop"],
    ["simulator", "image", "strict_yaml"],
    ["in_use", "outcome"],
    ["policy", "progress"],
    ["decision"],
    ["modelarts"],
    ["config"],
    ["plan", "journal", "doctor"],
    ["apply"],
    ["restore"],
    ["reports"],
    ["cli"],
    ["__main__"],
]
HEIGHT = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}
REACHES = (
    r"\bos\.(environ|getenv)",
    r"\b(datetime\.now|utcnow|anyio\.(sleep|current_time)|asyncio\.sleep)\(",
    r"\bsys\.argv",
)
CLOCKS_AND_CHANCE = {"time", "random", "secrets"}
PURE = ["image", "in_use", "outcome", "decision", "apply/recheck"]
WORLD = {"os", "sys", "time", "random", "socket", "subprocess", "aiohttp", "structlog", "logging"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def rooms_used(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("cleanup.")} - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = room_of(path)
    upward = {room for room in rooms_used(path) - {own} if HEIGHT[room] >= HEIGHT[own]}
    assert not upward, f"{own} may not import {upward}"


def test_every_room_is_drawn_and_every_drawn_room_is_there() -> None:
    assert {room_of(path) for path in MODULES} == set(HEIGHT)


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_know_no_world(room: str) -> None:
    place = ROOT / room
    for path in place.glob("*.py") if place.is_dir() else [ROOT / f"{room}.py"]:
        assert not {name.split(".")[0] for name in imports(path)} & WORLD


def test_the_simulator_is_an_independent_reading() -> None:
    used = {room for path in MODULES if room_of(path) == "simulator" for room in rooms_used(path)}
    assert used <= {"errors", "simulator"}


def test_only_the_edge_reads_the_environment_and_the_clock() -> None:
    for path in MODULES:
        if room_of(path) in ("cli", "__main__"):
            continue
        assert not imports(path) & CLOCKS_AND_CHANCE, path.relative_to(ROOT)
        source = path.read_text(encoding="utf-8")
        for reached in REACHES:
            found = re.search(reached, source)
            assert not found, f"{path.relative_to(ROOT)} reaches for {found and found[0]}"
