"""The control calls under `/_simulator/`: what a second client sees of the state, and can change in it.

They need no login, show no faults and do not count as requests. `HELP` is for people, `ROUTES` for the router.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cleanup.errors import UsageError
from cleanup.simulator import user_records
from cleanup.simulator.auth import Access
from cleanup.simulator.faults import Faults, calls_named, parse_rate, parse_script
from cleanup.simulator.images import new_image
from cleanup.simulator.messages import ApiResponse, Call, Record, error_response, json_response
from cleanup.simulator.project import WhenInUse
from cleanup.simulator.service import Service
from cleanup.simulator.user_records import iso, merged
from cleanup.simulator.world import SOME_SIZE

PREFIX = "/_simulator/"
HELP: Mapping[str, str] = {
    "GET /_simulator/": "counts, and the busiest second",
    "GET /_simulator/KIND": "records; also contents, deletions, requests",
    "POST /_simulator/KIND": "add one; what is left out is made up",
    "POST /_simulator/KIND/ID": "change fields; {} sets update_at to now",
    "DELETE /_simulator/KIND/ID": "remove one, as its owner would",
    "POST /_simulator/faults": '{"rates": ["500=0.1"], "throttle": 50}',
    "POST /_simulator/settings": '{"forbidden": ["jobs"], "absent": []}',
    "POST /_simulator/expired-tokens": "end every token issued so far",
}


@dataclass(kw_only=True)
class Simulation:
    """All of one rehearsal: the service, who may call it, and what goes wrong; `faults` may be replaced."""

    service: Service
    access: Access
    faults: Faults


@dataclass(frozen=True)
class _Kind:
    """A kind of record: what makes a new one with the given fields, and what a change of one changes too."""

    new: Callable[[Service, Record], Record]
    identity: Callable[[str], Record]
    changed: Callable[[int], Record] = lambda _: {}


def _made(template: Callable[..., Record]) -> Callable[[Service, Record], Record]:
    return lambda service, fields: template(service.new_id(), service.milliseconds(), **fields)


def _new_notebook(service: Service, fields: Record) -> Record:
    common = {
        "create_at": service.milliseconds(),
        "feature": "NOTEBOOK",
        "id": (new_id := service.new_id()),
        "image": {},
        "name": f"added-{new_id[:8]}",
        "status": "RUNNING",
        "update_at": service.milliseconds(),
        "user_id": service.user_id,
        "workspace_id": "0",
    }
    return common | fields


def _new_image(service: Service, fields: Record) -> Record:
    path = f"swr.example.com/sandbox/added-{service.new_id()[:8]}:1.0.0"
    image = new_image(service, path, SOME_SIZE) | fields
    service.contents.setdefault(image["swr_path"], image["size"])
    return image


def _updated(now: int) -> Record:
    return {"update_at": now}


def _by_metadata(record_id: str) -> Record:
    return {"metadata": {"id": record_id}}


KINDS: Mapping[str, _Kind] = {
    "images": _Kind(_new_image, lambda id_: {"id": id_}, _updated),
    "notebooks": _Kind(_new_notebook, lambda id_: {"id": id_}, _updated),
    "jobs": _Kind(_made(user_records.job), _by_metadata),
    "algorithms": _Kind(
        _made(user_records.algorithm), _by_metadata, lambda now: {"metadata": {"update_time": now}}
    ),
    "models": _Kind(_made(user_records.model), lambda id_: {"model_id": id_}),
    "services-v1": _Kind(
        _made(user_records.service_v1), lambda id_: {"service_id": id_}, lambda now: {"transition_at": now}
    ),
    "services": _Kind(_made(user_records.service), lambda id_: {"id": id_}, _updated),
    "workflows": _Kind(
        _made(user_records.workflow),
        lambda id_: {"workflow_id": id_},
        lambda now: {"last_modified_at": iso(now)},
    ),
    "workspaces": _Kind(
        _made(user_records.workspace), lambda id_: {"id": id_}, lambda now: {"update_time": now}
    ),
}


def _attribute(service: Service, what: str) -> Any:
    return getattr(service, what.replace("-", "_"))


def _summary(simulation: Simulation, _: Call) -> ApiResponse:
    service = simulation.service
    counted = (*KINDS, "contents", "deletions", "requests")
    counts = {name: len(_attribute(service, name)) for name in counted}
    busiest = service.busiest_second()
    return json_response(200, {"project_id": service.project_id, **counts, "busiest_second": busiest})


def _show(simulation: Simulation, call: Call) -> ApiResponse:
    records = _attribute(simulation.service, call.parts["what"])
    return json_response(200, dict(records) if isinstance(records, Mapping) else list(records))


def _add(simulation: Simulation, call: Call) -> ApiResponse:
    fields = msgspec.json.decode(call.body or b"{}", type=Record)
    record = KINDS[call.parts["what"]].new(simulation.service, fields)
    _attribute(simulation.service, call.parts["what"]).put(record)
    return json_response(201, record)


def _change(simulation: Simulation, call: Call) -> ApiResponse:
    service, what, key = simulation.service, call.parts["what"], call.parts["id"]
    kind, store = KINDS[what], _attribute(service, what)
    changes = msgspec.json.decode(call.body or b"{}", type=Record)
    if (old := store.get(key)) is None:
        return error_response(404, "Simulator.404", f"{what} has no {key}")
    record = merged(merged(old, kind.changed(service.milliseconds())), changes)
    store.put(merged(record, kind.identity(key)))
    return json_response(200, store.get(key))


def _remove(simulation: Simulation, call: Call) -> ApiResponse:
    removed = _attribute(simulation.service, call.parts["what"]).take(call.parts["id"])
    if removed is None:
        return error_response(404, "Simulator.404", f"{call.parts['what']} has no {call.parts['id']}")
    return json_response(200, removed)


class _Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rates: list[str] = []
    script: list[dict[str, Any]] = []
    throttle: float | None = None
    seed: int = 0


def _set_faults(simulation: Simulation, call: Call) -> ApiResponse:
    wanted = msgspec.json.decode(call.body, type=_Faults)
    script = parse_script(wanted.script, "script")
    rates = [parse_rate(text) for text in wanted.rates]
    simulation.faults = Faults(rates, script, throttle=wanted.throttle, seed=wanted.seed)
    return json_response(200, wanted)


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the service behaves; what is left out stays as it is."""

    forbidden: list[str] | None = None
    absent: list[str] | None = None
    pages_algorithms: bool | None = None
    sees_all: bool | None = None
    when_in_use: WhenInUse | None = None


