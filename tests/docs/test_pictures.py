"""The pictures of README.md are there, small, refer to nothing outside, and can be made again."""

import re
from pathlib import Path

from tests.docs import pictures
from tests.support.builders import ROOT, needs

PICTURES = ("demo.svg", "report.png")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def is_fine(picture: Path) -> None:
    content = picture.read_bytes()
    assert 5_000 < len(content) < 150_000
    if picture.suffix == ".png":
        assert content.startswith(b"\x89PNG\r\n")
        return
    text = content.decode()
    assert len(content) < 60_000
    assert "images&#160;would&#160;be&#160;deleted" in text
    assert set(re.findall(r"https?://[^\"' )]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }
    assert not re.search(r"@import|url\((?!#)|<image|<script|href=", text)


def test_readme_shows_what_is_there() -> None:
    for name in PICTURES:
        assert re.search(rf"!\[[^\]]{{10,}}\]\(\.github/{re.escape(name)}\)", README), name
        is_fine(ROOT / ".github" / name)


def test_the_picture_of_the_terminal_can_be_made(tmp_path: Path) -> None:
    with pictures.demo() as (screen, _):
        is_fine(pictures.draw(screen, tmp_path / "demo.svg"))


@needs("chromium")
def test_the_picture_of_the_page_can_be_made(tmp_path: Path) -> None:
    with pictures.demo() as (_, plan):
        is_fine(pictures.photograph(plan, tmp_path / "report.png"))
