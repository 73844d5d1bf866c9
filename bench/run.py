#!/usr/bin/env python3
"""Measures Larder against tuned peers on this machine. How, and what it means: docs/BENCHMARKS.md."""

import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import report
from processes import BenchError, raise_descriptor_limit
from scenarios import (
    OTHER_SCENARIOS,
    RATE_SCENARIOS,
    Plan,
    run_idle,
    run_rates,
    run_stampede,
    run_two_workers,
)
from servers import PROXIES, Yard, version_of

ROOT = Path(__file__).resolve().parent.parent
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SCENARIOS = (*RATE_SCENARIOS, *OTHER_SCENARIOS)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s: a look, not a measurement")
    parser.add_argument("--rounds", type=int, help="rounds of each proxy in each scenario (5)")
    parser.add_argument("--seconds", type=int, help="whole seconds of a round (4)")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="one scenario; may be repeated")
    parser.add_argument("--proxies", default=",".join(PROXIES), help="which, in one list (%(default)s)")
    parser.add_argument("--larder", type=Path, default=ROOT / ".build/release/larder", help="what to measure")
    parser.add_argument("--check", action="store_true", help="status 1 when a goal is missed")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/out/latest.json", help="the figures")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 4)
    options.only = options.only or list(SCENARIOS)
    options.proxies = tuple(options.proxies.split(","))
    unknown = [name for name in options.proxies if name not in PROXIES]
    if unknown:
        parser.error(f"--proxies {','.join(unknown)}: expected some of {','.join(PROXIES)}")
    if min(options.rounds, options.seconds) < 1:
        parser.error("--rounds and --seconds: expected 1 or more")
    return options


def say(text):
    print(text, file=sys.stderr, flush=True)


def busy_share(seconds=1.0):
    """The share of all cores that is in use now, by whoever."""

    def ticks():
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = ticks()
    time.sleep(seconds)
    total_after, idle_after = ticks()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def machine(busy):
    processor = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "busy_before": busy,
    }


def measure(options, yard):
    plan = Plan(options.rounds, options.seconds, options.proxies, raise_descriptor_limit(), say)
    results = {}
    rates = [name for name in RATE_SCENARIOS if name in options.only]
    if rates:
        results |= run_rates(yard, plan, rates)
    if "stampede" in options.only:
        results["stampede"] = run_stampede(yard, plan)
    if "idle" in options.only:
        results["idle"] = run_idle(yard, plan)
    if "two-workers" in options.only:
        results["two-workers"] = run_two_workers(yard, plan)
    return results


def run(options):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for load and origin")
    if "larder" in options.proxies and not os.access(options.larder, os.X_OK):
        raise BenchError(f"{options.larder} is not there: run 'make build', or name it by --larder")
    busy = busy_share()
    memory_folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="larder-bench-", dir=memory_folder))
    # The first core takes most interrupts: the proxy gets the last.
    yard = Yard(directory, options.larder.resolve(), cores[:1], cores[-1:])
    try:
        results = measure(options, yard)
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second one must not leave something running
        yard.stop_all()
        shutil.rmtree(directory, ignore_errors=True)
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(busy),
        "versions": {name: version_of(name, options.larder) for name in options.proxies},
        "settings": {"rounds": options.rounds, "seconds": options.seconds},
        "scenarios": results,
        "goals": [goal.as_dictionary() for goal in report.goals(results)],
    }


def stop_by_signal(number, _frame):
    raise BenchError(f"ended by {signal.Signals(number).name}")


def main():
    options = arguments()
    # Debian keeps daemons in sbin, which a user's PATH may lack.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for number in STOP_SIGNALS:
        signal.signal(number, stop_by_signal)
    try:
        done = run(options)
    except BenchError as error:
        say(f"bench: {error}")
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(done, indent=1) + "\n")
    text = report.markdown(done)
    options.out.with_suffix(".md").write_text(text + "\n")
    print(text)
    missed = [goal for goal in done["goals"] if not goal["met"]]
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
