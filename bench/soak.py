#!/usr/bin/env python3
"""Mixed load with faults for a long time: does anything grow (R12)? Status 1 when a bound is passed."""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from machine import busy_share, describe_machine, in_yard, now_text, say, stop_on_signals
from mixed import FAULT_SHARE, FLAGS, ORIGIN_FAULTS, MixedLoad, outcomes_table
from origin import Origin
from processes import BenchError
from servers import Setting
from wire import fetch

ROOT = Path(__file__).resolve().parent.parent
CACHE_MIB = 64
SAMPLE_SECONDS = 2
REPORT_SECONDS = 30
# Slopes of a shorter run are noise: they are shown and not judged.
JUDGED_SECONDS = 600


@dataclass(frozen=True)
class Sample:
    """What the proxy's processes have at one moment, in seconds since the load began."""

    at: float
    resident_bytes: int
    descriptors: int


class Soak:
    def __init__(self, proxy, load, seconds):
        self.proxy, self.load, self.seconds = proxy, load, seconds
        # Until then the cache fills, pools open and buffers reach the size they keep.
        self.warm_at = min(seconds / 4, 300)
        self.samples, self.parts = [], {"first": [], "last": []}

    async def run(self):
        began = time.monotonic()
        running = asyncio.create_task(self.load.run(began + self.seconds))
        reported = 0.0
        while not running.done():
            await asyncio.wait([running], timeout=SAMPLE_SECONDS)
            if running.done():
                break
            at = time.monotonic() - began
            if self.proxy.has_crashed():
                running.cancel()
                raise BenchError(f"larder or its child ended: {self.proxy.log_end()}")
            self.samples.append(Sample(at, self.proxy.memory()[0], self.proxy.descriptors()))
            self.keep_times(at)
            if at - reported >= REPORT_SECONDS:
                reported = at
                gc.collect()  # by hand, seldom: a pause of this program would be a slow answer
                self.tell()
        await running

    def keep_times(self, at):
        """Hits are timed in the first and the last third of what comes after warming up."""
        times, self.load.hit_milliseconds = self.load.hit_milliseconds, []
        third = (self.seconds - self.warm_at) / 3
        if self.warm_at <= at < self.warm_at + third:
            self.parts["first"] += times
        elif at >= self.seconds - third:
            self.parts["last"] += times

    def tell(self):
        sample = self.samples[-1]
        say(
            f"{sample.at:6.0f} s  {self.load.requests:8d} requests  "
            f"{sample.resident_bytes / 2**20:6.1f} MiB  "
            f"{sample.descriptors} descriptors  {self.load.count('wrong')} wrong"
        )

    def figures(self):
        warm = [sample for sample in self.samples if sample.at >= self.warm_at]
        third = max(len(warm) // 3, 1)
        first = statistics.median(sample.descriptors for sample in warm[:third])
        last = statistics.median(sample.descriptors for sample in warm[-third:])
        slope = slope_per_second([(sample.at, sample.resident_bytes) for sample in warm])
        p99 = {name: percentile_99(times) for name, times in self.parts.items()}
        return {
            "slope_mib_per_hour": slope * 3600 / 2**20,
            "descriptors_grown": last - first,
            "p99_ratio": p99["last"] / p99["first"],
            "p99_first_ms": p99["first"],
            "p99_last_ms": p99["last"],
            "resident_mib": max(sample.resident_bytes for sample in self.samples) / 2**20,
            "wrong": self.load.count("wrong"),
            "silent": self.load.count("silent"),
        }


def slope_per_second(points):
    """Of the straight line that lies closest (least squares)."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points)).slope


def percentile_99(values):
    if not values:
        raise BenchError("no hit in one of the parts: run it for longer")
    return sorted(values)[len(values) * 99 // 100]


# Figure, what it is, the most it may be, and whether a short run says anything about it.
BOUNDS = (
    ("wrong", "wrong answers", 0, True),
    ("silent", "requests without an answer", 0, True),
    ("exit_status", "exit status after SIGTERM", 0, True),
    ("resident_mib", "resident size at most, MiB (budget × 1.1 + 64 MiB, L31)", CACHE_MIB * 1.1 + 64, True),
    ("slope_mib_per_hour", "memory, MiB an hour", 1, False),
    ("descriptors_grown", "descriptors, median of the last part less that of the first", 3, False),
    ("p99_ratio", "p99 of hits, last part ÷ first", 1.1, False),
)


def verdicts(figures, seconds):
    return [
        {
            "text": text,
            "limit": limit,
            "value": figures[name],
            "met": figures[name] <= limit,
            "judged": is_judged or seconds >= JUDGED_SECONDS,
        }
        for name, text, limit, is_judged in BOUNDS
    ]


def markdown(run, load):
    machine = run["machine"]
    figures = run["figures"]
    lines = [
        "# Soak",
        "",
        f"{machine['processor']}, {machine['cores']} cores. {run['when']}. {run['seconds']} s, "
        f"{load.requests} requests, {sum(run['faults'].values())} faults of the origin. "
        f"p99 of hits {figures['p99_first_ms']:.2f} ms at first, {figures['p99_last_ms']:.2f} ms at last.",
        "",
        "| figure | at most | measured | |",
        "|---|---:|---:|---|",
    ]
    for verdict in run["verdicts"]:
        word = "met" if verdict["met"] else "**missed**"
        if not verdict["judged"]:
            word = f"not judged under {JUDGED_SECONDS} s"
        lines.append(f"| {verdict['text']} | {verdict['limit']:g} | {verdict['value']:.4g} | {word} |")
    lines += ["", *outcomes_table(load)]
    if load.wrong:
        lines += ["", "Wrong:", "", *(f"- {text}" for text in load.wrong)]
    return "\n".join(lines)


async def soak(yard, options):
    origin = await Origin(fault_share=FAULT_SHARE, faults=ORIGIN_FAULTS).start()
    # Two workers, though on one core: what is shared must be shared.
    setting = Setting(workers=2, cache_mebibytes=CACHE_MIB, flags=FLAGS)
    proxy = yard.start_proxy("larder", origin.port, setting)
    await fetch(proxy.port, "/begin")  # a parent may listen before its child serves
    proxy.note_processes()
    load = MixedLoad(proxy.port, requests_per_second=options.rate)
    running = Soak(proxy, load, options.seconds)
    gc.disable()
    await running.run()
    figures = running.figures()
    yard.stop(proxy)
    figures["exit_status"] = abs(proxy.process.returncode)
    await origin.stop()
    return running, figures, dict(origin.faults_done)


def main():
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=1200, help="how long (%(default)s)")
    parser.add_argument("--rate", type=int, default=800, help="requests a second (%(default)s)")
    parser.add_argument("--larder", type=Path, default=ROOT / ".build/release/larder", help="what to load")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/out/soak.json", help="all samples")
    options = parser.parse_args()
    stop_on_signals()
    machine = describe_machine(busy_share())
    try:
        with in_yard(options.larder) as yard:
            os.sched_setaffinity(0, yard.load_cores)
            running, figures, faults = asyncio.run(soak(yard, options))
    except BenchError as error:
        say(f"soak: {error}")
        return 1
    run = {
        "when": now_text(),
        "machine": machine,
        "seconds": options.seconds,
        "figures": figures,
        "faults": faults,
        "verdicts": verdicts(figures, options.seconds),
        "samples": [[sample.at, sample.resident_bytes, sample.descriptors] for sample in running.samples],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(run) + "\n")
    print(markdown(run, running.load))
    return 1 if any(verdict["judged"] and not verdict["met"] for verdict in run["verdicts"]) else 0


if __name__ == "__main__":
    sys.exit(main())
