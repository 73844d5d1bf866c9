"""What is measured. Each scenario returns plain figures; `report.py` makes tables and verdicts of them."""

import json
import os
import subprocess
import time
from pathlib import Path

import disk
import start_up
import turnover
from load import run_wrk
from processes import BenchError, end_with_parent, free_port, on_cores
from rounds import Plan, medians, rotated, run_rates
from servers import Setting, Yard, fetch

HERE = Path(__file__).parent
RATE_SCENARIOS = {"hit-1k": "/1k", "hit-64k": "/64k", "hit-1m": "/1m", "pass": "/pass"}
OTHER_SCENARIOS = ("stampede", "idle", "two-workers")
DISK_SCENARIOS = (*disk.RATES, "churn", "start-up", "memory")
SCENARIOS = (*RATE_SCENARIOS, *OTHER_SCENARIOS, *DISK_SCENARIOS)
STAMPEDE_CONNECTIONS = 10_000
STAMPEDE_DELAY_MS = 2000
IDLE_CONNECTIONS = 5_000
IDLE_WARM_CONNECTIONS = 200


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
    if rates := {name: path for name, path in RATE_SCENARIOS.items() if name in chosen}:
        results |= run_rates(yard, plan, rates, plan.proxies)
    if rates := {name: path for name, path in disk.RATES.items() if name in chosen}:
        results |= disk.run_hits(yard, plan, rates)
    others = {
        "stampede": run_stampede,
        "idle": run_idle,
        "two-workers": run_two_workers,
        "churn": disk.run_churn,
        "start-up": start_up.run_start_up,
        "memory": turnover.run_memory,
    }
    return results | {name: run(yard, plan) for name, run in others.items() if name in chosen}
