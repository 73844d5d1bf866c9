"""S6: what is too large is refused at once, and never held: at most 1 MiB for each connection."""

import asyncio
import contextlib
import time

from goals.goal import Bound, Goal, gather_all, stage
from wire import COMPLETE, Connection, fetch

AT_ONCE_MS = 100
HELD = 100  # connections whose memory is measured
SENT_BYTES = 8 << 20  # what each of them tries to send or does not read
CHUNK = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"


def get(target, *fields):
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: bench.test", *fields, "", ""]).encode()


def post_length(value):
    return f"POST /post HTTP/1.1\r\nHost: bench.test\r\nContent-Length: {value}\r\n\r\n".encode()


CHUNKED = b"POST /post HTTP/1.1\r\nHost: bench.test\r\nTransfer-Encoding: chunked\r\n\r\n"
# What is sent, and what Larder may say to it.
CASES = {
    "target": (get("/" + "a" * 20_000), (414,)),
    "field": (get("/", "X-Long: " + "a" * 100_000), (431,)),
    "fields": (get("/", *(f"X-{number}: 1" for number in range(1000))), (431,)),
    "endless head": (b"GET / HTTP/1.1\r\nHost: bench.test\r\nX-Long: " + b"a" * 1_000_000, (431,)),
    "length over the limit": (post_length(1 << 40), (413,)),
    "length 2^62": (post_length(1 << 62), (413,)),
    "length 2^63 - 1": (post_length((1 << 63) - 1), (413, 400)),
    "length 2^63": (post_length(1 << 63), (400,)),
    "length 2^64 + 5": (post_length((1 << 64) + 5), (400,)),
    "length of 40 digits": (post_length("9" * 40), (400,)),
    "chunk 2^63": (CHUNKED + b"8000000000000000\r\n", (400,)),
    "chunk of 40 digits": (CHUNKED + b"f" * 40 + b"\r\n", (400,)),
}


async def refusal(port, data):
    """(status, ms until it was there, counted from the last byte sent or from when no more was taken)."""
    connection = await Connection.open(port)
    began = time.monotonic()
    with contextlib.suppress(OSError):
        await connection.send(data)
    answer = await connection.answer(seconds=5)
    took = (time.monotonic() - began) * 1000
    connection.reset()
    return answer.status if answer.end == COMPLETE else 0, took


async def settled_memory(proxy):
    """Its memory as soon as it no longer changes: a busy machine takes a while to push what was sent."""
    last, until = -1, time.monotonic() + 10
    while time.monotonic() < until:
        now = proxy.memory()[0]
        if abs(now - last) < 64 * 1024:
            return now
        last = now
        await asyncio.sleep(0.5)
    return last


async def held_each(on, begin, part=None, parts=0, receive_buffer=None):
    """Growth of the proxy's memory for each of many connections that stop in the middle."""
    before = await settled_memory(on.proxy)

    async def push():
        connection = await Connection.open(on.port, receive_buffer=receive_buffer)
        connection.writer.write(begin)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                for _ in range(parts):
                    await connection.send(part)
        return connection

    connections = await gather_all([push() for _ in range(HELD)])
    grown = await settled_memory(on.proxy) - before
    for connection in connections:
        connection.reset()
    return grown / HELD / 1024


async def attempt(yard, name):
    async with stage(yard, name) as on:
        large = f"/large?ttl=60&length={SENT_BYTES}"
        await fetch(on.port, "/small?ttl=60")
        outcomes = {case: await refusal(on.port, data) for case, (data, _) in CASES.items()}
        sent = [
            await held_each(on, get("/", "X-Long: " + "a" * 60_000)[:-4]),
            await held_each(on, CHUNKED.replace(b"/post", b"/post?fault=unread"), CHUNK, SENT_BYTES >> 15),
        ]
        unread = [
            # Not for the cache, so that a client that does not read holds the origin back.
            await held_each(on, get(f"/large?length={SENT_BYTES}"), receive_buffer=4096),
            await held_each(on, get(large), receive_buffer=4096),
        ]
        return {
            "wrong": sum(status not in CASES[case][1] for case, (status, _) in outcomes.items()),
            "not_refused": sum(not 400 <= status < 500 for status, _ in outcomes.values()),
            "slowest_ms": max(took for _, took in outcomes.values()),
            "sent_kib": max(sent),
            "unread_kib": max(unread),
            "statuses": {case: status for case, (status, _) in outcomes.items()},
            "held_kib": {"head": sent[0], "body": sent[1], "pass": unread[0], "page": unread[1]},
            "crashed": int(on.proxy.has_crashed()),
        }


GOAL = Goal(
    "S6",
    f"{len(CASES)} kinds of oversize heads, fields, bodies and lengths; {HELD} connections stopped half-way",
    (
        Bound("not_refused", "of them not answered with a status of 4xx", 0, is_worst=True),
        Bound("wrong", "answered otherwise than with our 400, 413, 414, 431", 0, is_worst=True),
        Bound("slowest_ms", "slowest refusal, ms", AT_ONCE_MS),
        Bound("sent_kib", "memory for a client that stops sending, KiB", 1024),
        Bound("unread_kib", "memory for a client that stops reading, KiB", 1024),
    ),
    attempt,
    peers=("nginx", "haproxy", "varnish"),
)
