"""What a command imports: help, and what asks no service, wait for none of the libraries that they do not need."""

import json
import subprocess
import sys
from pathlib import Path

from cleanup.cli.pages import PAGES
from cleanup.plan import file as plan_file
from tests.support.builders import ROOT
from tests.support.page import plan_of, some_images

# In one process, one after the other: what a command imports is there for those behind it.
SCRIPT = """
import json, sys
from cleanup.cli import main

for line in json.load(sys.stdin):
    sys.argv = ["image-cleanup", *line.split()]
    sys.stdout = open("/dev/null", "w")
    try:
        main()
    except SystemExit as end:
        assert not end.code, line
    sys.stdout = sys.__stdout__
    print(json.dumps([line, sorted(sys.modules)]))
"""
OF_REQUESTS = {"aiohttp", "asyncio", "anyio._backends", "huaweicloudsdkcore", "requests", "yarl"}
NOT_AT_ALL = {*OF_REQUESTS, "jinja2", "opentelemetry", "prometheus_client", "structlog"}
OF_THE_WORK = {"anyio", "yaml", "re2", "rich", "cleanup.policy", "cleanup.plan", "cleanup.config.settings"}
FORBIDDEN = {
    "--version": NOT_AT_ALL | OF_THE_WORK,
    "--help": NOT_AT_ALL | OF_THE_WORK,
    **{
        f"{name} --help": NOT_AT_ALL | OF_THE_WORK
        for name in PAGES
        if name not in ("validate", "test", "schema", "report", "journals")  # whose work is soon imported
    },
    "validate policies/stale-dev-images.yaml": NOT_AT_ALL
    | {"anyio", "rich", "tempfile", "cleanup.image_columns", "cleanup.plan"},
    "validate --help": NOT_AT_ALL | {"anyio", "rich"},
    "schema": NOT_AT_ALL | {"anyio", "rich"},
    "schema targets": NOT_AT_ALL | {"anyio", "rich"},
    "test policies/stale-dev-images.test.yaml": NOT_AT_ALL | {"anyio", "rich"},
    "report PLAN --format csv": NOT_AT_ALL | {"anyio", "rich", "cleanup.apply", "cleanup.journal"},
    "journals list": NOT_AT_ALL | {"rich", "cleanup.modelarts.client"},
    "report --help": NOT_AT_ALL | {"rich"},
    "report PLAN --format table": NOT_AT_ALL | {"rich.console", "rich.text"},
}


def test_no_command_imports_what_it_does_not_need(tmp_path: Path) -> None:
    plan_file.write(plan_of(some_images(3)), tmp_path / "plan.jsonl")
    lines = [line.replace("PLAN", str(tmp_path / "plan.jsonl")) for line in FORBIDDEN]
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    found = dict(map(json.loads, told.stdout.splitlines()))
    imported = {line: found[asked] for line, asked in zip(FORBIDDEN, lines, strict=True)}
    wrong = {
        line: [name for name in imported[line] if any(f"{name}.".startswith(f"{one}.") for one in forbidden)]
        for line, forbidden in FORBIDDEN.items()
    }
    assert {line: names for line, names in wrong.items() if names} == {}


def test_what_is_logged_needs_no_colours() -> None:
    script = "import sys; from cleanup.cli.output import log; log().info('a'); print('rich' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert told.stdout == "False\n"
    assert json.loads(told.stderr)["event"] == "a"


def test_every_file_of_work_has_its_command() -> None:
    work = {path.stem for path in (ROOT / "cleanup/cli/work").glob("*.py")} - {"__init__"}
    assert work <= set(PAGES)
    assert all(Path(ROOT, f"cleanup/cli/{name}.py").exists() for name in work)
