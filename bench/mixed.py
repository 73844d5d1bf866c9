"""Mixed load: all that clients do to a proxy, good and bad, with every answer compared to what it must be."""

import asyncio
import hashlib
import random
import time
from collections import Counter

from origin import FAULTS, page_of
from wire import COMPLETE, SILENT, Connection

# Of a hundred requests.
SHARES = {
    "hit": 52,
    "miss": 12,
    "pass": 8,
    "post": 5,
    "range": 5,
    "condition": 4,
    "head": 3,
    "purge": 3,
    "slow": 2,
    "reset": 3,
    "half": 2,
    "garbage": 1,
}
HOT_PAGES = 500
FAULT_SHARE = 0.01  # of what reaches the origin (R12)
# The faults that only a time-out ends must end within the run, again and again.
FLAGS = ("--first-byte-timeout", "2s", "--gap-timeout", "2s", "--collapse-timeout", "3s")
ORIGIN_FAULTS = tuple(FAULTS)
PATIENCE_SECONDS = 20


class MixedLoad:
    """Clients that each do one thing after the other. Counts outcomes by kind, and times hits."""

    def __init__(self, port, clients=64, requests_per_second=None, seed=1):
        self.port, self.clients, self.rate = port, clients, requests_per_second
        self.random = random.Random(seed)
        self.kinds, self.weights = list(SHARES), list(SHARES.values())
        self.outcomes = {kind: Counter() for kind in SHARES}
        self.hit_milliseconds = []
        self.wrong = []  # what was wrong, the first few
        self.misses = 0

    @property
    def requests(self):
        return sum(counts.total() for counts in self.outcomes.values())

    def count(self, outcome):
        return sum(counts[outcome] for counts in self.outcomes.values())

    async def run(self, until):
        """Until that time of the monotonic clock."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._client(until))

    async def _client(self, until):
        connection = None
        while time.monotonic() < until:
            if self.rate:
                await asyncio.sleep(self.random.expovariate(self.rate / self.clients))
            kind = self.random.choices(self.kinds, self.weights)[0]
            try:
                if connection is None or connection.reader.at_eof():
                    connection = await self._reopened(connection)
                outcome, is_kept = await getattr(self, f"_{kind}")(connection)
            except OSError:
                outcome, is_kept = "refused connection", False
            self.outcomes[kind][outcome] += 1
            if not is_kept or self.random.random() < 0.02:
                if connection:
                    connection.close()
                connection = None
        if connection:
            connection.close()

    async def _reopened(self, connection):
        if connection:
            connection.close()
        return await Connection.open(self.port)

    def _hot_target(self):
        # Squared: some pages are asked for far more often than others.
        number = int(HOT_PAGES * self.random.random() ** 2)
        return f"/hot/{number}?ttl=3600&length={100 + number * 7919 % 40_000}"

    async def _judged(self, connection, target, **request):
        answer = await connection.ask(target, seconds=PATIENCE_SECONDS, **request)
        return answer, self._outcome(target, answer, page_of(target))

    def _outcome(self, what, answer, body, status=200):
        if answer.end == SILENT:
            return "silent"
        if answer.end != COMPLETE:
            return answer.end
        if answer.status >= 500:
            return "error"
        if answer.is_page(body, status):
            return "right"
        if len(self.wrong) < 10:
            self.wrong.append(f"{what}: status {answer.status}, {len(answer.body)} bytes, {answer.fields}")
        return "wrong"

    # What clients do. Each returns its outcome, and whether the connection may be used again.

    async def _hit(self, connection):
        began = time.monotonic()
        answer, outcome = await self._judged(connection, self._hot_target())
        if answer.fields.get("x-cache-status") == "HIT":
            self.hit_milliseconds.append((time.monotonic() - began) * 1000)
        return outcome, answer.keeps_alive

    async def _miss(self, connection):
        self.misses += 1
        length = self.random.choice((200, 2_000, 20_000, 60_000))
        answer, outcome = await self._judged(connection, f"/miss/{self.misses}?ttl=600&length={length}")
        return outcome, answer.keeps_alive

    async def _pass(self, connection):
        answer, outcome = await self._judged(connection, f"/pass/{self.random.randrange(100)}?length=3000")
        return outcome, answer.keeps_alive

    async def _post(self, connection):
        target = f"/post/{self.random.randrange(100)}?length=500"
        body = self.random.randbytes(self.random.randrange(1, 50_000))
        answer, outcome = await self._judged(connection, target, method="POST", body=body)
        return outcome, answer.keeps_alive

    async def _range(self, connection):
        target = self._hot_target()
        body = page_of(target)
        first = self.random.randrange(len(body))
        last = min(first + self.random.randrange(1, 5000), len(body) - 1)
        answer = await connection.ask(
            target, fields=[f"Range: bytes={first}-{last}"], seconds=PATIENCE_SECONDS
        )
        part, status = (body, 200) if answer.status == 200 else (body[first : last + 1], 206)
        return self._outcome(f"{target} {first}-{last}", answer, part, status), answer.keeps_alive

    async def _condition(self, connection):
        target = self._hot_target()
        tag = hashlib.sha256(target.encode()).hexdigest()[:16]
        answer = await connection.ask(target, fields=[f'If-None-Match: "{tag}"'], seconds=PATIENCE_SECONDS)
        return self._outcome(f"{target} condition", answer, b"", 304), answer.keeps_alive

    async def _head(self, connection):
        target = self._hot_target()
        answer = await connection.ask(target, method="HEAD", seconds=PATIENCE_SECONDS)
        return self._outcome(f"{target} HEAD", answer, b""), answer.keeps_alive

    async def _purge(self, connection):
        target = self._hot_target()
        answer = await connection.ask(target, method="PURGE", seconds=PATIENCE_SECONDS)
        return self._outcome(f"PURGE {target}", answer, answer.body), answer.keeps_alive

    async def _slow(self, connection):
        """Reads a large page in a second or so, on a connection with small buffers."""
        target = f"/large/{self.random.randrange(20)}?ttl=600&length=600000"
        slow = await Connection.open(self.port, receive_buffer=16384)
        try:
            await slow.send(f"GET {target} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode())
            await asyncio.sleep(self.random.random())
            answer = await slow.answer(seconds=PATIENCE_SECONDS)
        finally:
            slow.close()
        return self._outcome(target, answer, page_of(target)), True

    async def _reset(self, connection):
        """Goes away in the middle of an answer."""
        number = self.random.randrange(20)
        head = f"GET /large/{number}?ttl=600&length=600000 HTTP/1.1\r\nHost: bench.test\r\n\r\n"
        await connection.send(head.encode())
        await connection.reader.read(1)
        connection.reset()
        return "done", False

    async def _half(self, connection):
        """Goes away in the middle of a request."""
        await connection.send(b"POST /half HTTP/1.1\r\nHost: bench.test\r\nContent-Length: 1000\r\n\r\nabc")
        connection.close()
        return "done", False

    async def _garbage(self, connection):
        await connection.send(b"GET /\x01 HTTP/1.1\r\nHost : a\r\n\r\n")
        answer = await connection.answer(seconds=PATIENCE_SECONDS)
        return self._outcome("garbage", answer, answer.body, 400), False


def outcomes_table(load):
    """A line for each kind of request."""
    names = sorted({name for counts in load.outcomes.values() for name in counts})
    lines = ["| requests | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for kind, counts in load.outcomes.items():
        lines.append(f"| {kind} | " + " | ".join(str(counts[name] or "") for name in names) + " |")
    return lines
