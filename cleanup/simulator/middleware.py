"""What a call passes on its way: throttle, login, faults, the service, and the simulator's memory of it."""

from dataclasses import replace

from cleanup.simulator.auth import Access
from cleanup.simulator.fault_effects import show, throttled
from cleanup.simulator.faults import Faults
from cleanup.simulator.messages import ApiResponse, Call, Delivery, Operation, RecordedRequest
from cleanup.simulator.service import Service

_THROTTLE = "throttle"
_UNANSWERED = (Delivery.DROP, Delivery.HANG)


class Front:
    """The gateway before the service; `faults` may be exchanged at any time."""

    def __init__(self, service: Service, access: Access, faults: Faults) -> None:
        self.service = service
        self.access = access
        self.faults = faults

    def answer(self, call: Call) -> ApiResponse:
        """Answer one call, with its `X-Request-Id`, and remember it."""
        given, fault = self._answer(call)
        request_id = self.service.new_id()
        self.service.remember(
            RecordedRequest(
                time=self.service.now(),
                request_id=request_id,
                operation=call.operation,
                method=call.method,
                path=call.path,
                query=call.query,
                body=call.body.decode(errors="replace"),
                image_id=call.image_id,
                status=None if given.delivery in _UNANSWERED else given.status,
                effect=given.effect,
                fault=fault,
            )
        )
        return replace(given, headers={**given.headers, "X-Request-Id": request_id})

    def _answer(self, call: Call) -> tuple[ApiResponse, str | None]:
        now = self.service.now()
        if self.faults.throttles(call, now):
            return throttled(self.faults.throttle or 0), _THROTTLE
        if call.operation is not Operation.TOKEN and (refused := self.access.refuse(call, now)):
            return refused, None
        if (fault := self.faults.choose(call)) is None:
            return self._do(call), None
        return show(fault, call, self.service, self._do, self.faults.random), fault

    def _do(self, call: Call) -> ApiResponse:
        if call.operation is Operation.TOKEN:
            return self.access.issue(call, self.service.project_id, self.service.now())
        return self.service.handle(call)
