"""The control calls under `/_simulator/`: a second client's view of the state, and its hand in it.

They need no login, show no faults and do not count as requests. See `HELP` for what there is.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cleanup.errors import UsageError
from cleanup.simulator.faults import Faults, parse_rate, parse_script
from cleanup.simulator.messages import ApiResponse, Record, error_response, json_response
from cleanup.simulator.middleware import Front
from cleanup.simulator.service import Service

PREFIX = "/_simulator/"
HELP: Mapping[str, str] = {
    "GET /_simulator/": "counts, and the busiest second",
    "GET /_simulator/images": "or notebooks, contents, deletions, requests",
    "POST /_simulator/images": "add one; what is left out is made up",
    "POST /_simulator/images/ID": "change fields; {} sets update_at to now",
    "POST /_simulator/notebooks": 'add one: {"image": {"id": "…"}}',
    "POST /_simulator/notebooks/ID": 'change fields: {"status": "STOPPED"}',
    "POST /_simulator/faults": '{"rates": ["500=0.1"], "throttle": 50}',
}


class _Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rates: list[str] = []
    script: list[dict[str, Any]] = []
    throttle: float | None = None
    seed: int = 0


class Control:
    """Answers the control calls about one front."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._shown: Mapping[str, Callable[[Service], object]] = {
            "": _summary,
            "images": lambda service: list(service.images),
            "notebooks": lambda service: list(service.notebooks),
            "contents": lambda service: service.contents,
            "deletions": lambda service: service.deletions,
            "requests": lambda service: list(service.requests),
        }

    def answer(self, method: str, path: str, body: bytes) -> ApiResponse:
        """Answer one control call; `path` is what follows the prefix. 400 or 404 say what was wrong."""
        what, _, key = path.strip("/").partition("/")
        try:
            if method == "GET" and what in self._shown and not key:
                return json_response(200, self._shown[what](self._front.service))
            if method == "POST" and what in ("images", "notebooks"):
                return self._change(what, key, msgspec.json.decode(body or b"{}", type=Record))
            if method == "POST" and what == "faults":
                return self._set_faults(msgspec.json.decode(body, type=_Faults))
        except (msgspec.DecodeError, UsageError) as error:
            return error_response(400, "Simulator.400", str(error))
        return error_response(
            404, "Simulator.404", "; ".join(f"{call}: {text}" for call, text in HELP.items())
        )

    def _set_faults(self, wanted: _Faults) -> ApiResponse:
        script = parse_script(wanted.script, "script")
        rates = [parse_rate(text) for text in wanted.rates]
        self._front.faults = Faults(rates, script, throttle=wanted.throttle, seed=wanted.seed)
        return json_response(200, wanted)

    def _change(self, what: str, key: str, changes: Record) -> ApiResponse:
        service = self._front.service
        shelf = service.images if what == "images" else service.notebooks
        old = shelf.get(key) if key else _fresh(what, service)
        if old is None:
            return error_response(404, "Simulator.404", f"{what} has no {key}")
        record = old | {"update_at": service.milliseconds()} | changes | ({"id": key} if key else {})
        shelf.put(record)
        if what == "images" and not key:
            service.contents.setdefault(record["swr_path"], record["size"])
        return json_response(200 if key else 201, record)


def _summary(service: Service) -> Record:
    return {
        "project_id": service.project_id,
        "images": len(service.images),
        "notebooks": len(service.notebooks),
        "contents": len(service.contents),
        "deletions": len(service.deletions),
        "requests": len(service.requests),
        "busiest_second": service.busiest_second(),
    }


def _fresh(what: str, service: Service) -> Record:
    """What a record added by hand has when its fields are not given."""
    moment, new_id = service.milliseconds(), service.new_id()
    common = {"create_at": moment, "id": new_id, "name": f"added-{new_id[:8]}", "workspace_id": "0"}
    if what == "notebooks":
        return common | {
            "feature": "NOTEBOOK",
            "image": {},
            "status": "RUNNING",
            "user_id": service.user_id,
        }
    return common | {
        "arch": "x86_64",
        "description": "",
        "dev_services": ["NOTEBOOK", "SSH"],
        "namespace": "sandbox",
        "origin": "CUSTOMIZE",
        "resource_categories": ["CPU"],
        "service_type": "UNKNOWN",
        "size": 387_840_321,
        "status": "ACTIVE",
        "swr_path": f"swr.example.com/sandbox/added-{new_id[:8]}:1.0.0",
        "tag": "1.0.0",
        "type": "DEDICATED",
        "visibility": "PRIVATE",
    }
