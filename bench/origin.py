"""An origin that does what a request's target says, its faults included.

`/anything?length=1000&ttl=60&delay_ms=5&fault=cut`: the page is made from the target, so that whoever fetches
it knows what its bytes must be. Without `ttl` the answer is `no-store`.
"""

import asyncio
import hashlib
import random
import socket
import struct
from collections import Counter
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

PART = 16384  # bodies are sent in parts of so many bytes


@lru_cache(maxsize=256)
def page(target, length):
    """The bytes of a page: no two targets have the same."""
    seed = hashlib.sha256(target.encode()).hexdigest().encode()
    return (seed * (length // len(seed) + 1))[:length]


def length_of(target):
    return int(dict(parse_qsl(urlsplit(target).query)).get("length", 1000))


def page_of(target):
    return page(target, length_of(target))


class Abort(Exception):
    """The connection ends here: by FIN, or by RST."""

    def __init__(self, by_reset):
        super().__init__()
        self.by_reset = by_reset


class Origin:
    """Serves on a port of loopback, within the event loop of the run."""

    def __init__(self, seed=1, fault_share=0.0, faults=()):
        self.random = random.Random(seed)
        self.fault_share, self.faults = fault_share, faults
        self.fetches = Counter()  # requests, by target
        self.bodies = Counter()  # request bodies that came whole, by content
        self.faults_done = Counter()
        self.port, self.server, self.writers = 0, None, set()

    async def start(self):
        self.server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=4096, limit=1 << 17, reuse_address=True
        )
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        """Refuses connections from now on, and ends those that are open. May be started again."""
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except Abort as abort:
            if abort.by_reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _exchange(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        fields = dict((name.lower(), value.strip()) for name, _, value in (l.partition(":") for l in lines))
        self.fetches[target] += 1
        query = dict(parse_qsl(urlsplit(target).query))
        if query.get("fault") == "unread":
            await asyncio.sleep(3600)  # neither reads the body nor answers
        body = await read_body(reader, fields)
        if body:
            self.bodies[body] += 1
        fault = query.get("fault")
        if not fault and self.faults and self.random.random() < self.fault_share:
            fault = self.random.choice(self.faults)
        if "delay_ms" in query:
            await asyncio.sleep(int(query["delay_ms"]) / 1000)
        if fault:
            self.faults_done[fault] += 1
            await FAULTS[fault](writer, target, query)
        else:
            await answer(writer, method, target, query, fields)
        return True


async def read_body(reader, fields):
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    body = b""
    if "chunked" in fields.get("transfer-encoding", ""):
        while length := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(length)
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    return body


def head_of(target, query, length, status="200 OK"):
    tag = hashlib.sha256(target.encode()).hexdigest()[:16]
    control = f"max-age={query['ttl']}" if "ttl" in query else "no-store"
    if "stale" in query:
        control += f", stale-if-error={query['stale']}"
    lines = [f"HTTP/1.1 {status}", f"Date: {formatdate(usegmt=True)}", f"Cache-Control: {control}"]
    lines += [f'ETag: "{tag}"', "Content-Type: text/plain"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def answer(writer, method, target, query, fields):
    body = page_of(target)
    tag = hashlib.sha256(target.encode()).hexdigest()[:16]
    if f'"{tag}"' in fields.get("if-none-match", ""):
        writer.write(head_of(target, query, None, "304 Not Modified"))
        return await writer.drain()
    writer.write(head_of(target, query, len(body)))
    if method != "HEAD":
        over_ms = int(query.get("over_ms", 0))
        parts = range(0, len(body), PART)
        for start in parts:
            writer.write(body[start : start + PART])
            await writer.drain()
            if over_ms:
                await asyncio.sleep(over_ms / 1000 / len(parts))
    return await writer.drain()


async def half(writer, target, query):
    body = page_of(target)
    writer.write(head_of(target, query, len(body)) + body[: len(body) // 2])
    await writer.drain()


async def cut(writer, target, query):
    await half(writer, target, query)
    raise Abort(by_reset=False)


async def reset(writer, target, query):
    await half(writer, target, query)
    await asyncio.sleep(0.01)  # RST takes along what was not read yet; let the half arrive
    raise Abort(by_reset=True)


async def stall(writer, target, query):
    await half(writer, target, query)
    await asyncio.sleep(3600)


async def silent(writer, target, query):
    await asyncio.sleep(3600)


async def drip(writer, target, query):
    body = page_of(target)
    writer.write(head_of(target, query, len(body)))
    for start in range(0, len(body), max(len(body) // 20, 1)):
        writer.write(body[start : start + max(len(body) // 20, 1)])
        await writer.drain()
        await asyncio.sleep(0.005)


async def early_close(writer, target, query):
    raise Abort(by_reset=False)


async def early_reset(writer, target, query):
    raise Abort(by_reset=True)


async def half_head(writer, target, query):
    writer.write(head_of(target, query, 10)[:40])
    await writer.drain()
    raise Abort(by_reset=False)


def whole(make):
    """A fault that is in the bytes: they are sent, and the connection stays open for what comes of it."""

    async def send(writer, target, query):
        writer.write(make(target, query))
        await writer.drain()

    return send


def too_long(target, query):
    body = page_of(target)
    return head_of(target, query, len(body)) + body + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def two_lengths(target, query):
    head = head_of(target, query, 10).replace(b"Content-Length", b"Content-Length: 5\r\nContent-Length")
    return head + b"0123456789"


def length_and_chunked(target, query):
    head = head_of(target, query, 5).replace(b"Content-Type", b"Transfer-Encoding: chunked\r\nContent-Type")
    return head + b"0\r\n\r\n"


def bad_chunk(target, query):
    head = head_of(target, query, None).replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    return head + b"5\r\n01234\r\nzz\r\n01234\r\n0\r\n\r\n"


def interim_storm(target, query):
    body = page_of(target)
    return b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + head_of(target, query, len(body)) + body


def huge_head(target, query):
    return head_of(target, query, 0).replace(b"\r\n\r\n", b"\r\nX-Long: " + b"a" * (1 << 20) + b"\r\n\r\n")


def server_error(target, query):
    return b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nerror"


FAULTS = {
    "cut": cut,
    "reset": reset,
    "stall": stall,
    "silent": silent,
    "drip": drip,
    "early-close": early_close,
    "early-reset": early_reset,
    "half-head": half_head,
    "garbage": whole(lambda target, query: b"\x00\x01\x02 not HTTP at all\r\n\r\n" * 20),
    "too-long": whole(too_long),
    "two-lengths": whole(two_lengths),
    "length-and-chunked": whole(length_and_chunked),
    "bad-chunk": whole(bad_chunk),
    "interim-storm": whole(interim_storm),
    "huge-head": whole(huge_head),
    "server-error": whole(server_error),
}
# Those that end by themselves, without a time-out of the proxy.
QUICK_FAULTS = tuple(name for name in FAULTS if name not in ("stall", "silent"))
