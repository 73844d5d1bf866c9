"""R2: stored files with flipped bits, cut short, or with a page of zeros. No wrong byte is served."""

import os
import random

from goals.goal import Bound, Goal, gather_all, stage
from origin import page_of
from processes import free_port
from servers import Setting
from wire import COMPLETE, SILENT, fetch

PAGES = 300
PATIENCE_SECONDS = 3


def target_of(number):
    return f"/page/{number}?ttl=3600&length={1000 + number * 7919 % 200_000}"


def flip(data, chance):
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def cut(data, chance):
    return data[: len(data) - chance.choice((1, len(data) // 2))]


def zero(data, chance):
    start = chance.randrange(len(data)) & ~4095
    length = len(data[start : start + 4096])
    return data[:start] + bytes(length) + data[start + length :]


def spoil(folder):
    """Each file of a response in its own way, its times as they were."""
    chance = random.Random(1)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and len(path.name) >= 32)
    for number, path in enumerate(files):
        times = path.stat()
        path.write_bytes((flip, cut, zero)[number % 3](path.read_bytes(), chance))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return len(files)


async def attempt(yard, name):
    setting = Setting(cache_mebibytes=64, disk_mebibytes=1024, store=f"{name}-{free_port()}")
    async with stage(yard, name, setting) as on:
        targets = [target_of(number) for number in range(PAGES)]
        await gather_all([fetch(on.port, target) for target in targets])
        yard.stop(on.proxy)
        files = spoil(yard.disk / setting.store)
        on.start_proxy(setting)
        await fetch(on.port, "/begin?ttl=1")
        first, second = [
            await gather_all([fetch(on.port, target, seconds=PATIENCE_SECONDS) for target in targets])
            for _ in range(2)
        ]
        wrong_first, wrong_second = (
            [not answer.is_page(page_of(target)) for target, answer in zip(targets, answers)]
            for answers in (first, second)
        )
        return {
            "files": files,
            "wrong": sum(wrong and answer.end == COMPLETE for wrong, answer in zip(wrong_first, first)),
            "silent": sum(answer.end == SILENT for answer in first),
            "lasting": sum(wrong_second),
            "crashed": int(on.proxy.process.poll() is not None),
        }


GOAL = Goal(
    "R2",
    f"{PAGES} stored pages, each file with a flipped bit, cut short, or with 4 KiB of zeros",
    (
        Bound("wrong", "wrong pages marked complete", 0, is_worst=True),
        Bound("silent", f"clients without an answer or an end after {PATIENCE_SECONDS} s", 0, is_worst=True),
        Bound("lasting", "pages that are not right the second time", 0, is_worst=True),
        Bound("crashed", "crashes", 0, is_worst=True),
    ),
    attempt,
    peers=("nginx",),
)
