"""Imports point down: the rooms from the ground up, drawn once; each may use only what stands before it.

And every name has one owner, and no module hides one of the standard library.
"""

import ast
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import cleanup

pytestmark = pytest.mark.no_cover  # conftest says why

ROOT = Path(__file__).parents[2] / "cleanup"
# A row may not import within itself; what is one row in CONTRIBUTING.md may be several here.
LAYERS = [
    ["tracing"],
    ["errors", "files", "durations", "runtime", "stop", "reference"],
    ["spool", "kinds"],
    ["simulator", "image", "strict_yaml"],
    ["image_columns"],
    ["in_use", "outcome"],
    ["policy", "progress"],
    ["decision", "starter"],
    ["modelarts"],
    ["config"],
    ["plan", "journal", "doctor"],
    ["apply"],
    ["restore", "telemetry"],
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
PURE = ["reference", "image", "image_columns", "in_use", "outcome", "decision", "starter", "apply/recheck"]
WORLD = {"os", "sys", "time", "random", "socket", "subprocess", "aiohttp", "structlog", "logging"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def names_in(path: Path) -> tuple[frozenset[str], tuple[str, ...]]:
    """The dotted names that a module imports, wherever in it, and its classes."""
    imported: set[str] = set()
    classes = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            classes.append(node.name)
    return frozenset(imported), tuple(classes)


def imports(path: Path) -> frozenset[str]:
    return names_in(path)[0]


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


# ---- the map


def test_the_map_names_every_room_and_each_after_those_it_uses() -> None:
    """The docstring of the package is in reading order."""
    paragraph = re.sub(r"\([^)]*\)", "", (cleanup.__doc__ or "").partition("before it:")[2])
    listed = re.findall(r"\w+", paragraph.partition(".\n")[0])
    assert sorted(listed) == sorted(set(HEIGHT) - {"__main__"})
    for path in MODULES:
        own = room_of(path)
        if own != "__main__":
            before = {*listed[: listed.index(own)], own}
            assert rooms_used(path) <= before, f"{path.name} uses what stands after {own} in the map"


# ---- one name, one thing

# Modules of the standard library whose names say best what is in these, and hide nothing from below a package.
HIDING = {"decision/select", "decision/types", "modelarts/http", "cli/test"}


def test_a_class_name_has_one_owner() -> None:
    owners = Counter(name for path in MODULES for name in names_in(path)[1])
    doubled = {name for name, count in owners.items() if count > 1}
    assert doubled == set(), "give one of the two another name"


def test_no_module_hides_one_of_the_standard_library() -> None:
    named = {
        str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.rglob("*") if path.suffix in ("", ".py")
    }
    hiding = {name for name in named if name.rpartition("/")[2] in {*sys.stdlib_module_names, "test"}}
    assert hiding <= HIDING


def test_a_room_is_named_after_what_is_in_it() -> None:
    # The service's own word for what it serves is the name of a kind of user of images.
    modules = [path for path in MODULES if path.parent.name != "users"]
    names = {path.stem for path in modules} | {path.parent.name for path in modules}
    assert names & {"utils", "helpers", "models", "common", "manager", "misc", "base"} == set()


def test_tests_mirror_the_package() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    folders = {path.name for path in (ROOT.parent / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    beside = {"deploy", "docs", "goldens", "policies", "scenarios", "support", "benchmarks"}
    assert folders <= rooms | beside
