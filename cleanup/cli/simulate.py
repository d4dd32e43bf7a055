"""`simulate`: what it takes; `cleanup.cli.work.simulate` serves the embedded simulator on a loopback port."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cleanup.cli.parsing import Option
from cleanup.simulator import PROJECT_ID, AuthMode, Fault, WhenInUse
from cleanup.simulator.control import HELP as CONTROL
from cleanup.simulator.control import KINDS
from cleanup.simulator.faults import SCRIPT_KEYS
from cleanup.simulator.routes import Operation

_FAULTS = "Faults"
_FAULT_HELP = (
    "Let a share of the calls go wrong, by the names of --help-all; repeatable. E.g. delete:500=0.2."
)
_SCRIPT_HELP = "A YAML file that says which call goes wrong how; its entries come before --fault."

Port = Annotated[int, Option(min=0, max=65535, help="On 127.0.0.1; 0 takes a free one.")]
Images = Annotated[int, Option(min=0, help="The project's own images in workspace 0.")]
Seed = Annotated[int, Option(help="Which project; the same seed gives the same one.")]
ProjectId = Annotated[str, Option(help="The project's id.")]
Login = Annotated[AuthMode, Option(help="Which login is asked for; open takes anything.")]
Lifetime = Annotated[str, Option(help="How long issued tokens live.")]
InUse = Annotated[WhenInUse, Option(help="The answer to a DELETE of an image that a running notebook uses.")]
AllNotebooks = Annotated[bool, Option(help="Whether other users' notebooks may be listed (else 403).")]
Forbidden = Annotated[
    tuple[str, ...], Option(metavar="CALL", help="A call without permission (403); repeatable.")
]
Absent = Annotated[
    tuple[str, ...], Option(metavar="CALL", help="A call that this region lacks (404); repeatable.")
]
ClosedWorkspace = Annotated[bool, Option(help="Add a workspace that the caller may not enter.")]
PagesAlgorithms = Annotated[bool, Option(help="Whether the offset of algorithms counts pages, not records.")]
Throttle = Annotated[
    float | None, Option(min=0.1, help="Requests a second; more get 429.", panel=_FAULTS, shared=True)
]
FaultRates = Annotated[
    tuple[str, ...], Option(metavar="[CALLS:]NAME=RATE", help=_FAULT_HELP, panel=_FAULTS, shared=True)
]
Script = Annotated[Path | None, Option(help=_SCRIPT_HELP, panel=_FAULTS, shared=True)]
InventoryFile = Annotated[
    Path | None,
    Option(
        "--inventory", help="Serve the project in this inventory file instead of a drawn one.", metavar="FILE"
    ),
]
FaultSeed = Annotated[int, Option(help="Which calls --fault takes.", panel=_FAULTS, shared=True)]


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """Serve the embedded simulator of the image API on this machine, until Ctrl-C.

    Prints its URL on stdout and, on stderr, what to paste into another shell. The project, with its
    teams, notebooks and oddities, is drawn from --seed; nothing is kept when the simulator ends.

    \f
    Faults take [CALLS:]NAME=RATE, with a RATE from 0 to 1. CALLS is get, post, every (the default: all but
    token), or a CALL.
    """

    port: Port = 8080
    images: Images = 500
    seed: Seed = 7
    project_id: ProjectId = PROJECT_ID
    auth: Login = AuthMode.OPEN
    token_lifetime: Lifetime = "24h"  # noqa: S105 - a duration
    in_use: InUse = WhenInUse.CONFLICT
    all_notebooks: AllNotebooks = True
    forbid: Forbidden = ()
    without: Absent = ()
    closed_workspace: ClosedWorkspace = False
    pages_algorithms: PagesAlgorithms = False
    throttle: Throttle = None
    fault: FaultRates = ()
    script: Script = None
    fault_seed: FaultSeed = 0
    inventory: InventoryFile = None


def _listed(title: str, entries: Mapping[str, str]) -> str:
    width = max(map(len, entries))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in entries.items())
    return f"\n\n\b\n{title}:\n{lines}"


SimulateOptions.__doc__ = (
    inspect.cleandoc(SimulateOptions.__doc__ or "")
    + f"\n\nCALL is {', '.join(call for call in Operation if call is not Operation.OTHER)}."
    + _listed("Faults", {fault.value: fault.meaning for fault in Fault})
    + _listed("Keys of a script's entries", SCRIPT_KEYS)
    + _listed("Control calls, for tests and second shells", CONTROL)
    + f"\n\nKIND is {', '.join(KINDS)}."
)
