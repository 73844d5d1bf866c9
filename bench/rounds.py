"""What scenarios have in common: how much is done, rounds that alternate between proxies, medians."""

import statistics
from dataclasses import dataclass

from load import run_wrk
from processes import BenchError
from servers import OriginCount, Setting, Yard, check_answers

PASS_SCENARIO = "pass"


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    rounds: int
    seconds: int
    proxies: tuple
    descriptor_limit: int
    say: callable
    is_quick: bool = False


def medians(rounds):
    """The median of each figure over the rounds."""
    return {name: statistics.median(round[name] for round in rounds) for name in rounds[0]}


def rotated(items, by):
    by %= len(items)
    return [*items[by:], *items[:by]]


def run_rates(yard: Yard, plan: Plan, paths, names, setting=Setting()):
    """Hits and passes, by scenario: all proxies stand before one origin; rounds alternate between them."""
    origin = yard.start_origin()
    count = OriginCount(origin)
    proxies = [yard.start_proxy(name, origin.port, setting) for name in names]
    for proxy in proxies:
        check_answers(proxy, count)
    plan.say(f"checked: {', '.join(names)} return the origin's bytes, hits from cache and passes not")
    results = {}
    for scenario, path in paths.items():
        rounds = {proxy.name: [] for proxy in proxies}
        for proxy in proxies:
            run_wrk(proxy, path, 1, yard.load_cores)
        for number in range(plan.rounds):
            # Another goes first each time, so that nobody always follows the same neighbour.
            for proxy in rotated(proxies, number):
                rounds[proxy.name].append(rate_round(yard, plan, proxy, count, scenario, path))
        results[scenario] = {name: {"median": medians(done), "rounds": done} for name, done in rounds.items()}
    for server in [*proxies, origin]:
        yard.stop(server)
    return results


def rate_round(yard, plan, proxy, count, scenario, path):
    count.since_last()
    load = run_wrk(proxy, path, plan.seconds, yard.load_cores)
    fetched = count.since_last()
    if scenario == PASS_SCENARIO and fetched < load.requests:
        raise BenchError(f"{proxy.name}: {load.requests} passes, but only {fetched} requests at the origin")
    if scenario != PASS_SCENARIO and fetched > 0:
        raise BenchError(f"{proxy.name}: {fetched} requests at the origin during hits of {path}")
    pss, rss = proxy.memory()
    figures = {**load.as_figures(), "pss_bytes": pss, "rss_bytes": rss}
    plan.say(
        f"{scenario:8} {proxy.name:10} {figures['cpu_us']:8.2f} µs CPU  "
        f"{figures['requests_per_second']:9.0f}/s  p99 {figures['p99_ms']:.2f} ms"
    )
    return figures
