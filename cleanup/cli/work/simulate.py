"""`simulate`: the embedded simulator on a loopback port, until a signal ends it."""

import signal
from pathlib import Path

import anyio

from cleanup.cli.event_loop import runtime
from cleanup.cli.output import STDERR, is_quiet, say
from cleanup.cli.simulate import SimulateOptions
from cleanup.config.settings import duration
from cleanup.errors import UsageError
from cleanup.modelarts.wire.json_bodies import decode_object
from cleanup.plan.inventory_file import read_inventory_file
from cleanup.simulator import (
    USER_ID,
    Access,
    AuthMode,
    Faults,
    Service,
    World,
    build_world,
    parse_rate,
    parse_script,
    serve,
    with_closed_workspace,
)
from cleanup.simulator.faults import Step, calls_named


def simulate(asked: SimulateOptions) -> None:
    """Serve the project that is drawn, or stored, until a signal comes."""
    lifetime, now = duration(asked.token_lifetime, "--token-lifetime"), runtime().now
    steps = _read_script(asked.script) if asked.script else ()
    faults = Faults(
        [parse_rate(text) for text in asked.fault], steps, throttle=asked.throttle, seed=asked.fault_seed
    )
    world = _world(asked)
    service = Service(
        with_closed_workspace(world) if asked.closed_workspace else world,
        now,
        when_in_use=asked.in_use,
        sees_all=asked.all_notebooks,
        forbidden=frozenset().union(*map(calls_named, asked.forbid)),
        absent=frozenset().union(*map(calls_named, asked.without)),
        pages_algorithms=asked.pages_algorithms,
        seed=asked.seed,
    )
    anyio.run(_serve, service, asked.port, Access(asked.auth, lifetime=lifetime), faults)


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


def _world(asked: SimulateOptions) -> World:
    if asked.inventory:
        return _stored_world(asked.inventory)
    return build_world(asked.seed, asked.images, runtime().now(), project_id=asked.project_id)


def _stored_world(file: Path) -> World:
    """The project of an inventory file; each user of an image becomes a notebook that uses it."""
    stored = read_inventory_file(file)
    found = stored.inventory
    images = [decode_object(image.raw) for image in (*found.images, *found.others)]
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
