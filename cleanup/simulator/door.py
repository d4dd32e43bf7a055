"""Between aiohttp and the gateway: requests become calls, answers what the client sees, or does not see."""

import asyncio
from datetime import UTC
from email.utils import format_datetime

from aiohttp import web

from cleanup.simulator.control import PREFIX, Control
from cleanup.simulator.messages import ApiResponse, Call, Delivery
from cleanup.simulator.middleware import Front

_PIECES = 20


class Door:
    """One handler for every path. `drip` is the pause in seconds between the pieces of a slow answer.

    Setting `closing` ends the answers that hang or drip.
    """

    def __init__(self, front: Front, drip: float) -> None:
        self.closing = asyncio.Event()
        self._front = front
        self._control = Control(front)
        self._drip = drip

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of either kind: the API's or the control's."""
        url, body = request.rel_url, await request.read()
        if url.path.startswith(PREFIX):
            given = self._control.answer(request.method, url.path.removeprefix(PREFIX), body)
            return self._whole(given)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call.parse(
            request.method, url.raw_path, query=url.raw_query_string, headers=headers, body=body
        )
        return await self._deliver(request, self._front.answer(call))

    async def _deliver(self, request: web.Request, given: ApiResponse) -> web.StreamResponse:
        match given.delivery:
            case Delivery.WHOLE:
                return self._whole(given)
            case Delivery.SLOW:
                return await self._slowly(request, given)
            case Delivery.HANG:
                await self.closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _whole(self, given: ApiResponse) -> web.Response:
        return web.Response(status=given.status, body=given.body or None, headers=self._headers(given))

    async def _slowly(self, request: web.Request, given: ApiResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=given.status, headers=self._headers(given))
        response.content_length = len(given.body)
        await response.prepare(request)
        step = max(1, len(given.body) // _PIECES)
        for start in range(0, len(given.body), step):
            await response.write(given.body[start : start + step])
            if await self._closes_within(self._drip):
                break
        return response

    async def _closes_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _headers(self, given: ApiResponse) -> dict[str, str]:
        date = format_datetime(self._front.service.now().astimezone(UTC), usegmt=True)
        kind = {"Content-Type": given.content_type} if given.body else {}
        return {"Date": date, **kind, **given.headers}
