"""What each fault looks like: an answer instead of the right one, or one made out of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from random import Random

import msgspec

from cleanup.simulator.faults import Fault
from cleanup.simulator.image_store import BUILD_IN
from cleanup.simulator.messages import (
    ApiResponse,
    Call,
    Delivery,
    Record,
    error_response,
    json_response,
)
from cleanup.simulator.parameters import ParameterError, image_query, whole_number
from cleanup.simulator.service import Service, WhenInUse, in_use_error

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_ELSEWHERE = "http://elsewhere.invalid"
_LIMIT = 20.0


def throttled(limit: float = _LIMIT, **headers: str) -> ApiResponse:
    """The 429 of the API gateway; `limit` is in requests a second."""
    text = f"policy user over ratelimit, limit:{limit:g}, time:1 second"
    return error_response(429, "APIG.0308", f"The throttling threshold has been reached: {text}", **headers)


def show(
    fault: Fault, call: Call, service: Service, do: Callable[[Call], ApiResponse], random: Random
) -> ApiResponse:
    """Let a call go wrong: do to the service what `fault` says, and return what is answered.

    `do` gives the right answer, with its effect; `random` draws the details of the wrong one.
    """
    if fault in _INSTEAD:
        return _INSTEAD[fault](call, service)
    return _MADE_OF[fault](do(call), random)


def _until(_: Call, service: Service) -> ApiResponse:
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


def _redirect(call: Call, _: Service) -> ApiResponse:
    return ApiResponse(status=307, headers={"Location": f"{_ELSEWHERE}{call.path}"})


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
        wanted = image_query(call.query)
        whole_number(call.query, "offset", 0, 0)
    except ParameterError:
        return None
    records, _ = service.images.page(replace(wanted, ascending=False), 0, 1)
    return records[0] if records else None


_INSTEAD: Mapping[Fault, Callable[[Call, Service], ApiResponse]] = {
    Fault.THROTTLED: lambda *_: throttled(Retry_After="1"),
    Fault.THROTTLED_UNTIL: _until,
    Fault.THROTTLED_BARE: lambda *_: throttled(),
    Fault.INTERNAL: lambda *_: error_response(500, "ModelArts.0001", "Unknown error."),
    Fault.BAD_GATEWAY: lambda *_: ApiResponse(status=502, body=_HTML, content_type="text/html"),
    Fault.UNAVAILABLE: lambda *_: ApiResponse(status=503),
    Fault.BAD_REQUEST: lambda *_: error_response(400, "ModelArts.0104", "Parameter error."),
    Fault.UNAUTHORIZED: lambda *_: error_response(
        401, "APIG.0301", "Incorrect IAM authentication information"
    ),
    Fault.FORBIDDEN: lambda *_: error_response(403, "ModelArts.0108", "Not authorized."),
    Fault.GONE: _gone,
    Fault.IN_USE: _in_use,
    Fault.REDIRECT: _redirect,
    Fault.DROP_BEFORE: lambda *_: ApiResponse(status=0, delivery=Delivery.DROP),
    Fault.HANG: lambda *_: ApiResponse(status=0, delivery=Delivery.HANG),
    Fault.STATUS_ERROR: _status_error,
    Fault.SHIFT_ADD: _shift_add,
    Fault.SHIFT_DELETE: _shift_delete,
}


def _no_content(right: ApiResponse, _: Random) -> ApiResponse:
    return replace(right, status=204, body=b"") if right.status < 300 else right


def _empty(right: ApiResponse, _: Random) -> ApiResponse:
    return replace(right, status=200, body=b"") if right.status < 300 else right


def _truncated(right: ApiResponse, random: Random) -> ApiResponse:
    return replace(right, body=right.body[: random.randint(1, max(1, len(right.body) - 1))])


def _not_utf8(right: ApiResponse, _: Random) -> ApiResponse:
    middle = len(right.body) // 2
    return replace(right, body=right.body[:middle] + b"\xff\xfe\xc0" + right.body[middle:])


def _wrong_total(right: ApiResponse, random: Random) -> ApiResponse:
    if right.status != 200:
        return right
    page = msgspec.json.decode(right.body)
    total = page["total"]
    page["total"] = random.choice(
        [wrong for wrong in (0, total // 2, total + 7, 2 * total + 1) if wrong != total]
    )
    page["pages"] = -(-page["total"] // max(1, page["size"]))
    return replace(right, body=msgspec.json.encode(page))


_MADE_OF: Mapping[Fault, Callable[[ApiResponse, Random], ApiResponse]] = {
    Fault.DROP_AFTER: lambda right, _: replace(right, delivery=Delivery.DROP),
    Fault.HANG_AFTER: lambda right, _: replace(right, delivery=Delivery.HANG),
    Fault.SLOW: lambda right, _: replace(right, delivery=Delivery.SLOW),
    Fault.NO_CONTENT: _no_content,
    Fault.EMPTY: _empty,
    Fault.TRUNCATED: _truncated,
    Fault.NOT_UTF8: _not_utf8,
    Fault.WRONG_TOTAL: _wrong_total,
}
