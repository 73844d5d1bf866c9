"""R7: the wall clock jumps by three days, both ways, under load. Nobody waits longer, no Age is wrong."""

import asyncio
import re
import struct
import time
from email.utils import parsedate_to_datetime

from goals.goal import NEVER, Bound, Goal, gather_all, stage
from processes import BenchError
from scenarios import compiled
from servers import HERE, Setting
from wire import COMPLETE, Connection, fetch

THREE_DAYS = 3 * 86400
OFFSETS = (THREE_DAYS, 0, -THREE_DAYS, 0, THREE_DAYS, -THREE_DAYS, 0)
BETWEEN_SECONDS = 1
CLIENTS = 16
# No page is older than the run, whatever a clock says.
OLDEST_SECONDS = 60


class Watch:
    def __init__(self):
        self.longest_ms, self.bad_ages, self.failed, self.requests = 0.0, 0, 0, 0

    def see(self, answer, took):
        self.requests += 1
        self.longest_ms = max(self.longest_ms, took * 1000)
        age = answer.fields.get("age", "0")
        if not re.fullmatch(r"[0-9]+", age) or int(age) > OLDEST_SECONDS:
            self.bad_ages += 1
        if answer.end != COMPLETE or answer.status != 200:
            self.failed += 1


async def client(port, number, watch, until):
    connection = None
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            connection = connection or await Connection.open(port)
            # A long and a short life: hits of what is old by a jump, and fetches at every time.
            target = f"/page/{watch.requests % 50}?ttl={3600 if number % 2 else 1}"
            answer = await connection.ask(target, seconds=5)
            watch.see(answer, time.monotonic() - began)
            if not answer.keeps_alive:
                connection.close()
                connection = None
        except OSError:
            watch.failed, watch.longest_ms, connection = watch.failed + 1, NEVER, None
        await asyncio.sleep(0.005)
    if connection:
        connection.close()


async def ahead(port):
    """By how much the proxy's clock is ahead, in seconds: its own answers are dated by it."""
    refusal = await fetch(port, "/", host="bad host")
    return parsedate_to_datetime(refusal.fields["date"]).timestamp() - time.time()


async def attempt(yard, name):
    clock = yard.directory / "wall-clock"
    clock.write_bytes(struct.pack("=q", 0))
    tests = "../Tests/JumpingClock"
    library = compiled(yard, f"{tests}/Clock.c", "-shared", "-fPIC", "-I", str(HERE / tests / "include"))
    before = ("env", f"LD_PRELOAD={library}", f"LARDER_CLOCK={clock}")
    async with stage(yard, name, Setting(before=before)) as on:
        watch = Watch()
        until = time.monotonic() + BETWEEN_SECONDS * (len(OFFSETS) + 1)

        async def jump():
            for offset in OFFSETS:
                await asyncio.sleep(BETWEEN_SECONDS)
                with open(clock, "r+b") as file:
                    file.write(struct.pack("=q", offset))
                if name == "larder" and abs(await ahead(on.port) - offset) > 60:
                    raise BenchError(f"the proxy's clock did not jump to {offset} s")

        await gather_all([jump(), *(client(on.port, number, watch, until) for number in range(CLIENTS))])
        return {
            "longest_ms": watch.longest_ms,
            "bad_ages": watch.bad_ages,
            "failed": watch.failed,
            "requests": watch.requests,
        }


GOAL = Goal(
    "R7",
    f"{len(OFFSETS)} jumps of the wall clock by 3 days or 6, under load",
    (
        Bound("longest_ms", "longest wait of a client, ms", 1000, is_worst=True),
        Bound("bad_ages", "answers with an Age that is not the time that passed", 0, is_worst=True),
        Bound("failed", "requests without a whole answer", 0, is_worst=True),
    ),
    attempt,
    peers=("nginx", "haproxy", "varnish"),
)
