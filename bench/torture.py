#!/usr/bin/env python3
"""Kills `larder serve --disk` with SIGKILL again and again, and compares all that it serves with what its
origin gave: nothing that was purged comes back, no byte is wrong, nothing that was complete is lost (R1).

The seed decides what is asked for and when it is killed; what the threads do at that time, it does not.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ledger import VARIANTS, Ledger
from machine import say, stop_on_signals
from processes import BenchError
from victim import BEFORE, CALLS, HOST, LEFT, WHERE, WHERES, PageOrigin, Victim
from wire import COMPLETE, Connection

ROOT = Path(__file__).resolve().parent.parent
# Pages of each kind.
PAGES = {"plain": 120, "vary": 30, "stale": 70, "big": 24, "empty": 6}
# What clients do, of a hundred.
SHARES = {"get": 56, "range": 12, "head": 6, "condition": 10, "change": 4, "purge": 8, "post": 4}
# How rounds end, of a hundred.
ENDS = {"moment": 30, "call": 30, "purge": 15, "scan": 13, "refresh": 8, "stop": 4}
CLIENTS = 12
LEAST_KEPT = 0.99
PATIENCE_SECONDS = 20


class Failure(Exception):
    """What must not be; ends the run."""


class Torture:
    def __init__(self, victim, ledger, options):
        self.victim, self.ledger, self.seed, self.seconds = victim, ledger, options.seed, options.load
        self.random = random.Random(options.seed)
        self.pages = {kind: max(int(count * options.pages), 2) for kind, count in PAGES.items()}
        self.counts = Counter()
        self.kept, self.lost = 0, []
        self.slowest_kill = 0
        self.ending = False
        self.what = ""

    # Rounds

    async def round(self, number):
        # Each round's choices are its own, whatever happened in those before it.
        self.random = random.Random(f"{self.seed} {number}")
        end = self.random.choices(list(ENDS), ENDS.values())[0]
        # In a tight one entries leave for want of room, and in one without memory all comes from files.
        is_tight = self.random.random() < 0.1
        self.options = {
            "size": "4MiB" if is_tight else "256MiB",
            "memory": self.random.choice(("0", "16MiB", "64MiB")),
        }
        self.counts[end] += 1
        self.what = f"round {number}, seed {self.seed}: {end}, {self.options}"
        if end == "scan":
            await self.purge_during_scan()
        if is_tight:
            self.expect_nothing()
        await self.victim.start(**self.options)
        started = time.monotonic()
        await self.look_at_all()
        if end == "scan":
            # Nothing is written before all is counted, where there is no checkpoint.
            self.ledger.doubt(started)
        await getattr(self, f"end_by_{end}")()
        await self.after_death()
        if is_tight:
            self.expect_nothing()

    def expect_nothing(self):
        for page in self.ledger.pages.values():
            page.kept.clear()

    async def after_death(self):
        """The process has ended, or is about to."""
        if not await self.victim.wait(PATIENCE_SECONDS):
            raise Failure(f"it did not end\n{self.victim.log_end()}")
        self.ledger.died()
        problem = self.victim.status() or self.victim.complaint() or self.victim.verify()
        if problem:
            raise Failure(f"{problem}\n{self.victim.log_end()}")

    async def end_by_moment(self):
        seconds = self.random.uniform(0.02, 0.02 + self.seconds)
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with asyncio.TaskGroup() as group:
                self.begin_load(group)
                await asyncio.sleep(seconds)
                self.kill()

    async def end_by_call(self):
        """At one of the calls that change files."""
        self.victim.numbers[WHERE] = self.random.randrange(3)
        self.victim.numbers[LEFT] = int(2 ** self.random.uniform(0, 9))
        await self.load_until_dead()

    async def load_until_dead(self):
        async with asyncio.TaskGroup() as group:
            self.begin_load(group)
            await self.victim.wait(2 * self.seconds + 1)
            self.kill()

    async def end_by_purge(self):
        async with asyncio.TaskGroup() as group:
            self.begin_load(group)
            await asyncio.sleep(self.random.uniform(0.05, self.seconds))
            self.purge_and_kill()

    def purge_and_kill(self):
        target, is_soft = self.some_target(), self.random.random() < 0.4
        page = self.ledger.page(target)
        version = self.ledger.begin_purge(page, is_soft, bumps=True)
        self.ending = True
        took = self.victim.purge_and_kill(target, is_soft)
        self.ledger.end_purge(page, is_soft, version, is_answered=True)
        self.slowest_kill = max(self.slowest_kill, took)

    async def purge_during_scan(self):
        """Purges while the start-up scan is under way, and kills within a millisecond of the last answer."""
        if self.random.random() < 0.5:
            (self.victim.store / "index.checkpoint").unlink(missing_ok=True)
        await self.victim.start(**self.options, scan_microseconds=self.random.choice((300, 3000)))
        self.ending = False
        connection = await Connection.open(self.victim.port)
        for _ in range(self.random.randrange(12)):
            await getattr(self, self.random.choice(("purge", "get", "get")))(connection)
        self.purge_and_kill()
        connection.close()
        await self.after_death()

    async def end_by_scan(self):
        await self.end_by_moment()

    async def end_by_refresh(self):
        """At every write of a 304's refresh: before it, within it and after it."""
        target = f"/stale/{self.random.randrange(self.pages['stale'])}"
        where, number = BEFORE, 1
        while where < len(WHERES):
            self.ending = False
            connection = await Connection.open(self.victim.port)
            # Twice: what was not stored is now.
            await self.get(connection, target)
            await self.get(connection, target)
            self.ending = True
            self.victim.numbers[WHERE], self.victim.numbers[CALLS] = where, 0
            self.victim.numbers[LEFT] = number
            await self.get(connection, target)
            connection.close()
            if await self.victim.wait(0.5):
                self.counts["refreshes cut"] += 1
                await self.after_death()
                await self.victim.start(**self.options)
                number += 1
            else:
                self.victim.numbers[LEFT] = 0
                where, number = where + 1, 1
        self.kill()

    async def end_by_stop(self):
        async with asyncio.TaskGroup() as group:
            self.begin_load(group)
            await asyncio.sleep(self.seconds)
            self.ending = True
            self.victim.process.terminate()

    def kill(self):
        self.ending = True
        self.victim.kill()

    # After a start

    async def look_at_all(self):
        """Asks for every page, and counts which of those are there that must be."""
        self.ending = False
        targets = [target for target in self.ledger.pages]
        self.random.shuffle(targets)

        async def look(some):
            connection = await Connection.open(self.victim.port)
            for target in some:
                for variant in VARIANTS if Ledger.kind(target) == "vary" else VARIANTS[:1]:
                    is_expected = variant in self.ledger.page(target).kept
                    answer = await self.get(connection, target, variant)
                    if is_expected and answer:
                        self.note_kept(target, variant, answer)
            connection.close()

        await asyncio.gather(*(look(targets[i::6]) for i in range(6)))

    def note_kept(self, target, variant, answer):
        cache = answer.fields.get("x-cache-status")
        self.kept += cache == "HIT"
        if cache != "HIT":
            self.lost.append(f"{self.what}: {target} {variant} {cache}\n{self.ledger.history(target)}")

    # The load

    def begin_load(self, group):
        self.ending = False
        for _ in range(CLIENTS):
            group.create_task(self.client())

    async def client(self):
        connection = None
        while not self.ending and self.victim.is_alive:
            try:
                connection = connection or await Connection.open(self.victim.port)
            except OSError:
                await self.excuse("refused a connection")
                return
            action = self.random.choices(list(SHARES), SHARES.values())[0]
            answer = await getattr(self, action)(connection)
            if answer is None or not answer.keeps_alive or self.random.random() < 0.02:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def some_target(self):
        kind = self.random.choices(list(self.pages), self.pages.values())[0]
        return f"/{kind}/{int(self.pages[kind] * self.random.random() ** 1.5)}"

    def some_question(self):
        target = self.some_target()
        return target, self.random.choice(VARIANTS) if Ledger.kind(target) == "vary" else "a"

    async def ask(self, connection, asked):
        """The answer if it is complete. Whatever comes is judged; only a killed proxy may leave it out."""
        self.counts["requests"] += 1
        fields = [f"X-Kind: {asked.variant}"]
        if asked.part:
            fields.append(f"Range: bytes={asked.part[0]}-{asked.part[1]}")
        if asked.tag:
            fields.append(f"If-None-Match: {asked.tag}")
        began = time.monotonic()
        answer = await connection.ask(asked.target, asked.method, fields, seconds=PATIENCE_SECONDS)
        problem = self.ledger.judge(asked, answer) if answer.end == COMPLETE else None
        if problem:
            raise Failure(
                f"{asked.method} {asked.target} {asked.variant}: {problem}\n{answer.fields}\n"
                f"{self.ledger.history(asked.target)}"
            )
        if answer.end != COMPLETE:
            took = time.monotonic() - began
            await self.excuse(
                f"{asked} has after {took:.2f} s an answer that is {answer.end}: {answer.status} "
                f"{answer.fields}\n{self.ledger.history(asked.target)}"
            )
            return None
        return answer

    async def excuse(self, what):
        """Only its end is a reason for that."""
        if not self.ending and not await self.victim.wait(1):
            raise Failure(f"{what}\n{self.victim.log_end()}")

    async def get(self, connection, target=None, variant="a"):
        if not target:
            target, variant = self.some_question()
        return await self.ask(connection, self.ledger.ask(target, variant))

    async def head(self, connection):
        return await self.ask(connection, self.ledger.ask(*self.some_question(), method="HEAD"))

    async def range(self, connection):
        target, variant = self.some_question()
        length = Ledger.length(target, self.ledger.page(target).version)
        if length == 0:
            return await self.get(connection)
        first = self.random.randrange(length)
        last = first + self.random.choice((0, 100, 70_000, 1 << 20))
        return await self.ask(connection, self.ledger.ask(target, variant, part=(first, last)))

    async def condition(self, connection):
        target, variant = self.some_question()
        version = self.ledger.page(target).version - (self.random.random() < 0.3)
        tag = Ledger.tag(target, variant, version)
        return await self.ask(connection, self.ledger.ask(target, variant, tag=tag))

    async def change(self, connection):
        """The origin has a new version; a cache need not know."""
        self.ledger.page(self.some_target()).version += 1
        return await self.get(connection)

    async def purge(self, connection):
        is_soft = self.random.random() < 0.4
        fields = ["Soft-Purge: 1"] if is_soft else []

        async def send(target):
            return await connection.ask(target, "PURGE", fields, seconds=PATIENCE_SECONDS)

        return await self.purged(is_soft, send)

    async def post(self, connection):
        is_soft = self.random.random() < 0.4

        async def send(target):
            body = json.dumps({"url": f"http://{HOST}{target}", "soft": is_soft}).encode()
            try:
                admin = await Connection.open(self.victim.admin)
            except OSError:
                return None
            host = f"127.0.0.1:{self.victim.admin}"
            answer = await admin.ask(
                "/purge", "POST", ["Content-Type: application/json"], body, PATIENCE_SECONDS, host
            )
            admin.close()
            return answer

        await self.purged(is_soft, send)
        return await self.get(connection)

    async def purged(self, is_soft, send):
        target = self.some_target()
        page = self.ledger.page(target)
        version = self.ledger.begin_purge(page, is_soft, bumps=self.random.random() < 0.8)
        answer = await send(target)
        is_answered = answer is not None and answer.end == COMPLETE
        self.ledger.end_purge(page, is_soft, version, is_answered)
        if not is_answered:
            await self.excuse(f"purge of {target} has no answer")
            return None
        if answer.status != 200:
            raise Failure(f"purge of {target}: {answer.status} {answer.body}")
        self.counts["purges"] += 1
        return answer


