#!/usr/bin/env python3
"""Measures Larder against tuned peers on this machine. How, and what it means: docs/BENCHMARKS.md."""

import argparse
import json
import os
import sys
from pathlib import Path

import report
from machine import (
    DISK_FOLDER,
    busy_share,
    describe_machine,
    file_system_of,
    in_yard,
    now_text,
    say,
    stop_on_signals,
)
from processes import BenchError, raise_descriptor_limit
from rounds import Plan
from scenarios import SCENARIOS, run_all
from servers import PROXIES, version_of

ROOT = Path(__file__).resolve().parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s: a look, not a measurement")
    parser.add_argument("--rounds", type=int, help="rounds of each proxy in each scenario (5)")
    parser.add_argument("--seconds", type=int, help="whole seconds of a round (4)")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="one scenario; may be repeated")
    parser.add_argument("--proxies", default=",".join(PROXIES), help="which, in one list (%(default)s)")
    parser.add_argument("--larder", type=Path, default=ROOT / ".build/release/larder", help="what to measure")
    parser.add_argument(
        "--disk-folder", type=Path, default=DISK_FOLDER, help="on a disk, for the disk tier (%(default)s)"
    )
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


def run(options):
    if "larder" in options.proxies and not os.access(options.larder, os.X_OK):
        raise BenchError(f"{options.larder} is not there: run 'make build', or name it by --larder")
    busy = busy_share()
    limit = raise_descriptor_limit()
    plan = Plan(options.rounds, options.seconds, options.proxies, limit, say, is_quick=options.quick)
    with in_yard(options.larder, options.disk_folder) as yard:
        results = run_all(yard, plan, options.only)
    return {
        "when": now_text(),
        "machine": describe_machine(busy),
        "versions": {name: version_of(name, options.larder) for name in options.proxies},
        "settings": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "file_system": file_system_of(options.disk_folder),
        },
        "scenarios": results,
        "goals": [goal.as_dictionary() for goal in report.goals(results)],
    }


def main():
    options = arguments()
    stop_on_signals()
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
