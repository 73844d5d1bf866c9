"""R8: an origin that breaks in every way. Never a wrong page marked complete, never a POST done twice."""

import asyncio
import time

from goals.goal import Bound, Goal, gather_all, stage
from origin import FAULTS, QUICK_FAULTS, page_of
from servers import Setting
from wire import COMPLETE, SILENT, fetch

EACH = 10  # requests for each fault
POSTS = 50
# For the faults that only a time-out ends; peers have a day, as in the benchmark, and are spared these.
TIMEOUTS = ("--first-byte-timeout", "1s", "--gap-timeout", "1s")


async def judge(on, fault, number):
    """(what became of it, ms)."""
    target = f"/{fault}/{number}?ttl=60&fault={fault}"
    began = time.monotonic()
    answer = await fetch(on.port, target, seconds=8)
    took = (time.monotonic() - began) * 1000
    if answer.end == SILENT:
        return "silent", took
    if answer.end == COMPLETE and answer.status < 400:
        return "right" if answer.is_page(page_of(target)) else "wrong", took
    return "refused" if answer.end == COMPLETE else "cut", took


async def after_refusal(on):
    """An origin that is not there: the error must come at once, and the pages again when it is back."""
    await on.origin.stop()
    began = time.monotonic()
    answer = await fetch(on.port, "/refused?ttl=60")
    took = (time.monotonic() - began) * 1000
    await on.origin.start()
    return (0 if answer.end == COMPLETE and answer.status >= 500 else 1), took


async def posts_done_twice(on):
    """Posts over connections of which many are closed as they are used again."""
    for number in range(POSTS):
        await fetch(on.port, f"/warm/{number}")
        fault = "&fault=early-close" if number % 2 else ""
        await fetch(on.port, f"/post/{number}?x=1{fault}", method="POST", body=f"order {number}".encode())
    return sum(count > 1 for count in on.origin.bodies.values())


async def attempt(yard, name):
    faults, setting = QUICK_FAULTS, Setting()
    if name == "larder":
        faults, setting = tuple(FAULTS), Setting(flags=TIMEOUTS)
    async with stage(yard, name, setting) as on:
        outcomes = {}
        for fault in faults:
            outcomes[fault] = await gather_all([judge(on, fault, number) for number in range(EACH)])
            # Whatever the fault was, the next page is right: nothing of it is left on a connection.
            outcomes[f"after {fault}"] = [await judge_next(on, fault)]
        kinds = [kind for results in outcomes.values() for kind, _ in results]
        unrefused, refusal_ms = await after_refusal(on)
        await asyncio.sleep(0.1)
        return {
            "wrong": kinds.count("wrong"),
            "silent": kinds.count("silent") + unrefused,
            "twice": await posts_done_twice(on),
            "slowest_ms": max(took for fault in faults for _, took in outcomes[fault]),
            "refusal_ms": refusal_ms,
            "outcomes": {fault: sorted({kind for kind, _ in results}) for fault, results in outcomes.items()},
            "crashed": int(on.proxy.has_crashed()),
        }


async def judge_next(on, fault):
    target = f"/after/{fault}?ttl=60"
    answer = await fetch(on.port, target, seconds=8)
    # A server that failed so often may be out for a while; a wrong page may not be.
    if answer.end == COMPLETE and answer.status < 400 and not answer.is_page(page_of(target)):
        return "wrong", 0.0
    return "right" if answer.end == COMPLETE else "cut", 0.0


GOAL = Goal(
    "R8",
    f"{len(FAULTS)} faults of an origin, {EACH} times each (time-outs set to 1 s; peers without these two)",
    (
        Bound("wrong", "short, mixed or wrong answers marked complete", 0, is_worst=True),
        Bound("twice", f"of {POSTS} posts, done twice", 0, is_worst=True),
        Bound("silent", "requests left without an answer", 0, is_worst=True),
        Bound("slowest_ms", "slowest answer, ms", 2500),
        Bound("refusal_ms", "error while the origin refuses connections, ms", 100),
    ),
    attempt,
    peers=("nginx", "haproxy", "varnish"),
)
