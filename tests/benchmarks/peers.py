"""The peers of `apply`, each run in a process of its own: `peers sdk|bare URL DELETES AT_ONCE`."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.server import image_id

PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def sdk(url: str, deletes: int, at_once: int) -> None:
    """The vendor's SDK, signed, in as many threads."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.http.http_config import HttpConfig
    from huaweicloudsdkmodelarts import v1  # type: ignore[import-untyped]

    config = HttpConfig.get_default_config()
    config.connection_pool_maxsize = at_once
    builder = v1.ModelArtsClient.new_builder().with_http_config(config).with_endpoint(url)
    client = builder.with_credentials(BasicCredentials("ak", "sk", PROJECT)).build()

    def delete(number: int) -> None:
        client.delete_image(v1.DeleteImageRequest(id=image_id(number)))

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(delete, range(deletes)))


async def bare(url: str, deletes: int, at_once: int) -> None:
    """A loop over aiohttp: no signature, no journal, no second look."""
    import aiohttp

    numbers = iter(range(deletes))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def work() -> None:
            for number in numbers:
                async with session.delete(f"{url}/v1/{PROJECT}/images/{image_id(number)}") as answer:
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(at_once)))


if __name__ == "__main__":
    which, where, count, together = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if which == "sdk":
        sdk(where, count, together)
    else:
        asyncio.run(bare(where, count, together))
