"""One open connection: a request goes out, its answer comes in, one at a time."""

import asyncio
import re
from typing import Final

import aiohttp
from multidict import CIMultiDict

from cleanup.modelarts.http.alarm import Alarm
from cleanup.modelarts.http.bodies import read_body, too_large
from cleanup.modelarts.http.causes import LONGEST_HEADER
from cleanup.modelarts.http.messages import Response

# A status line and headers, without what HTTP allows and hardly anybody sends.
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) [\t -~]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
_FIELD = re.compile(r"([^:]+):[\t ]*(.*?)[\t ]*\r\n")
_LONGEST_ORDINARY: Final = 1 << 16  # bytes, head and body
_WITHOUT_BODY: Final = (204, 304)


class OpenConnection(asyncio.Protocol):
    """A connection that aiohttp opened and counts; it takes the place of aiohttp's protocol, `_theirs`.

    An ordinary answer that comes in one piece is read here: that is nearly every one, and a quarter of the
    cost. Everything else is left to aiohttp, from its first byte on. What comes while nothing is asked belongs
    to no request, and spoils the connection.
    """

    def __init__(self, lease: aiohttp.connector.Connection, alarm: Alarm) -> None:
        if lease.protocol is None or lease.protocol.transport is None:
            lease.close()
            raise aiohttp.ClientConnectionResetError
        self._lease = lease
        self._theirs = lease.protocol
        self._transport = lease.protocol.transport
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Response | None] | None = None
        self._is_spoilt = self._is_theirs = False
        self.idle_since = 0.0  # a second of the loop's clock
        self._transport.set_protocol(self)

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent: nothing is left over, and nobody has closed it."""
        return not (self._is_spoilt or self._theirs.should_close or self._transport.is_closing())

    async def ask(self, request: bytes, *, until: float, max_bytes: int) -> Response:
        """Send it and have its answer; TimeoutError where that is not there by the loop's second `until`.

        Raises ValueError where its body cannot be read. Whoever gets no answer has to close it.
        """
        if self._transport.is_closing():
            raise aiohttp.ClientConnectionResetError
        answer: asyncio.Future[Response | None] = self._loop.create_future()
        self._answer = answer
        self._alarm.set(answer, until)
        try:
            self._transport.write(request)
            found = await answer
        finally:
            self._alarm.unset(answer)
            self._answer = None
        if found is None:
            async with asyncio.timeout_at(until):
                return await self._read_by_them(max_bytes)
        if len(found.body) > max_bytes:
            return Response(found.status, b"", found.headers, too_large(max_bytes))
        return found

    async def _read_by_them(self, max_bytes: int) -> Response:
        head, content = await self._theirs.read()
        while 100 <= head.code < 200 and head.code != 101:  # what comes ahead of an answer
            head, content = await self._theirs.read()
        try:
            body = await read_body(head.headers, content, max_bytes)
        except ValueError as error:
            return Response(head.code, b"", head.headers, str(error))
        self._is_theirs = False
        return Response(head.code, body, head.headers)

    def data_received(self, data: bytes) -> None:
        if not self._is_theirs:
            if self._answer is None or self._answer.done():
                self._is_spoilt = True
                return
            if found := _ordinary(data):
                self._answer.set_result(found)
                return
            self._leave_to_them()
        self._theirs.data_received(data)

    def _leave_to_them(self) -> None:
        self._is_theirs = True
        self._theirs.set_response_params(
            read_until_eof=True, auto_decompress=False, max_field_size=LONGEST_HEADER
        )
        self._end_wait()

    def _end_wait(self) -> None:
        """Whoever waits for an answer goes on to read what aiohttp has of it, or its error."""
        if self._answer and not self._answer.done():
            self._answer.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_spoilt = True
        self._theirs.connection_lost(exc)
        self._end_wait()

    def eof_received(self) -> None:
        self._theirs.eof_received()

    def pause_writing(self) -> None:
        self._theirs.pause_writing()

    def resume_writing(self) -> None:
        self._theirs.resume_writing()

    def give_back(self) -> None:
        """Leave it to aiohttp, for whoever asks there for a connection next."""
        if not self.is_usable:
            self.close()
            return
        self._transport.set_protocol(self._theirs)
        self._lease.release()

    def close(self) -> None:
        self._lease.close()


def _ordinary(data: bytes) -> Response | None:
    """A whole answer whose body has the length that its head tells, as it came; else None."""
    head = _HEAD.match(data)
    if head is None or len(data) > _LONGEST_ORDINARY:
        return None
    status, headers = int(head[1]), CIMultiDict(_FIELD.findall(head[2].decode("ascii")))
    if (
        status in _WITHOUT_BODY
        or headers.getall("Content-Length", None) != [str(len(data) - head.end())]
        or "Transfer-Encoding" in headers
        or "Content-Encoding" in headers
        or headers.get("Connection", "keep-alive").lower() != "keep-alive"
    ):
        return None
    return Response(status, data[head.end() :], headers)
