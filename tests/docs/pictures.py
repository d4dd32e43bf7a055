"""Makes the pictures of README.md from a run of the demo.

    .venv/bin/python -m tests.docs.pictures [FOLDER]

`demo.svg` is what a terminal shows, `report.png` the page of the demo's plan in Chromium (left out where there
is none). FOLDER is .github/ when left out.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.support.builders import ROOT

HOME = ROOT / ".github"
COLUMNS = 80
_WINDOW = {"width": 1100, "height": 760}
_FONT = re.compile(r"@font-face\s*\{[^}]*\}", re.DOTALL)  # rich would have them fetched
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_TOOK = re.compile(r"; took [0-9.]+ s")
_ABOUT = re.compile(r"<!--.*?-->", re.DOTALL)


def make(folder: Path) -> None:
    """Make the pictures that can be made."""
    with demo() as (screen, plan):
        draw(screen, folder / "demo.svg")
        if shutil.which("chromium"):
            photograph(plan, folder / "report.png")


@contextmanager
def demo() -> Iterator[tuple[str, Path]]:
    """What the demo shows on a terminal, and its plan file for as long as it is looked at."""
    with tempfile.TemporaryDirectory() as place:
        screen = _screen_of_demo(Path(place))
        [plan] = Path(place).glob("image-cleanup-demo-*/plan.jsonl")
        yield _same_every_time(screen, plan.parent), plan


def _screen_of_demo(place: Path) -> str:
    """What the demo writes to a terminal of 80 columns; its talk on stderr is left out."""
    ours, theirs = pty.openpty()
    settings = {"TMPDIR": str(place), "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "CI": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | settings
    with subprocess.Popen(
        [sys.executable, "-m", "cleanup", "demo"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=ROOT,
    ) as process:
        os.close(theirs)
        written = b""
        while piece := _read(ours):
            written += piece
    os.close(ours)
    if process.returncode:
        raise RuntimeError(f"the demo ended with {process.returncode}")
    return written.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # whoever wrote to it is gone
        return b""


def _same_every_time(screen: str, folder: Path) -> str:
    """Without what is different in each run, and without the next steps."""
    screen = screen.partition("\nPolicy, plan and journal")[0]
    screen = _RUN_ID.sub("20261130T031700Z-0a1b2c3d", screen.replace(f"{folder}/", ""))
    return _TOOK.sub("", screen)


def draw(screen: str, picture: Path) -> Path:
    """The screen as a picture of a terminal."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(screen))
        drawn = console.export_svg(title="image-cleanup demo", unique_id="demo")
    lines = _ABOUT.sub("", _FONT.sub("", drawn)).splitlines()
    picture.write_text("".join(f"{line.rstrip()}\n" for line in lines if line.strip()), encoding="utf-8")
    return picture


def photograph(plan: Path, picture: Path) -> Path:
    """The page of a plan as Chromium shows it."""
    from playwright.sync_api import sync_playwright

    page = plan.with_suffix(".html")
    report = [sys.executable, "-m", "cleanup", "report", str(plan), "-o", str(page)]
    subprocess.run(report, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    with sync_playwright() as playwright:
        # Root has no sandbox to start; nothing but our own page is opened.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=_WINDOW, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
        tab.goto(page.as_uri())
        tab.locator("html.ready").wait_for(state="attached")
        tab.screenshot(path=picture)
        browser.close()
    return picture


if __name__ == "__main__":
    make(Path(sys.argv[1]) if sys.argv[1:] else HOME)
