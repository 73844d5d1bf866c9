"""S5: clients that send or read a byte now and then must not keep others waiting, nor stay for ever."""

import asyncio
import contextlib
import time

from goals.goal import NEVER, Bound, Goal, gather_all, stage
from wire import Connection, fetch

EACH = 250  # clients of each kind
STEP_SECONDS = 0.5
WATCHED_SECONDS = 15  # the bystander, and how long peers are watched
OUR_SECONDS = 70  # how long ours are given to be ended: twice the default --body-timeout, and some
# They come one after the other, and so do their steps: all at once would measure this program.
BEGINNING_SECONDS = 2
HIT = "/bystander?ttl=3600"
LARGE = "/large?ttl=3600&length=4000000"


async def seconds_until_ended(port, begin, step, watched, delay):
    """Begins something and goes on by `step` (None: reads a little) until the proxy ends or refuses it."""
    await asyncio.sleep(delay)
    connection = await Connection.open(port, receive_buffer=None if step else 4096)
    began = time.monotonic()
    ended = asyncio.create_task(connection.reader.read(1)) if step else None
    try:
        await connection.send(begin)
        while time.monotonic() - began < watched:
            if ended is None:
                await asyncio.sleep(STEP_SECONDS)
                # Seen at once, and not when all that came before it has been read.
                if connection.has_ended() or not await connection.reader.read(64):
                    return time.monotonic() - began
            elif (await asyncio.wait([ended], timeout=STEP_SECONDS))[0]:
                return time.monotonic() - began
            else:
                await connection.send(step)
        return NEVER
    except OSError:
        return time.monotonic() - began
    finally:
        if ended:
            ended.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await ended
        connection.reset()


KINDS = {
    "head": (b"GET /slow HTTP/1.1\r\nHost: bench.test\r\nX-Slow: ", b"a"),
    "body": (b"POST /slow HTTP/1.1\r\nHost: bench.test\r\nContent-Length: 1000000\r\n\r\n", b"a"),
    "chunks": (
        b"POST /slow HTTP/1.1\r\nHost: bench.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n",
    ),
    "reader": (f"GET {LARGE} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode(), None),
}


async def bystander(port, seconds):
    """The longest wait of somebody who comes every 20 ms with a connection of its own, in ms."""
    await asyncio.sleep(BEGINNING_SECONDS + STEP_SECONDS)
    worst, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        answer = await fetch(port, HIT, seconds=10)
        took = (time.monotonic() - began) * 1000 if answer.status == 200 else NEVER
        worst = max(worst, took)
        await asyncio.sleep(0.02)
    return worst


async def attempt(yard, name):
    async with stage(yard, name) as on:
        for target in (HIT, LARGE):
            await fetch(on.port, target)
        watched = OUR_SECONDS if name == "larder" else WATCHED_SECONDS
        kinds = [kind for kind in KINDS for _ in range(EACH)]
        delays = [BEGINNING_SECONDS * number / len(kinds) for number in range(len(kinds))]
        before = on.proxy.cpu_time()
        worst, *ends = await gather_all(
            [
                bystander(on.port, WATCHED_SECONDS),
                *(
                    seconds_until_ended(on.port, *KINDS[kind], watched, delay)
                    for kind, delay in zip(kinds, delays)
                ),
            ]
        )
        cpu = on.proxy.cpu_time() - before
        figures = {"bystander_ms": worst, "cpu_percent": 100 * cpu.total / watched}
        for kind, seconds in zip(kinds, ends):
            name_of_figure = f"{kind}_seconds"
            figures[name_of_figure] = max(figures.get(name_of_figure, 0), seconds)
        return figures


GOAL = Goal(
    "S5",
    f"{EACH} clients each that send heads, bodies and chunks and that read by a byte every half second",
    (
        Bound("bystander_ms", "longest wait of a bystander, ms", 100),
        Bound("head_seconds", "a slow head is ended after, s", 11),
        Bound(
            "body_seconds",
            f"a slow body is ended after, s (peers are watched for {WATCHED_SECONDS})",
            OUR_SECONDS,
        ),
        Bound("chunks_seconds", "a slow chunked body is ended after, s", OUR_SECONDS),
        Bound("reader_seconds", "a slow reader is ended after, s", OUR_SECONDS),
    ),
    attempt,
    peers=("nginx", "haproxy", "varnish"),
)
