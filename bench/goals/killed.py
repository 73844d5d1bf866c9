"""R1: killed outright while it stores. What was complete for a second is there after a start, and whole."""

import asyncio
import time

from goals.goal import Bound, Goal, gather_all, stage
from origin import page_of
from processes import free_port
from servers import Setting
from wire import COMPLETE, Connection, fetch

CLIENTS = 16
STORING_SECONDS = 3
SETTLED_SECONDS = 1  # a page that was complete so long before the end must be there


def target_of(number):
    return f"/page/{number}?ttl=3600&length={1000 + number * 7919 % 60_000}"


class Storing:
    """Clients who ask for one new page after the other, until nobody answers."""

    def __init__(self, port):
        self.port, self.asked, self.complete = port, 0, {}

    async def client(self):
        connection = await Connection.open(self.port)
        while True:
            self.asked += 1
            target = target_of(self.asked)
            answer = await connection.ask(target, seconds=20)
            if not answer.is_page(page_of(target)):
                return connection.reset()
            self.complete[target] = time.monotonic()


async def ask_again(on, targets):
    """(how many of them were fetched again, how many are complete and wrong)"""
    fetched = wrong = 0
    for target in targets:
        before = on.origin.fetches[target]
        answer = await fetch(on.port, target, seconds=20)
        fetched += on.origin.fetches[target] > before
        wrong += answer.end == COMPLETE and not answer.is_page(page_of(target))
    return fetched, wrong


async def attempt(yard, name):
    setting = Setting(cache_mebibytes=64, disk_mebibytes=2048, store=f"{name}-{free_port()}")
    async with stage(yard, name, setting) as on:
        storing = Storing(on.port)
        clients = asyncio.create_task(gather_all([storing.client() for _ in range(CLIENTS)]))
        await asyncio.sleep(STORING_SECONDS)
        killed_at = time.monotonic()
        on.proxy.kill()
        await clients
        yard.stop(on.proxy)
        on.start_proxy(setting)
        await fetch(on.port, "/begin?ttl=1")
        settled = [target for target, at in storing.complete.items() if at < killed_at - SETTLED_SECONDS]
        fetched, wrong = await ask_again(on, settled)
        others = [target_of(number) for number in range(1, storing.asked + 1)]
        _, wrong_others = await ask_again(on, [target for target in others if target not in settled])
        return {
            "wrong": wrong + wrong_others,
            "lost_percent": 100 * fetched / max(len(settled), 1),
            "settled": len(settled),
            "asked": storing.asked,
        }


GOAL = Goal(
    "R1",
    f"killed while {CLIENTS} clients have it store new pages, and started again",
    (
        Bound("wrong", "wrong pages after the start", 0, is_worst=True),
        Bound("lost_percent", "pages complete for a second that are not hits, %", 1),
    ),
    attempt,
    peers=("nginx",),
)
