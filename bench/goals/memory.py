"""R6: little memory, many connections, more objects than fit. Never killed; who is refused is told."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import replace

from control_group import ControlGroup, obstacle
from goals.goal import Bound, Goal, gather_all, stage
from servers import Setting
from wire import COMPLETE, SILENT, Connection, fetch

GROUP_MIB = 128
CACHE_MIB = 64
CONNECTIONS = 2000
OBJECT_BYTES = 64 * 1024
OBJECTS = (1 << 30) // OBJECT_BYTES
SLOW_SHARE = 4  # one of so many clients reads slowly
# Then so many ask for what cannot be kept and do not read: whatever is held for each must not add up.
STUCK, STUCK_BYTES, STUCK_SECONDS = 400, 4_000_000, 4


class Crowd:
    """Clients who ask for one object after the other, each object once, until all have been asked for."""

    def __init__(self, port):
        self.port = port
        self.numbers = iter(range(OBJECTS))
        self.outcomes = Counter()

    async def client(self, is_slow):
        connection = None
        for number in self.numbers:
            try:
                connection = connection or await Connection.open(self.port, 8192 if is_slow else None)
                if is_slow:
                    await asyncio.sleep(0.2)
                target = f"/object/{number}?ttl=3600&length={OBJECT_BYTES}"
                answer = await connection.ask(target, seconds=20)
            except OSError:
                self.outcomes["refused"] += 1
                connection = None
                continue
            self.outcomes[self.outcome(answer)] += 1
            if not answer.keeps_alive:
                connection.reset()
                connection = None
        if connection:
            connection.reset()

    def outcome(self, answer):
        if answer.end == COMPLETE and answer.status == 200:
            return "whole" if len(answer.body) == OBJECT_BYTES else "wrong"
        if answer.end == COMPLETE and answer.status == 503:
            return "shed" if "retry-after" in answer.fields else "shed without Retry-After"
        return "silent" if answer.end == SILENT else f"{answer.end} {answer.status}"


async def stuck_client(port, number):
    connection = await Connection.open(port, receive_buffer=4096)
    await connection.send(
        f"GET /stuck/{number % 8}?length={STUCK_BYTES} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode()
    )
    return connection


async def bystander(crowd, seconds):
    """Asks for what is small and can be kept, while others hold what they can."""
    target = f"/bystander?ttl=3600&length={OBJECT_BYTES}"
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        crowd.outcomes[crowd.outcome(await fetch(crowd.port, target, seconds=10))] += 1
        await asyncio.sleep(0.02)


class MemoryWatch(threading.Thread):
    """Samples from a thread of its own: the event loop may be busy just when memory is at its highest."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ended, self.highest = server, threading.Event(), 0

    def run(self):
        while not self.ended.wait(0.05):
            self.highest = max(self.highest, self.server.memory()[0])


async def attempt(yard, name, setting=Setting(cache_mebibytes=CACHE_MIB)):
    group, watch = ControlGroup(GROUP_MIB << 20), None
    try:
        async with stage(yard, name, replace(setting, before=group.before())) as on:
            crowd, watch = Crowd(on.port), MemoryWatch(on.proxy)
            watch.start()
            await gather_all([crowd.client(number % SLOW_SHARE == 0) for number in range(CONNECTIONS)])
            stuck = [stuck_client(on.port, number) for number in range(STUCK)]
            _, *held = await gather_all([bystander(crowd, STUCK_SECONDS), *stuck])
            for connection in filter(None, held):
                connection.reset()
            watch.ended.set()
            told = crowd.outcomes["whole"] + crowd.outcomes["shed"]
            return {
                "kills": max(group.kills(), int(on.proxy.has_crashed())),
                "resident_mib": watch.highest / 2**20,
                "not_told": crowd.outcomes.total() - told,
                "shed": crowd.outcomes["shed"],
                "outcomes": dict(crowd.outcomes),
            }
    finally:
        if watch:
            watch.ended.set()
        group.close()


BOUNDS = (
    Bound("kills", "ended by the kernel, or crashed", 0, is_worst=True),
    Bound("resident_mib", "resident size, MiB", CACHE_MIB * 1.25),
    Bound("not_told", "requests neither answered nor shed with 503 and Retry-After", 0, is_worst=True),
)

GOAL = Goal(
    "R6",
    f"{GROUP_MIB} MiB for all, a cache of {CACHE_MIB} MiB, {CONNECTIONS} clients, 1 GiB of objects; "
    f"then {STUCK} who do not read",
    BOUNDS,
    attempt,
    peers=("haproxy", "varnish"),
    obstacle=obstacle,
)
