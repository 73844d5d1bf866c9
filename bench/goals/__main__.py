"""Runs the goals and says which are met: status 1 when one is missed. What they are: docs/GOALS.md."""

import argparse
import json
import os
import sys
from pathlib import Path

import report
from goals import (
    broken_origin,
    clock,
    descriptors,
    drain,
    killed,
    log_cost,
    memory,
    memory_disk,
    oversize,
    rotten,
    shared_error,
    slow_clients,
    stale,
    table,
)
from goals.goal import run_attempt
from machine import busy_share, describe_machine, in_yard, now_text, say, stop_on_signals
from processes import BenchError, raise_descriptor_limit
from rounds import Plan, rotated
from scenarios import SCENARIOS, run_all
from servers import PROXIES, version_of

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    slow_clients,
    oversize,
    killed,
    rotten,
    descriptors,
    memory,
    memory_disk,
    clock,
    broken_origin,
    drain,
    shared_error,
    stale,
    log_cost,
)
GOALS = {module.GOAL.name: module.GOAL for module in MODULES}
BENCH = "bench"  # the goals of the benchmark: what a request costs


def arguments():
    parser = argparse.ArgumentParser(prog="make goals", description=__doc__)
    names = (*GOALS, BENCH)
    parser.add_argument("--only", action="append", choices=names, help="one of them; may be repeated")
    parser.add_argument("--tries", type=int, default=3, help="of each, for each proxy (%(default)s)")
    parser.add_argument("--no-peers", action="store_true", help="Larder alone")
    parser.add_argument("--larder", type=Path, default=ROOT / ".build/release/larder", help="what to measure")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/out/goals.json", help="all figures")
    options = parser.parse_args()
    options.only = options.only or list(names)
    if options.tries < 1:
        parser.error("--tries: expected 1 or more")
    return options


def run_goal(goal, options, yard):
    """The tries of each proxy, turn by turn; a failure of one is kept as its text."""
    proxies = ("larder",) if options.no_peers else ("larder", *goal.peers)
    tries = {name: [] for name in proxies}
    failures = {}
    for number in range(options.tries):
        for name in rotated(proxies, number):
            if name in failures:
                continue
            say(f"{goal.name:5} {name:8} try {number + 1} of {options.tries}")
            try:
                tries[name].append(run_attempt(goal, yard, name))
            except* (BenchError, OSError) as errors:
                first, *others = leaves(errors)
                failures[name] = (str(first) or repr(first)) + (
                    f" (and {len(others)} more)" if others else ""
                )
                say(f"{goal.name:5} {name:8} failed: {failures[name]}")
    return {"tries": tries, "failures": failures}


def leaves(group):
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def run_bench(options, yard):
    """The benchmark's own goals, with as many rounds as a goal has tries."""
    proxies = ("larder",) if options.no_peers else PROXIES
    plan = Plan(options.tries, 2, proxies, raise_descriptor_limit(), say)
    results = run_all(yard, plan, SCENARIOS)
    return [goal.as_dictionary() for goal in report.goals(results)]


def run(options):
    if not os.access(options.larder, os.X_OK):
        raise BenchError(f"{options.larder} is not there: run 'make build', or name it by --larder")
    done = {
        "when": now_text(),
        "machine": describe_machine(busy_share()),
        "versions": {name: version_of(name, options.larder) for name in PROXIES},
        "tries": options.tries,
        "goals": {},
        "bench": [],
        "not_run": {},
    }
    raise_descriptor_limit()
    with in_yard(options.larder) as yard:
        # Origin and clients of a try are in this process: they share the load's core.
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, yard.load_cores)
        for name in [name for name in GOALS if name in options.only]:
            if obstacle := GOALS[name].obstacle():
                done["not_run"][name] = obstacle
            else:
                done["goals"][name] = run_goal(GOALS[name], options, yard)
        os.sched_setaffinity(0, cores)
        if BENCH in options.only:
            try:
                done["bench"] = run_bench(options, yard)
            except BenchError as error:
                done["not_run"][BENCH] = str(error)
    return done


def main():
    options = arguments()
    stop_on_signals()
    try:
        done = run(options)
    except BenchError as error:
        say(f"goals: {error}")
        return 1
    done["verdicts"] = table.verdicts(done, GOALS)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(done, indent=1, default=str) + "\n")
    text = table.markdown(done, GOALS)
    options.out.with_suffix(".md").write_text(text + "\n")
    print(text)
    return 0 if all(verdict["met"] for verdict in done["verdicts"]) else 1


if __name__ == "__main__":
    sys.exit(main())
