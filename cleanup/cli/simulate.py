"""`simulate`: the embedded simulator on a loopback port, until a signal ends it."""

import inspect
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import anyio

from cleanup.cli.event_loop import runtime
from cleanup.cli.output import STDERR, is_quiet, say
from cleanup.cli.parsing import Option
from cleanup.config.settings import duration
from cleanup.errors import UsageError
from cleanup.modelarts import wire
from cleanup.plan.inventory_file import read_inventory_file
from cleanup.simulator import (
    PROJECT_ID,
    USER_ID,
    Access,
    AuthMode,
    Fault,
    Faults,
    Service,
    WhenInUse,
    World,
    build_world,
    parse_rate,
    parse_script,
    serve,
    with_closed_workspace,
)
from cleanup.simulator.control import HELP as CONTROL
from cleanup.simulator.control import KINDS
from cleanup.simulator.faults import SCRIPT_KEYS, Step, calls_named
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


def simulate(
    port: Port = 8080,
    images: Images = 500,
    seed: Seed = 7,
    project_id: ProjectId = PROJECT_ID,
    auth: Login = AuthMode.OPEN,
    token_lifetime: Lifetime = "24h",  # noqa: S107 - a duration
    in_use: InUse = WhenInUse.CONFLICT,
    all_notebooks: AllNotebooks = True,
    forbid: Forbidden = (),
    without: Absent = (),
    closed_workspace: ClosedWorkspace = False,
    pages_algorithms: PagesAlgorithms = False,
    throttle: Throttle = None,
    fault: FaultRates = (),
    script: Script = None,
    fault_seed: FaultSeed = 0,
    inventory: InventoryFile = None,
) -> None:
    """Serve the embedded simulator of the image API on this machine, until Ctrl-C.

    Prints its URL on stdout and, on stderr, what to paste into another shell. The project, with its
    teams, notebooks and oddities, is drawn from --seed; nothing is kept when the simulator ends.

    \f
    Faults take [CALLS:]NAME=RATE, with a RATE from 0 to 1. CALLS is get, post, every (the default: all but
    token), or a CALL.
    """
    lifetime, now = duration(token_lifetime, "--token-lifetime"), runtime().now
    steps = _read_script(script) if script else ()
    faults = Faults([parse_rate(text) for text in fault], steps, throttle=throttle, seed=fault_seed)
    world = _stored_world(inventory) if inventory else build_world(seed, images, now(), project_id=project_id)
    service = Service(
        with_closed_workspace(world) if closed_workspace else world,
        now,
        when_in_use=in_use,
        sees_all=all_notebooks,
        forbidden=frozenset().union(*map(calls_named, forbid)),
        absent=frozenset().union(*map(calls_named, without)),
        pages_algorithms=pages_algorithms,
        seed=seed,
    )
    anyio.run(_serve, service, port, Access(auth, lifetime=lifetime), faults)


def _listed(title: str, entries: Mapping[str, str]) -> str:
    width = max(map(len, entries))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in entries.items())
    return f"\n\n\b\n{title}:\n{lines}"


simulate.__doc__ = (
    inspect.cleandoc(simulate.__doc__ or "")
    + f"\n\nCALL is {', '.join(call for call in Operation if call is not Operation.OTHER)}."
    + _listed("Faults", {fault.value: fault.meaning for fault in Fault})
    + _listed("Keys of a script's entries", SCRIPT_KEYS)
    + _listed("Control calls, for tests and second shells", CONTROL)
    + f"\n\nKIND is {', '.join(KINDS)}."
)


async def _serve(service: Service, port: int, access: Access, faults: Faults) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with serve(service, port=port, access=access, faults=faults) as url:
            say(url)
            settings = {"MODELARTS_ENDPOINT": url, "HUAWEICLOUD_SDK_PROJECT_ID": service.project_id}
            for name, value in () if is_quiet() else (settings | _login_settings(access, url)).items():
                STDERR.write(f"export {name}={value}\n")
            STDERR.flush()
            async for _ in signals:
                return


def _login_settings(access: Access, url: str) -> dict[str, str]:
    """The environment that logs in; the simulator's secrets are made up and guard nothing."""
    login = access.login
    keys = {"MODELARTS_AUTH": "aksk", "HUAWEICLOUD_SDK_AK": login.ak, "HUAWEICLOUD_SDK_SK": login.sk}
    match access.auth:
        case AuthMode.OPEN:
            return {"MODELARTS_AUTH": "none"}
        case AuthMode.TOKEN:
            return {"MODELARTS_AUTH": "token", "MODELARTS_TOKEN": login.token}
        case AuthMode.PASSWORD:
            return {
                "MODELARTS_AUTH": "password",
                "OS_AUTH_URL": url,
                "OS_USERNAME": login.user,
                "OS_PASSWORD": login.password,
                "OS_USER_DOMAIN_NAME": login.domain,
                "OS_PROJECT_NAME": login.project,
            }
        case AuthMode.AKSK:
            return keys
        case AuthMode.TEMPORARY:
            return keys | {"HUAWEICLOUD_SDK_SECURITY_TOKEN": login.security_token}


def _stored_world(file: Path) -> World:
    """The project of an inventory file; each user of an image becomes a notebook that uses it."""
    stored = read_inventory_file(file)
    found = stored.inventory
    images = [wire.decode_object(image.raw) for image in (*found.images, *found.others)]
    moment = int(stored.created_at.timestamp() * 1000)
    notebooks = [
        {
            "id": f"user-{number}",
            "create_at": moment,
            "update_at": moment,
            "name": use.user,
            "status": "RUNNING",
            "feature": "NOTEBOOK",
            "workspace_id": "0",
            "user_id": USER_ID,
            "image": {
                key: text
                for key, text in (("id", use.image_id), ("swr_path", use.swr_path or use.name))
                if text
            },
        }
        for number, use in enumerate(found.in_use.uses)
    ]
    contents = {image.swr_path: image.size or 0 for image in found.images if image.swr_path}
    return World(images=images, notebooks=notebooks, contents=contents, project_id=stored.ref.project_id)


def _read_script(path: Path) -> tuple[Step, ...]:
    import yaml

    try:
        return parse_script(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise UsageError(f"--script {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--script {path}: this is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"--script {path}:{line}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"--script {path}: this is not YAML text") from error
