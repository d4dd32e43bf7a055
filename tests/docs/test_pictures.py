"""The pictures of README.md are there, small, refer to nothing outside, and can be made again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import pictures
from tests.support.builders import ROOT, needs

PICTURES = ("demo.svg", "report.png")
NAMED = {"http://www.w3.org/2000/svg", "https://www.textualize.io"}  # nothing is fetched from there
README = (ROOT / "README.md").read_text(encoding="utf-8")


def wrong_with(picture: Path) -> list[str]:
    """What README could not show of a picture."""
    content = picture.read_bytes()
    is_drawn = picture.suffix == ".svg"
    wrong = [] if 5_000 < len(content) < (60_000 if is_drawn else 150_000) else [f"{len(content)} bytes"]
    if not is_drawn:
        return wrong if content.startswith(b"\x89PNG\r\n") else [*wrong, "it is no PNG"]
    text = content.decode()
    if "images&#160;would&#160;be&#160;deleted" not in text:
        wrong.append("the verdict is not in it")
    wrong += set(re.findall(r"https?://[^\"' )]+", text)) - NAMED
    return wrong + re.findall(r"@import|url\((?!#)|<image|<script|href=", text)


def test_readme_shows_what_is_there() -> None:
    for name in PICTURES:
        assert re.search(rf"!\[[^\]]{{10,}}\]\(\.github/{re.escape(name)}\)", README), name
        assert wrong_with(ROOT / ".github" / name) == []


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[str, Path]]:
    with pictures.demo() as shown:
        yield shown


def test_the_picture_of_the_terminal_can_be_made(demo: tuple[str, Path], tmp_path: Path) -> None:
    screen, _ = demo
    assert wrong_with(pictures.draw(screen, tmp_path / "demo.svg")) == []


@needs("chromium")
def test_the_picture_of_the_page_can_be_made(demo: tuple[str, Path], tmp_path: Path) -> None:
    _, plan = demo
    assert wrong_with(pictures.photograph(plan, tmp_path / "report.png")) == []
