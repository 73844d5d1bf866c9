"""R11: 1,000 clients ask for one cold page, the origin is slow, then fails: one retry, nobody hangs."""

import time

from goals.goal import Bound, Goal, gather_all, stage
from servers import Setting
from wire import COMPLETE, CUT, Connection

CLIENTS = 1000
DELAY_MS = 1000
FAULTS = ("server-error", "early-reset", "cut")


async def attempt(yard, name):
    async with stage(yard, name, Setting(collapses=True)) as on:
        figures = {"fetches": 0, "hung": 0, "last_ms": 0.0, "fetches_by_fault": {}}
        for fault in FAULTS:
            target = f"/cold/{fault}?ttl=60&fault={fault}&delay_ms={DELAY_MS}"
            connections = await gather_all([Connection.open(on.port) for _ in range(CLIENTS)])
            began = time.monotonic()
            answers = await gather_all([connection.ask(target, seconds=10) for connection in connections])
            figures["last_ms"] = max(figures["last_ms"], (time.monotonic() - began) * 1000)
            for connection in connections:
                connection.reset()
            ended = sum(answer.end in (COMPLETE, CUT) for answer in answers)
            figures["hung"] += CLIENTS - ended
            fetches = figures["fetches_by_fault"][fault] = on.origin.fetches[target]
            figures["fetches"] = max(figures["fetches"], fetches)
        figures["crashed"] = int(on.proxy.has_crashed())
        return figures


GOAL = Goal(
    "R11",
    f"{CLIENTS} clients on one cold page; after {DELAY_MS} ms a 500, a reset, or half a page",
    (
        Bound("fetches", "fetches in the worst run", 2, is_worst=True),
        Bound("hung", "clients without an answer", 0, is_worst=True),
        # Two attempts of a second each, and half a second for a thousand answers.
        Bound("last_ms", "last client answered after, ms", 2 * DELAY_MS + 500),
    ),
    attempt,
    peers=("nginx", "haproxy", "varnish"),
)
