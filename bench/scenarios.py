"""What is measured. Each scenario returns plain figures; `report.py` makes tables and verdicts of them."""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from load import run_wrk
from processes import BenchError, end_with_parent, free_port, on_cores
from servers import OriginCount, Setting, Yard, check_answers, fetch

HERE = Path(__file__).parent
RATE_SCENARIOS = {"hit-1k": "/1k", "hit-64k": "/64k", "hit-1m": "/1m", "pass": "/pass"}
OTHER_SCENARIOS = ("stampede", "idle", "two-workers")
STAMPEDE_CONNECTIONS = 10_000
STAMPEDE_DELAY_MS = 2000
IDLE_CONNECTIONS = 5_000
IDLE_WARM_CONNECTIONS = 200


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    rounds: int
    seconds: int
    proxies: tuple
    descriptor_limit: int
    say: callable


def medians(rounds):
    """The median of each figure over the rounds."""
    return {name: statistics.median(round[name] for round in rounds) for name in rounds[0]}


def rotated(items, by):
    by %= len(items)
    return [*items[by:], *items[:by]]


def run_rates(yard: Yard, plan: Plan, chosen):
    """Hits and passes: all proxies stand before one origin; rounds alternate between them."""
    origin = yard.start_origin()
    count = OriginCount(origin)
    proxies = [yard.start_proxy(name, origin.port) for name in plan.proxies]
    for proxy in proxies:
        check_answers(proxy, count)
    plan.say(f"checked: {', '.join(plan.proxies)} return the origin's bytes, hits from cache and passes not")
    results = {}
    for scenario in chosen:
        path = RATE_SCENARIOS[scenario]
        rounds = {proxy.name: [] for proxy in proxies}
        for proxy in proxies:
            run_wrk(proxy, path, 1, yard.load_cores)
        for number in range(plan.rounds):
            # Another goes first each time, so that nobody always follows the same neighbour.
            for proxy in rotated(proxies, number):
                rounds[proxy.name].append(rate_round(yard, plan, proxy, count, scenario))
        results[scenario] = {name: {"median": medians(done), "rounds": done} for name, done in rounds.items()}
    for server in [*proxies, origin]:
        yard.stop(server)
    return results


def rate_round(yard, plan, proxy, count, scenario):
    path = RATE_SCENARIOS[scenario]
    count.since_last()
    load = run_wrk(proxy, path, plan.seconds, yard.load_cores)
    fetched = count.since_last()
    if scenario == "pass" and fetched < load.requests:
        raise BenchError(f"{proxy.name}: {load.requests} passes, but only {fetched} requests at the origin")
    if scenario != "pass" and fetched > 0:
        raise BenchError(f"{proxy.name}: {fetched} requests at the origin during hits of {path}")
    pss, rss = proxy.memory()
    figures = {**load.as_figures(), "pss_bytes": pss, "rss_bytes": rss}
    plan.say(
        f"{scenario:8} {proxy.name:10} {figures['cpu_us']:8.2f} µs CPU  "
        f"{figures['requests_per_second']:9.0f}/s  p99 {figures['p99_ms']:.2f} ms"
    )
    return figures


