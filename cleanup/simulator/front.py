"""What a call passes on its way: its request id, the service, and the simulator's memory of it."""

from dataclasses import replace

from cleanup.simulator.calls import Answer, Call, Request
from cleanup.simulator.service import Service


class Front:
    """The gateway before the service."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def answer(self, call: Call) -> Answer:
        """Answer one call, with its `X-Request-Id`, and remember it."""
        given = self.service.handle(call)
        request_id = self.service.new_id()
        self.service.remember(
            Request(
                time=self.service.now(),
                request_id=request_id,
                operation=call.operation,
                method=call.method,
                path=call.path,
                query=call.query,
                body=call.body.decode(errors="replace"),
                image_id=call.image_id,
                status=given.status,
                effect=given.effect,
                fault=None,
            )
        )
        return replace(given, headers={**given.headers, "X-Request-Id": request_id})
