"""A service that costs next to nothing: so many images, their deletes, nobody who uses them. It checks no signature.

It runs in a process of its own and prints its port; `latency` is in seconds, `throttle` a token bucket of
so many requests a second, `chance` a share of deletes that is refused; a refusal names `retry_after` seconds.
0 is none of it. `GET /most` tells how many deletes came in the busiest second.
"""

import asyncio
import json
import re
import sys
from bisect import bisect_left
from email.utils import formatdate
from random import Random
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

EMPTY = ("data", "items", "models", "services", "groups", "workspaces")
NOBODY = json.dumps({key: [] for key in EMPTY} | {"total": 0, "total_count": 0, "count": 0}).encode()
WORKSPACES = b'{"workspaces":[{"id":"0","name":"default"}],"total_count":1,"count":1}'
REFUSED = b'{"error_code":"APIG.0308","error_msg":"The throttling threshold has been reached"}'
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def image_id(number: int) -> str:
    return f"{number:08x}-edda-4556-bdbb-{number:012x}"


def image(number: int) -> dict[str, Any]:
    """One PRIVATE image of its own content, old enough for any rule."""
    repository = f"ns-{number % 37}/name-{number % 997}"
    moment = 1671093486722 + number
    return {
        "arch": "x86_64", "create_at": moment, "description": "", "dev_services": ["NOTEBOOK", "SSH"],
        "id": image_id(number), "name": f"name-{number % 997}", "namespace": f"ns-{number % 37}",
        "origin": "CUSTOMIZE", "resource_categories": ["CPU"], "service_type": "UNKNOWN",
        "size": 387840321 + number, "status": "ACTIVE", "tag": f"0.0.{number}", "type": "DEDICATED",
        "swr_path": f"swr.example.com/{repository}:0.0.{number}", "update_at": moment,
        "visibility": "PRIVATE", "workspace_id": "0",
    }  # fmt: skip


class Protocol(asyncio.Protocol):
    """HTTP/1.1, as far as a benchmark needs it."""

    images: list[str]
    latency = 0.0
    throttle = 0.0
    chance = 0.0
    retry_after = 0
    random = Random(1)
    came: ClassVar[list[float]] = []
    date = ""
    _tokens = 0.0
    _filled_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = LENGTH.search(head)
            whole = end + 4 + int(length[1] if length else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            if method == "DELETE":
                self.came.append(asyncio.get_running_loop().time())
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self._answer, method, target)
            else:
                self._answer(method, target)

    def _answer(self, method: str, target: str) -> None:
        status, body = self._decide(method, target)
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nDate: {self.date}\r\n"
        if status == 429 and self.retry_after:
            head += f"Retry-After: {self.retry_after}\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _decide(self, method: str, target: str) -> tuple[int, bytes]:
        if method == "DELETE":
            if self.random.random() < self.chance or (self.throttle and not self._lets_in()):
                return 429, REFUSED
            number = int(urlsplit(target).path.rsplit("/", 1)[1][:8], 16)
            return 200, self.images[number].replace('"ACTIVE"', '"DELETED"').encode()
        parts = urlsplit(target)
        if parts.path == "/most":
            came = self.came
            return 200, b"%d" % max(n - bisect_left(came, t - 1) for n, t in enumerate(came, 1))
        if parts.path.endswith("/images"):
            query = parse_qs(parts.query)
            offset, limit = (int(query.get(name, ["0"])[0]) for name in ("offset", "limit"))
            page = self.images[offset : offset + (limit or 200)]
            return (
                200,
                f'{{"data":[{",".join(page)}],"size":{len(page)},"total":{len(self.images)}}}'.encode(),
            )
        return 200, WORKSPACES if parts.path.endswith("/workspaces") else NOBODY

    @classmethod
    def _lets_in(cls) -> bool:
        now = asyncio.get_running_loop().time()
        cls._tokens = min(cls.throttle, cls._tokens + (now - cls._filled_at) * cls.throttle)
        cls._filled_at = now
        if cls._tokens < 1:
            return False
        cls._tokens -= 1
        return True


async def main(images: int, latency: float, throttle: float, chance: float, retry_after: int) -> None:
    Protocol.images = [json.dumps(image(number)) for number in range(images)]
    Protocol.latency, Protocol.throttle = latency, throttle
    Protocol.chance, Protocol.retry_after = chance, retry_after
    Protocol.date = formatdate(usegmt=True)
    server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how its caller learns it
    while True:
        Protocol.date = formatdate(usegmt=True)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    count, wait, per_second, share, after = sys.argv[1:]
    asyncio.run(main(int(count), float(wait), float(per_second), float(share), int(after)))