async def torture(options, folder):
    ledger = Ledger()
    origin = await PageOrigin(ledger).start()
    victim = Victim(options.larder.resolve(), folder, origin.port)
    run = Torture(victim, ledger, options)
    deadline = time.monotonic() + options.seconds
    rounds = 0
    try:
        while rounds < options.rounds and time.monotonic() < deadline:
            rounds += 1
            await run.round(rounds)
            if rounds % 20 == 0:
                say(f"{rounds} rounds, {run.counts['requests']} requests, {len(run.lost)} lost of {run.kept}")
        looked = run.kept + len(run.lost)
        if len(run.lost) > (1 - LEAST_KEPT) * looked:
            raise Failure(f"{len(run.lost)} of {looked} entries lost (R1)\n" + "\n".join(run.lost[:5]))
    except (Failure, BenchError, BaseExceptionGroup) as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, (Failure, BenchError)):
            raise
        return run, rounds, f"{run.what}\n{error}"
    finally:
        if victim.process and victim.is_alive:
            victim.kill()
            victim.process.wait()
    return run, rounds, None


def main():
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=1200, help="no further round after so long (%(default)s)"
    )
    parser.add_argument(
        "--load", type=float, default=1.5, help="most seconds of load in a round (%(default)s)"
    )
    parser.add_argument(
        "--pages", type=float, default=1, help="share of the pages that there are (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of what is done")
    parser.add_argument("--larder", type=Path, default=ROOT / ".build/release/larder", help="what to kill")
    options = parser.parse_args()
    stop_on_signals()
    say(f"torture: seed {options.seed}")
    folder = Path(tempfile.mkdtemp(prefix="larder-torture-"))
    began = time.monotonic()
    try:
        run, rounds, problem = asyncio.run(torture(options, folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if problem:
        say(f"torture: {problem}\nThe store and the log are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(run.counts.items()))
    print(
        f"torture: {rounds} rounds in {time.monotonic() - began:.0f} s: {counts}; {run.kept} of "
        f"{run.kept + len(run.lost)} entries kept, "
        f"killed {run.slowest_kill} µs after a purge's answer at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
