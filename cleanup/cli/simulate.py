"""`simulate`: the embedded simulator on a loopback port, until a signal ends it."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import anyio
import typer
import yaml

from cleanup.cli.output import emit
from cleanup.cli.running import STOPPING_SIGNALS
from cleanup.errors import UsageError
from cleanup.policy import parse_duration
from cleanup.simulator import (
    PROJECT_ID,
    Access,
    Auth,
    Faults,
    Login,
    Service,
    WhenInUse,
    build_world,
    parse_rate,
    parse_script,
    serve,
)
from cleanup.simulator.faults import MEANING, Step

_FAULTS = "Faults"
_FAULT_HELP = (
    "Let calls go wrong, e.g. drop-after=0.1 (every tenth call) or delete:500=0.2. CALLS is list, show, delete, "
    "register, notebooks, all-notebooks, token, get, post or every (all but token). Repeatable. Names: "
    + "; ".join(f"{fault}: {meaning}" for fault, meaning in MEANING.items())
    + "."
)
_SCRIPT_HELP = (
    "YAML: a list of entries like {fault: drop-after, calls: delete, nth: 3}. Conditions: calls, image (an id), "
    "nth (one call, counted from 1), after (not the first so many), times (at most so often). fault may be a "
    "list that is shown one after another, ok among them. Comes before --fault."
)
