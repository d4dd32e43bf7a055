"""What every call of the API passes on its way: delivery, memory, throttle, login, faults, then the service."""

import asyncio
from contextlib import suppress
from datetime import UTC
from email.utils import format_datetime

from aiohttp import web
from aiohttp.typedefs import Handler

from cleanup.simulator import control
from cleanup.simulator.fault_effects import instead_of, made_of, throttled
from cleanup.simulator.messages import ApiResponse, Call, Delivery, RecordedRequest
from cleanup.simulator.routes import ROUTES, Operation

_CALL = web.RequestKey("call", Call)
_FAULT = web.RequestKey("fault", str)
_PLAIN = web.ResponseKey("plain", ApiResponse)
_PIECES = 20
_LARGEST_BODY = 16 << 20


def as_web(plain: ApiResponse) -> web.Response:
    """The response as aiohttp sends it; it carries the plain one along for the outer middlewares."""
    kind = {"Content-Type": plain.content_type} if plain.body else {}
    response = web.Response(status=plain.status, body=plain.body or None, headers={**kind, **plain.headers})
    response[_PLAIN] = plain
    return response


class Gateway:
    """The handlers and middlewares before one service.

    `drip` is the pause in seconds between the pieces of a slow response; setting `closing` ends the
    responses that hang or drip.
    """

    def __init__(self, simulation: control.Simulation, drip: float) -> None:
        self.closing = asyncio.Event()
        self._simulation = simulation
        self._drip = drip

    def application(self) -> web.Application:
        """All routes, behind the middlewares in the order in which a call passes them."""
        app = web.Application(
            client_max_size=_LARGEST_BODY,
            middlewares=[
                self.bypass,
                self.deliver,
                self.remember,
                self.throttle,
                self.authenticate,
                self.misbehave,
            ],
        )
        app.on_response_prepare.append(self.date)
        for method, path, handle in control.ROUTES:
            app.router.add_route(method, path, self.control(handle))
        for method, path, operation in ROUTES:
            app.router.add_route(method, path, self.answer, name=operation)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of every call of the API."""
        call, service = request[_CALL], self._simulation.service
        if call.operation is Operation.TOKEN:
            return as_web(self._simulation.access.issue(call, service.project_id, service.now()))
        return as_web(service.handle(call))

    def control(self, handle: control.Handle) -> Handler:
        """The handler of one control call."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return as_web(control.answer(handle, self._simulation, await _read(request)))

        return answer

    @web.middleware
    async def bypass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hand control calls straight to their handlers, past the other middlewares."""
        is_control = request.path.startswith(control.PREFIX)
        return await (request.match_info.handler if is_control else handler)(request)

    @web.middleware
    async def deliver(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Send the response whole, in pieces, or not at all."""
        response = await handler(request)
        match response[_PLAIN].delivery:
            case Delivery.WHOLE:
                return response
            case Delivery.SLOW:
                return await self._send_slowly(request, response)
            case Delivery.HANG:
                await self.closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _send_slowly(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        body = response[_PLAIN].body
        slow = web.StreamResponse(status=response.status, headers=response.headers)
        slow.content_length = len(body)
        await slow.prepare(request)
        step = max(1, len(body) // _PIECES)
        for start in range(0, len(body), step):
            await slow.write(body[start : start + step])
            with suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), self._drip)
                break
        return slow

    @web.middleware
    async def remember(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Number the call, and keep what was asked and what came of it before the response leaves."""
        call = request[_CALL] = await _read(request)
        response = await handler(request)
        plain, service = response[_PLAIN], self._simulation.service
        response.headers["X-Request-Id"] = request_id = service.new_id()
        service.remember(
            RecordedRequest(
                time=service.now(),
                request_id=request_id,
                operation=call.operation,
                method=call.method,
                path=call.path,
                query=call.query,
                body=call.body.decode(errors="replace"),
                image_id=call.image_id,
                status=None if plain.delivery in (Delivery.DROP, Delivery.HANG) else plain.status,
                effect=plain.effect,
                fault=request.get(_FAULT),
            )
        )
        return response

    @web.middleware
    async def throttle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 429 to what comes faster than the limit."""
        faults = self._simulation.faults
        if not faults.throttles(request[_CALL], self._simulation.service.now()):
            return await handler(request)
        request[_FAULT] = "throttle"
        return as_web(throttled(faults.throttle or 0))

    @web.middleware
    async def authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 401 to calls without the right login, but to the call that logs in."""
        call, now = request[_CALL], self._simulation.service.now()
        is_login = call.operation is Operation.TOKEN
        refused = None if is_login else self._simulation.access.refuse(call, now)
        return as_web(refused) if refused else await handler(request)

    @web.middleware
    async def misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Show the fault that is due: instead of the right response, or made out of it."""
        call, simulation = request[_CALL], self._simulation
        if (due := simulation.faults.choose(call)) is None:
            return await handler(request)
        request[_FAULT] = due.fault
        if (wrong := instead_of(due, call, simulation.service)) is None:
            right = (await handler(request))[_PLAIN]
            wrong = made_of(due.fault, right, simulation.faults.random)
        return as_web(wrong)

    async def date(self, _: web.Request, response: web.StreamResponse) -> None:
        """Put the service's clock into the `Date` header."""
        moment = self._simulation.service.now().astimezone(UTC)
        response.headers["Date"] = format_datetime(moment, usegmt=True)


async def _read(request: web.Request) -> Call:
    return Call(
        operation=Operation(request.match_info.route.name or Operation.OTHER),
        method=request.method,
        path=request.rel_url.raw_path,
        parts=dict(request.match_info),
        raw_query=request.rel_url.raw_query_string,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
    )
