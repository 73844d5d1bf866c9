"""L15: with the only server black-holed, what may be served stale is, without waiting for it."""

import asyncio
import contextlib
import socket
import time

from goals.goal import Bound, Goal, gather_all, stage
from origin import page_of
from wire import fetch

PAGES = 20
REQUESTS = 1000


@contextlib.contextmanager
def black_hole(port):
    """A listener whose queue is full: the kernel drops what else wants to connect."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    fillers = []
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    try:
        yield
    finally:
        for opened in [listener, *fillers]:
            opened.close()


async def timed(port, target):
    began = time.monotonic()
    answer = await fetch(port, target, seconds=15)
    return (time.monotonic() - began) * 1000, answer.is_page(page_of(target))


async def attempt(yard, name):
    async with stage(yard, name) as on:
        targets = [f"/page/{number}?ttl=1&stale=3600" for number in range(PAGES)]
        await gather_all([fetch(on.port, target) for target in targets])
        await asyncio.sleep(2.1)
        await on.origin.stop()
        with black_hole(on.origin.port):
            # Whoever comes first waits for a connection in vain; then the server is known as down.
            first = await gather_all([timed(on.port, target) for target in targets])
            times, rights = [], 0
            for number in range(REQUESTS):
                took, is_right = await timed(on.port, targets[number % PAGES])
                times.append(took)
                rights += is_right
                await asyncio.sleep(0.002)
        times.sort()
        return {
            "p99_ms": times[len(times) * 99 // 100],
            "worst_ms": times[-1],
            "first_ms": max(took for took, _ in first),
            "not_served": REQUESTS - rights,
        }


GOAL = Goal(
    "L15",
    f"{REQUESTS} requests for {PAGES} stale pages while the server is black-holed and known to be down",
    (
        Bound("not_served", "of them not served", 0, is_worst=True),
        Bound("p99_ms", "99 of 100 served within, ms", 5),
    ),
    attempt,
)