def _set_settings(simulation: Simulation, call: Call) -> ApiResponse:
    wanted = msgspec.json.decode(call.body, type=_Settings)
    for name, value in msgspec.structs.asdict(wanted).items():
        if isinstance(value, list):
            setattr(simulation.service, name, {each for one in value for each in calls_named(one)})
        elif value is not None:
            setattr(simulation.service, name, value)
    names = _Settings.__struct_fields__
    return json_response(200, {name: getattr(simulation.service, name) for name in names})


def _expire_tokens(simulation: Simulation, _: Call) -> ApiResponse:
    simulation.access.expire_tokens(simulation.service.now())
    return json_response(200, {})


def _explain(_: Simulation, __: Call) -> ApiResponse:
    calls = "; ".join(f"{call}: {text}" for call, text in HELP.items())
    return error_response(404, "Simulator.404", f"{calls}; KIND is one of {', '.join(KINDS)}")


Handle = Callable[[Simulation, Call], ApiResponse]
_KIND = PREFIX + "{what:" + "|".join(KINDS) + "}"
ROUTES: tuple[tuple[str, str, Handle], ...] = (
    ("GET", PREFIX, _summary),
    ("GET", PREFIX + "{what:contents|deletions|requests}", _show),
    ("GET", _KIND, _show),
    ("POST", _KIND, _add),
    ("POST", _KIND + "/{id}", _change),
    ("DELETE", _KIND + "/{id}", _remove),
    ("POST", PREFIX + "faults", _set_faults),
    ("POST", PREFIX + "settings", _set_settings),
    ("POST", PREFIX + "expired-tokens", _expire_tokens),
    ("*", PREFIX + "{path:.*}", _explain),
)


def answer(handle: Handle, simulation: Simulation, call: Call) -> ApiResponse:
    """What a handler of `ROUTES` answers; 400 with the reason where it cannot read what is asked."""
    simulation.service.settle()
    try:
        return handle(simulation, call)
    except (msgspec.DecodeError, UsageError, TypeError) as error:
        return error_response(400, "Simulator.400", str(error))
