"""R10: ended with 100 requests and 20 long downloads in flight, under load: all accepted is answered."""

import asyncio
import signal
import time

from goals.goal import NEVER, Bound, Goal, gather_all, stage
from origin import page_of
from wire import CLOSED, Connection

REQUESTS, DOWNLOADS, KEPT = 100, 20, 16
HIT = "/hit?ttl=3600"
# What each is asked to end with; Varnish knows no other end.
SIGNALS = {
    "larder": signal.SIGTERM,
    "nginx": signal.SIGQUIT,
    "haproxy": signal.SIGUSR1,
    "varnish": signal.SIGTERM,
}


async def one(port, target):
    """1 when the answer to a request sent before the signal is lost."""
    connection = await Connection.open(port)
    answer = await connection.ask(target, seconds=20)
    connection.close()
    return 0 if answer.is_page(page_of(target)) else 1


async def kept(port):
    """Asks over kept connections until none can be opened. Returns how many requests got no answer."""
    lost = 0
    while True:
        try:
            connection = await Connection.open(port)
        except OSError:
            return lost
        answered = 0
        # A connection that was seen to end is not asked on again: so does every client.
        while not connection.reader.at_eof():
            answer = await connection.ask(HIT, seconds=10)
            if not answer.is_page(page_of(HIT)):
                # A connection that is closed by the kernel with the listener was never accepted.
                lost += 0 if answer.end == CLOSED and answered == 0 else 1
                break
            answered += 1
            if not answer.keeps_alive:
                break
            await asyncio.sleep(0.002)
        connection.close()


async def exit_of(process, seconds):
    """The status, or None when it does not end."""
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        await asyncio.sleep(0.005)
    return process.returncode


async def attempt(yard, name):
    async with stage(yard, name) as on:
        requests = [one(on.port, f"/slow/{number}?delay_ms=1000") for number in range(REQUESTS)]
        downloads = [
            one(on.port, f"/download/{number}?ttl=60&length=2000000&over_ms=2500")
            for number in range(DOWNLOADS)
        ]
        load = [asyncio.create_task(kept(on.port)) for _ in range(KEPT)]
        accepted = asyncio.create_task(gather_all([*requests, *downloads]))
        await asyncio.sleep(0.5)
        on.proxy.process.send_signal(SIGNALS[name])
        lost = sum(await accepted)
        last_answer = time.monotonic()
        status = await exit_of(on.proxy.process, 15)
        exit_seconds = time.monotonic() - last_answer if status is not None else NEVER
        ended, hanging = await asyncio.wait(load, timeout=10)
        for task in hanging:
            task.cancel()
        lost_kept = len(hanging) + sum(task.result() for task in ended)
        return {
            "lost": lost,
            "lost_kept": lost_kept,
            "status": abs(status) if status is not None else NEVER,
            "exit_seconds": exit_seconds,
        }


GOAL = Goal(
    "R10",
    f"asked to end with {REQUESTS} requests, {DOWNLOADS} downloads and {KEPT} busy kept connections",
    (
        Bound("lost", "requests and downloads lost", 0, is_worst=True),
        Bound("lost_kept", "requests lost on kept connections", 0, is_worst=True),
        Bound("status", "exit status (or signal)", 0, is_worst=True),
        # Half-closed connections wait for the client's FIN, at most so long (L30).
        Bound("exit_seconds", "ends after the last answer, s", 2.5),
    ),
    attempt,
    peers=("nginx", "haproxy", "varnish"),
)
