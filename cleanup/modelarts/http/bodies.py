"""The body of an answer, within its bound, and unpacked where it comes packed though nobody asked for that."""

import zlib
from collections.abc import Mapping

import aiohttp

_CHUNK = 1 << 18
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


async def read_body(headers: Mapping[str, str], content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """The body as it was meant. Raises ValueError saying why it cannot be had; it may not be read to its end then."""
    body = await _read(headers, content, max_bytes)
    coding = headers.get("Content-Encoding")
    return _unpacked(body, coding, max_bytes) if coding else body


async def _read(headers: Mapping[str, str], content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """The body as it came. Raises ValueError where it is larger than that, and reads no further."""
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= max_bytes:
        return await content.read()
    body = bytearray()
    async for chunk in content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise ValueError(too_large(max_bytes))
    return bytes(body)


def _unpacked(body: bytes, coding: str, max_bytes: int) -> bytes:
    """The body as it was before its content coding, which nobody asked for. Raises ValueError saying why not."""
    coding = coding.strip().lower()
    if not body or coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"its body has the content coding {coding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise ValueError(f"its body cannot be unpacked: it is no {coding}, as its header says") from None
    if len(plain) > max_bytes:
        raise ValueError(too_large(max_bytes))
    if not unpacker.eof:
        raise ValueError(f"its body was cut off: the {coding} ends too soon")
    return plain


def too_large(max_bytes: int) -> str:
    return f"its answer is larger than {max_bytes >> 20} MiB and was not read"
