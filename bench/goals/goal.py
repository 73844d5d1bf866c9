"""What a goal is: figures that come out of a try, and what they may be at most."""

import asyncio
import contextlib
import gc
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from origin import Origin
from servers import Setting, Yard
from wire import fetch

NEVER = math.inf  # a time that did not come


@dataclass(frozen=True)
class Bound:
    """A figure that must not be passed: the median of the tries, or the worst where one fault is too many."""

    figure: str
    text: str
    limit: float
    is_worst: bool = False

    def of(self, tries):
        values = [figures[self.figure] for figures in tries if self.figure in figures]
        if not values:
            return None
        return max(values) if self.is_worst else statistics.median(values)


@dataclass(frozen=True)
class Goal:
    """One entry of reliability.

    `attempt` runs one try of one proxy and returns its figures. `obstacle` says why it cannot run on this
    machine, or returns None.
    """

    name: str
    title: str
    bounds: tuple
    attempt: Callable
    peers: tuple = ()
    obstacle: Callable = lambda: None


@dataclass
class Stage:
    """A proxy before an origin that both belong to one try."""

    yard: Yard
    name: str
    origin: Origin
    proxy: object = None

    def start_proxy(self, setting=Setting()):
        self.proxy = self.yard.start_proxy(self.name, self.origin.port, setting)
        return self.proxy

    @property
    def port(self):
        return self.proxy.port


@contextlib.asynccontextmanager
async def stage(yard, name, setting=Setting(), origin=None):
    """Starts both, and ends both on the way out.

    The proxy is started by this thread although that blocks its event loop: a child asks to be ended with the
    thread that made it.
    """
    made = Stage(yard, name, await (origin or Origin()).start())
    made.start_proxy(setting)
    try:
        # A parent may listen before its child serves.
        await fetch(made.port, "/begin?ttl=1")
        made.proxy.note_processes()
        yield made
    finally:
        yard.stop_all()
        await made.origin.stop()


def run_attempt(goal, yard, name):
    """One try, without pauses of Python's collector: a client that pauses would measure itself."""
    gc.collect()
    gc.disable()
    try:
        return asyncio.run(goal.attempt(yard, name))
    finally:
        gc.enable()


async def gather_all(awaitables):
    """The results in order; unlike a bare gather, nothing goes on running when one of them fails."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(awaitable) for awaitable in awaitables]
    return [task.result() for task in tasks]
