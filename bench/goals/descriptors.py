"""R5: four clients for each descriptor. No crash, no spinning, and full service when they are gone."""

import asyncio
import time

from goals.goal import NEVER, Bound, Goal, gather_all, stage
from servers import Setting
from wire import Connection, fetch

LIMIT = 64
CLIENTS = 4 * LIMIT
WATCHED_SECONDS = 3
HIT = "/hit?ttl=3600"
# Root could raise its limit again, and some proxies would: they are given no right to.
BEFORE = ("setpriv", "--inh-caps", "-sys_resource", "--bounding-set", "-sys_resource")
BEFORE += ("prlimit", f"--nofile={LIMIT}:{LIMIT}", "--")


async def seconds_until_served(port):
    """From now until 20 new connections in a row get the page; what fails meanwhile is not counted."""
    began = time.monotonic()
    good = 0
    while time.monotonic() - began < 15:
        answer = await fetch(port, HIT, seconds=2)
        good = good + 1 if answer.status == 200 else 0
        if good == 20:
            return time.monotonic() - began
        if good == 0:
            await asyncio.sleep(0.02)
    return NEVER


async def attempt(yard, name):
    async with stage(yard, name, Setting(before=BEFORE)) as on:
        await fetch(on.port, HIT)

        async def crowd():
            connection = await Connection.open(on.port)
            answer = await connection.ask(HIT, seconds=2)
            return connection, answer

        crowded = await gather_all([crowd() for _ in range(CLIENTS)])
        before = on.proxy.cpu_time()
        await asyncio.sleep(WATCHED_SECONDS)
        cpu = on.proxy.cpu_time() - before
        for connection, _ in crowded:
            connection.reset()
        return {
            "served": sum(answer.status == 200 for _, answer in crowded),
            "cpu_percent": 100 * cpu.total / WATCHED_SECONDS,
            "relief_seconds": await seconds_until_served(on.port),
            "crashed": int(on.proxy.has_crashed()),
        }


GOAL = Goal(
    "R5",
    f"{CLIENTS} clients that stay, and {LIMIT} descriptors",
    (
        Bound("crashed", "crashes", 0, is_worst=True),
        Bound("cpu_percent", "processor time while there are none left, % of a core", 5),
        Bound("relief_seconds", "full service after they leave, s", 1),
    ),
    attempt,
    peers=("nginx", "varnish"),  # HAProxy does not start with fewer descriptors than its maxconn needs
)
