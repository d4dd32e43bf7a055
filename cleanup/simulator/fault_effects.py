"""What each fault does to a call: a response instead of the right one, or one made out of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from random import Random

import msgspec

from cleanup.simulator.faults import DueFault, Fault
from cleanup.simulator.image_store import BUILD_IN
from cleanup.simulator.images import image_query, in_use_error
from cleanup.simulator.messages import ApiResponse, Call, Delivery, Record, error_response, json_response
from cleanup.simulator.parameters import ParameterError, whole_number
from cleanup.simulator.project import WhenInUse
from cleanup.simulator.service import Service

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_ELSEWHERE = "http://elsewhere.invalid"
_LIMIT = 20.0
_LONG_TOKEN = 64 << 10


def throttled(limit: float = _LIMIT, **headers: str) -> ApiResponse:
    """The 429 of the API gateway; `limit` is in requests a second."""
    text = f"policy user over ratelimit, limit:{limit:g}, time:1 second"
    return error_response(429, "APIG.0308", f"The throttling threshold has been reached: {text}", **headers)


def instead_of(due: DueFault, call: Call, service: Service) -> ApiResponse | None:
    """The response of a fault that replaces the right one; None for one that is made out of the right one."""
    if due.fault in (Fault.ACCEPTED, Fault.DELETING):
        return _deleting(due, call, service)
    effect = _INSTEAD.get(due.fault)
    return effect(call, service) if effect else None


def made_of(fault: Fault, right: ApiResponse, random: Random) -> ApiResponse:
    """The response of a fault that changes the right one; `random` draws the details."""
    return _MADE_OF[fault](right, random)


def _deleting(due: DueFault, call: Call, service: Service) -> ApiResponse:
    deleting = service.handle(call, due.seconds)
    is_bare = due.fault is Fault.ACCEPTED and deleting.effect is not None
    return replace(deleting, status=202, body=b"") if is_bare else deleting


def _throttled_by_chance(_: Call, service: Service) -> ApiResponse:
    return throttled(Retry_After="1") if service.random.random() < 0.5 else throttled()


def _foreign_not_found(_: Call, service: Service) -> ApiResponse:
    page = b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
    return ApiResponse(status=404, body=service.random.choice((page, b"")), content_type="text/html")


def _throttled_until(_: Call, service: Service) -> ApiResponse:
    moment = service.now().astimezone(UTC) + timedelta(seconds=2)
    return throttled(Retry_After=format_datetime(moment, usegmt=True))


def _gone(call: Call, service: Service) -> ApiResponse:
    if call.image_id is None:
        return error_response(404, "APIG.0101", "The API does not exist or has not been published.")
    image = service.images.get(call.image_id)
    if image is None or image.get("type") == BUILD_IN:
        return service.handle(call)
    service.images.take(call.image_id)
    return replace(service.handle(call), effect="gone")


def _in_use(call: Call, service: Service) -> ApiResponse:
    status = 409 if service.when_in_use is WhenInUse.ALLOW else int(service.when_in_use)
    return in_use_error(call.image_id or "", status)


def _status_error(call: Call, service: Service) -> ApiResponse:
    image = service.images.get(call.image_id or "")
    return service.handle(call) if image is None else json_response(200, image | {"status": "ERROR"})


def _shift_add(call: Call, service: Service) -> ApiResponse:
    """A copy of an image, newer than all others, comes in at the front: the page repeats records."""
    if newest := _newest(call, service):
        moment = service.milliseconds()
        times = {"create_at": moment, "update_at": moment}
        service.images.put(newest | times | {"id": service.new_id(), "description": "just built"})
    return replace(service.handle(call), effect="shifted")


def _shift_delete(call: Call, service: Service) -> ApiResponse:
    """The newest image, on a page already read, goes: the first record of this page is never seen."""
    if newest := _newest(call, service):
        service.images.take(newest["id"])
    return replace(service.handle(call), effect="shifted")


def _newest(call: Call, service: Service) -> Record | None:
    try:
        query = image_query(call.query)
        whole_number(call.query, "offset", 0, 0)
    except ParameterError:
        return None
    records, _ = service.images.page(replace(query, ascending=False), 0, 1)
    return records[0] if records else None


_INSTEAD: Mapping[Fault, Callable[[Call, Service], ApiResponse]] = {
    Fault.THROTTLED: lambda *_: throttled(Retry_After="1"),
    Fault.THROTTLED_UNTIL: _throttled_until,
    Fault.THROTTLED_BARE: lambda *_: throttled(),
    Fault.THROTTLED_BY_CHANCE: _throttled_by_chance,
    Fault.INTERNAL: lambda *_: error_response(500, "ModelArts.0001", "Unknown error."),
    Fault.BAD_GATEWAY: lambda *_: ApiResponse(status=502, body=_HTML, content_type="text/html"),
    Fault.UNAVAILABLE: lambda *_: ApiResponse(status=503),
    Fault.BAD_REQUEST: lambda *_: error_response(400, "ModelArts.0104", "Parameter error."),
    Fault.UNAUTHORIZED: lambda *_: error_response(
        401, "APIG.0301", "Incorrect IAM authentication information"
    ),
    Fault.FORBIDDEN: lambda *_: error_response(403, "ModelArts.0108", "Not authorized."),
    Fault.TOO_EARLY: lambda *_: error_response(425, "APIG.0201", "Too early."),
    Fault.GONE: _gone,
    Fault.FOREIGN_NOT_FOUND: _foreign_not_found,
    Fault.IN_USE: _in_use,
    Fault.REDIRECT: lambda call, _: ApiResponse(status=307, headers={"Location": _ELSEWHERE + call.path}),
    Fault.DROP_BEFORE: lambda *_: ApiResponse(status=0, delivery=Delivery.DROP),
    Fault.HANG: lambda *_: ApiResponse(status=0, delivery=Delivery.HANG),
    Fault.STATUS_ERROR: _status_error,
    Fault.SHIFT_ADD: _shift_add,
    Fault.SHIFT_DELETE: _shift_delete,
}


def _without_body(status: int) -> Callable[[ApiResponse, Random], ApiResponse]:
    return lambda right, _: replace(right, status=status, body=b"") if right.status < 300 else right


def _not_utf8(right: ApiResponse, _: Random) -> ApiResponse:
    middle = len(right.body) // 2
    return replace(right, body=right.body[:middle] + b"\xff\xfe\xc0" + right.body[middle:])


def _wrong_total(right: ApiResponse, random: Random) -> ApiResponse:
    if right.status != 200:
        return right
    page = msgspec.json.decode(right.body)
    name = "total" if "total" in page else "total_count"
    total = page[name]
    page[name] = random.choice(
        [wrong for wrong in (0, total // 2, total + 7, 2 * total + 1) if wrong != total]
    )
    if "pages" in page:
        page["pages"] = -(-page[name] // max(1, page["size"]))
    return replace(right, body=msgspec.json.encode(page))


def _null_list(right: ApiResponse, _: Random) -> ApiResponse:
    if right.status != 200:
        return right
    page = msgspec.json.decode(right.body)
    nulled = {name: None if isinstance(value, list) else value for name, value in page.items()}
    return replace(right, body=msgspec.json.encode(nulled))


def _long_token(right: ApiResponse, _: Random) -> ApiResponse:
    """The token, padded: what stands behind it does not count, see `Access`."""
    token = right.headers.get("X-Subject-Token")
    padded = {"X-Subject-Token": token.ljust(_LONG_TOKEN, "=")} if token else {}
    return replace(right, headers={**right.headers, **padded})


_MADE_OF: Mapping[Fault, Callable[[ApiResponse, Random], ApiResponse]] = {
    Fault.DROP_AFTER: lambda right, _: replace(right, delivery=Delivery.DROP),
    Fault.HANG_AFTER: lambda right, _: replace(right, delivery=Delivery.HANG),
    Fault.SLOW: lambda right, _: replace(right, delivery=Delivery.SLOW),
    Fault.TIMED_OUT: lambda right, _: replace(
        error_response(408, "APIG.0201", "Request timeout."), effect=right.effect
    ),
    Fault.NO_CONTENT: _without_body(204),
    Fault.EMPTY: _without_body(200),
    Fault.TRUNCATED: lambda right, random: replace(
        right, body=right.body[: random.randint(1, max(1, len(right.body) - 1))]
    ),
    Fault.NOT_UTF8: _not_utf8,
    Fault.WRONG_TOTAL: _wrong_total,
    Fault.NULL_LIST: _null_list,
    Fault.LONG_TOKEN: _long_token,
}
