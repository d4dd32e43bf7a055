"""The control calls under `/_simulator/`: what a second client sees of the state, and can change in it.

They need no login, show no faults and do not count as requests. `HELP` is for people, `ROUTES` for the router.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cleanup.errors import UsageError
from cleanup.simulator.auth import Access
from cleanup.simulator.faults import Faults, parse_rate, parse_script
from cleanup.simulator.images import new_image
from cleanup.simulator.messages import ApiResponse, Call, Record, error_response, json_response
from cleanup.simulator.service import Service

PREFIX = "/_simulator/"
_SOME_SIZE = 387_840_321
HELP: Mapping[str, str] = {
    "GET /_simulator/": "counts, and the busiest second",
    "GET /_simulator/images": "or notebooks, contents, deletions, requests",
    "POST /_simulator/images": "add one; what is left out is made up",
    "POST /_simulator/images/ID": "change fields; {} sets update_at to now",
    "POST /_simulator/notebooks": 'add one: {"image": {"id": "…"}}',
    "POST /_simulator/notebooks/ID": 'change fields: {"status": "STOPPED"}',
    "POST /_simulator/faults": '{"rates": ["500=0.1"], "throttle": 50}',
    "POST /_simulator/expired-tokens": "end every token issued so far",
}


@dataclass(kw_only=True)
class Simulation:
    """All of one rehearsal: the service, who may call it, and what goes wrong; `faults` may be replaced."""

    service: Service
    access: Access
    faults: Faults


class _Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rates: list[str] = []
    script: list[dict[str, Any]] = []
    throttle: float | None = None
    seed: int = 0


def _summary(simulation: Simulation, _: Call) -> ApiResponse:
    service = simulation.service
    counted = ("images", "notebooks", "contents", "deletions", "requests")
    counts = {name: len(getattr(service, name)) for name in counted}
    busiest = service.busiest_second()
    return json_response(200, {"project_id": service.project_id, **counts, "busiest_second": busiest})


def _show(simulation: Simulation, call: Call) -> ApiResponse:
    records = getattr(simulation.service, call.parts["what"])
    return json_response(200, dict(records) if isinstance(records, Mapping) else list(records))


def _change(simulation: Simulation, call: Call) -> ApiResponse:
    """Add a record, or change fields of the one of this id."""
    service, what, key = simulation.service, call.parts["what"], call.parts.get("id")
    changes = msgspec.json.decode(call.body or b"{}", type=Record)
    store = service.images if what == "images" else service.notebooks
    old = store.get(key) if key else _NEW[what](service)
    if old is None:
        return error_response(404, "Simulator.404", f"{what} has no {key}")
    record = old | {"update_at": service.milliseconds()} | changes | ({"id": key} if key else {})
    store.put(record)
    if what == "images" and not key:
        service.contents.setdefault(record["swr_path"], record["size"])
    return json_response(200 if key else 201, record)


def _new_notebook(service: Service) -> Record:
    return {
        "create_at": service.milliseconds(),
        "feature": "NOTEBOOK",
        "id": (new_id := service.new_id()),
        "image": {},
        "name": f"added-{new_id[:8]}",
        "status": "RUNNING",
        "user_id": service.user_id,
        "workspace_id": "0",
    }


def _new_image(service: Service) -> Record:
    path = f"swr.example.com/sandbox/added-{service.new_id()[:8]}:1.0.0"
    return new_image(service, path, _SOME_SIZE)


_NEW: Mapping[str, Callable[[Service], Record]] = {"images": _new_image, "notebooks": _new_notebook}


def _set_faults(simulation: Simulation, call: Call) -> ApiResponse:
    wanted = msgspec.json.decode(call.body, type=_Faults)
    script = parse_script(wanted.script, "script")
    rates = [parse_rate(text) for text in wanted.rates]
    simulation.faults = Faults(rates, script, throttle=wanted.throttle, seed=wanted.seed)
    return json_response(200, wanted)


def _expire_tokens(simulation: Simulation, _: Call) -> ApiResponse:
    simulation.access.expire_tokens(simulation.service.now())
    return json_response(200, {})


def _explain(_: Simulation, __: Call) -> ApiResponse:
    return error_response(404, "Simulator.404", "; ".join(f"{call}: {text}" for call, text in HELP.items()))


Handle = Callable[[Simulation, Call], ApiResponse]
ROUTES: tuple[tuple[str, str, Handle], ...] = (
    ("GET", PREFIX, _summary),
    ("GET", PREFIX + "{what:images|notebooks|contents|deletions|requests}", _show),
    ("POST", PREFIX + "{what:images|notebooks}", _change),
    ("POST", PREFIX + "{what:images|notebooks}/{id}", _change),
    ("POST", PREFIX + "faults", _set_faults),
    ("POST", PREFIX + "expired-tokens", _expire_tokens),
    ("*", PREFIX + "{path:.*}", _explain),
)


def answer(handle: Handle, simulation: Simulation, call: Call) -> ApiResponse:
    """What a handler of `ROUTES` answers; 400 with the reason where it cannot read what is asked."""
    try:
        return handle(simulation, call)
    except (msgspec.DecodeError, UsageError) as error:
        return error_response(400, "Simulator.400", str(error))
