"""What `--version --verbose` says, for a bug report: nothing in it names the user or his folders."""

import locale
import os
import platform
import re
import ssl
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cleanup import __version__

DISTRIBUTION = "modelarts-image-cleanup"


def in_full() -> str:
    """The version and what else may matter, a line each."""
    facts = {
        "python": f"{platform.python_implementation()} {platform.python_version()}, {_installed()}",
        "platform": platform.platform(),
        "openssl": ssl.OPENSSL_VERSION,
        "encoding": f"{locale.getlocale()[0] or 'C'}, files {sys.getfilesystemencoding()}, "
        f"stdout {sys.stdout.encoding}",
        "terminal": ", ".join(_terminal()),
        "libraries": ", ".join(_libraries()),
    }
    return "\n".join(
        [f"image-cleanup {__version__}", *(f"  {name:<10}{fact}" for name, fact in facts.items())]
    )


def _installed() -> str:
    """How it was installed, without saying where."""
    if "pipx" in Path(sys.prefix).parts:
        return "pipx"
    return "in a virtual environment" if sys.prefix != sys.base_prefix else "in the system's Python"


def _terminal() -> Iterator[str]:
    for name in ("stdin", "stdout", "stderr"):
        yield f"{name} {'is' if getattr(sys, name).isatty() else 'is no'} terminal"
    for name in ("TERM", "COLUMNS", "NO_COLOR"):
        if value := os.environ.get(name):
            yield f"{name}={value[:40] if value.isprintable() else '?'}"


def _libraries() -> Iterator[str]:
    """What we ask for and what is there of it; extras are for tests."""
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # it runs out of a folder
        yield "not installed as a distribution"
        return
    for requirement in wanted:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if "extra ==" not in requirement:
            yield f"{name} {_version_of(name)}"


def _version_of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
