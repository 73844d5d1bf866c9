"""What hits cost whose pages lie in files, and what those cost that stay while new pages come and go."""

import os

from load import new_pages, p99_milliseconds, parse_wrk, run_h2load, wrk
from processes import BenchError
from rounds import medians, rotated, run_rates
from servers import PAGES, Setting, fetch

RATES = {"disk-64k": "/64k", "disk-1m": "/1m"}
# Those that keep their pages in files.
WITH_FILES = ("larder", "nginx", "nginx-best")
CHURN_PAGE = "64k"
CHURN_CONNECTIONS = 64
CHURN_PARTS = 12  # the first as long as planned, each further one a quarter of that or a second
CHURN_MEBIBYTES_PER_SECOND = 48  # some 750 new pages a second: a busy cache, not a full core


def run_hits(yard, plan, paths):
    """Hits of pages whose bytes are in files, and these in the page cache."""
    names = [name for name in plan.proxies if name in WITH_FILES]
    return run_rates(yard, plan, paths, names, Setting(cache_mebibytes=0, disk_mebibytes=4096))


def run_churn(yard, plan):
    """p99 of hits at half of what each proxy can: alone, and while new pages come and go."""
    mebibytes = 256 if plan.is_quick else 2048
    setting = Setting(cache_mebibytes=mebibytes // 8, disk_mebibytes=mebibytes // 4)
    origin = yard.start_origin()
    proxies = [yard.start_proxy(name, origin.port, setting) for name in plan.proxies if name in WITH_FILES]
    log = yard.directory / "h2load.log"
    rates, rounds = {}, {proxy.name: [] for proxy in proxies}
    for proxy in proxies:
        fetch(proxy.port, "/1k")
        run_h2load(proxy, "/1k", 1, yard.load_cores, log)
        times = run_h2load(proxy, "/1k", plan.seconds, yard.load_cores, log)
        rates[proxy.name] = len(times) / plan.seconds / 2
    # Of the load's core hits have the first right: the proxies are what is measured.
    for process_id in origin.process_ids():
        os.setpriority(os.PRIO_PROCESS, process_id, 10)
    for number in range(min(plan.rounds, 3)):
        for proxy in rotated(proxies, number):
            figures = churn_round(yard, plan, proxy, rates[proxy.name], f"{number}", mebibytes)
            rounds[proxy.name].append(figures)
            plan.say(
                f"churn    {proxy.name:10} {rates[proxy.name]:8.0f} hits/s  "
                f"p99 {figures['quiet_p99_ms']:.2f} ms, "
                f"and {figures['churn_p99_ms']:.2f} ms beside {figures['mebibytes']:.0f} MiB of new pages"
            )
    for server in [*proxies, origin]:
        yard.stop(server)
    return {name: {"median": medians(done), "rounds": done} for name, done in rounds.items()}


def churn_round(yard, plan, proxy, rate, run, mebibytes):
    log = yard.directory / "h2load.log"
    page_mebibytes = PAGES[f"/{CHURN_PAGE}"] / 2**20
    seconds = planned = mebibytes // CHURN_MEBIBYTES_PER_SECOND + 1
    pause = int(1000 * CHURN_CONNECTIONS * page_mebibytes / CHURN_MEBIBYTES_PER_SECOND)
    quiet = run_h2load(proxy, "/1k", max(plan.seconds, 2), yard.load_cores, log, rate)
    busy, pages, parts = [], 0, 0
    # Each connection also waits for its answers, so it takes somewhat longer than planned.
    while pages * page_mebibytes < mebibytes:
        if parts == CHURN_PARTS:
            raise BenchError(f"churn: {proxy.name} was asked for {pages} pages only: the load was too slow")
        script = new_pages(f"{run}-{parts}", [CHURN_PAGE], pause)
        with wrk(
            proxy, "", seconds, yard.load_cores, CHURN_CONNECTIONS, script=script, before=("nice", "-n", "10")
        ) as churning:
            busy += run_h2load(proxy, "/1k", seconds, yard.load_cores, log, rate)
            pages += parse_wrk(churning.output(), churning.what).requests
        parts += 1
        seconds = max(planned // 4, 1)
    figures = {"rate": rate, "mebibytes": pages * page_mebibytes}
    figures |= {"quiet_p99_ms": p99_milliseconds(quiet), "churn_p99_ms": p99_milliseconds(busy)}
    return figures | {"p99_ratio": figures["churn_p99_ms"] / figures["quiet_p99_ms"]}