def compiled(yard: Yard, source, *flags):
    """The path of what one of our C files becomes."""
    made = yard.directory / Path(source).with_suffix(".made").name
    if not made.exists():
        command = ["cc", "-O2", "-Wall", "-Wextra", *flags, "-o", str(made), str(HERE / source)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise BenchError(f"bench/{source} does not compile: {done.stderr.strip()}")
    return made


def need_descriptors(plan, connections):
    needed = connections + 500
    if plan.descriptor_limit < needed:
        raise BenchError(
            f"{connections} connections need 'ulimit -n {needed}'; the limit is {plan.descriptor_limit}"
        )


def swarm_process(yard, *words):
    return subprocess.Popen(
        on_cores(yard.load_cores, [str(compiled(yard, "swarm.c")), *(str(word) for word in words)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,
    )


def run_stampede(yard: Yard, plan: Plan):
    """10,000 open connections ask for one cold page; only Larder, since peers are not what is judged here."""
    need_descriptors(plan, STAMPEDE_CONNECTIONS)
    tries = []
    for _ in range(min(plan.rounds, 3)):
        origin_port = free_port()
        proxy = yard.start_proxy(plan.proxies[0], origin_port)
        swarm = swarm_process(
            yard, "stampede", proxy.port, origin_port, STAMPEDE_CONNECTIONS, STAMPEDE_DELAY_MS
        )
        output = finished(swarm, 120)
        figures = json.loads(output)
        pss, rss = proxy.memory()
        figures |= {"pss_bytes": pss, "rss_bytes": rss}
        yard.stop(proxy)
        plan.say(
            f"stampede {proxy.name:10} {figures['fetches']} fetches, {figures['answers']} answers, "
            f"last byte after {figures['last_byte_ms']:.0f} ms"
        )
        if figures["answers"] != STAMPEDE_CONNECTIONS or figures["wrong_answers"]:
            raise BenchError(f"stampede: {json.dumps(figures)}")
        if figures["all_sent_ms"] > STAMPEDE_DELAY_MS:
            raise BenchError("stampede: the load was too slow: not all had asked when the origin answered")
        tries.append(figures)
    return {plan.proxies[0]: {"median": medians(tries), "rounds": tries}}


def finished(process, seconds):
    """The output of a swarm that ends by itself."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise BenchError("the swarm did not end") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise BenchError(errors.strip())
    return output


def run_idle(yard: Yard, plan: Plan):
    """Own memory of a connection that was used once and is kept: growth from 200 seen connections on."""
    need_descriptors(plan, IDLE_CONNECTIONS)
    origin = yard.start_origin()
    results = {}
    for name in plan.proxies:
        proxy = yard.start_proxy(name, origin.port)
        fetch(proxy.port, "/1k")
        held_memory(yard, proxy, IDLE_WARM_CONNECTIONS)
        time.sleep(1)
        before = proxy.memory()
        held = held_memory(yard, proxy, IDLE_CONNECTIONS)
        yard.stop(proxy)
        figures = {
            "connections": IDLE_CONNECTIONS,
            "pss_bytes_each": (held[0] - before[0]) / IDLE_CONNECTIONS,
            "rss_bytes_each": (held[1] - before[1]) / IDLE_CONNECTIONS,
        }
        plan.say(f"idle     {name:10} {figures['pss_bytes_each']:.0f} bytes of PSS for each connection")
        results[name] = {"median": figures, "rounds": [figures]}
    yard.stop(origin)
    return results


def held_memory(yard, proxy, connections):
    """Memory while so many connections are open, each having had one page, and nothing moves."""
    swarm = swarm_process(yard, "hold", proxy.port, connections, "/1k")
    try:
        if swarm.stdout.readline().strip() != "ready":
            raise BenchError(f"{proxy.name}: {swarm.stderr.read().strip()}")
        time.sleep(1)
        return proxy.memory()
    finally:
        swarm.stdin.close()
        try:
            swarm.wait(20)
        except subprocess.TimeoutExpired:
            swarm.kill()
            swarm.wait()


def run_two_workers(yard: Yard, plan: Plan):
    """One hot key, one worker and two; nginx likewise, to tell what the machine adds.

    With four cores or more workers and load are apart. With fewer they share all cores, in both cases.
    """
    cores = sorted(os.sched_getaffinity(0))
    apart = len(cores) >= 4
    worker_cores, load_cores = (cores[-2:], cores[:2]) if apart else (cores, cores)
    origin = yard.start_origin()
    results = {}
    for name in (name for name in ("larder", "nginx") if name in plan.proxies):
        proxies = {
            n: yard.start_proxy(name, origin.port, Setting(workers=n), cores=worker_cores) for n in (1, 2)
        }
        rounds = {1: [], 2: []}
        for number in range(plan.rounds + 1):
            for workers in rotated([1, 2], number):
                proxy = proxies[workers]
                load = run_wrk(proxy, "/1k", plan.seconds, load_cores, threads=2)
                if number > 0:  # the first one warms up
                    rounds[workers].append(load.as_figures())
                    cpu = rounds[workers][-1]["cpu_us"]
                    plan.say(f"workers  {name:10} {workers}: {cpu:.2f} µs CPU")
        one, two = medians(rounds[1]), medians(rounds[2])
        results[name] = {
            "median": {
                "one_cpu_us": one["cpu_us"],
                "two_cpu_us": two["cpu_us"],
                "ratio": two["cpu_us"] / one["cpu_us"],
                "one_per_second": one["requests_per_second"],
                "two_per_second": two["requests_per_second"],
            },
            "rounds": [rounds[1], rounds[2]],
        }
        for proxy in proxies.values():
            yard.stop(proxy)
    yard.stop(origin)
    return results


def run_all(yard: Yard, plan: Plan, chosen):
    """Those that are chosen, each with its figures by proxy."""
    results = {}
    rates = [name for name in RATE_SCENARIOS if name in chosen]
    if rates:
        results |= run_rates(yard, plan, rates)
    if "stampede" in chosen:
        results["stampede"] = run_stampede(yard, plan)
    if "idle" in chosen:
        results["idle"] = run_idle(yard, plan)
    if "two-workers" in chosen:
        results["two-workers"] = run_two_workers(yard, plan)
    return results
