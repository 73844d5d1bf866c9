"""How soon a store of a million files serves after a start, and knows all it has."""

import os
import random
import subprocess
import time

from load import new_pages, run_wrk, wrk
from processes import BenchError, free_port
from servers import Setting, fetch_fields, metrics

ENTRIES, QUICK_ENTRIES = 1_000_000, 20_000
STORED_URLS = 100  # asked for after a start
FILL_SECONDS = 900
COMPLETE_SECONDS = 180
DROP_CACHES = "/proc/sys/vm/drop_caches"


def run_start_up(yard, plan):
    """A store of many entries, page cache empty: how soon it serves, and knows all it has."""
    wanted = QUICK_ENTRIES if plan.is_quick else ENTRIES
    origin = yard.start_origin()
    # 4 KiB a file, and room for four times that: what is written is asked for again, so nobody may leave.
    port, setting = start_setting(disk_mebibytes=wanted // 64)
    proxy = yard.start_proxy("larder", origin.port, setting, cores=[*yard.load_cores, *yard.proxy_cores])
    stored, figures = fill_store(yard, plan, proxy, port, wanted)
    yard.stop(proxy, patience=60)
    # Full by now: what comes during the start may only be written when others leave.
    full = int(figures["used_bytes"] * 1.02) // 2**20 + 1
    results = {}
    for kind in ("checkpoint", "scan"):
        if kind == "scan":
            (yard.disk / setting.store / "index.checkpoint").unlink(missing_ok=True)
        began = start_once(yard, plan, origin, proxy.port, stored, full, kind)
        results |= {f"{kind}_{name}": value for name, value in began.items()}
    yard.stop(origin)
    results |= figures | {"is_cold": float(may_empty_page_cache())}
    return {"larder": {"median": results, "rounds": [results]}}


def start_setting(disk_mebibytes):
    port = free_port()
    return port, Setting(
        cache_mebibytes=512, disk_mebibytes=disk_mebibytes, store="start-up", admin_port=port
    )


def fill_store(yard, plan, proxy, admin_port, wanted):
    """(run, first, last page of each slice; figures): in slices, since what cannot be written is left out."""
    until = time.monotonic() + FILL_SECONDS
    stored = []
    while True:
        seen = metrics(admin_port)
        entries = int(seen["larder_disk_entries"])
        waiting = sum(value for name, value in seen.items() if name.startswith("larder_disk_queue_depth"))
        if waiting == 0 and entries >= wanted:
            break
        if time.monotonic() > until:
            raise BenchError(f"start-up: {entries} of {wanted} entries after {FILL_SECONDS} s")
        if waiting:
            time.sleep(0.2)
            continue
        run = f"{len(stored)}"
        seconds = 1 if plan.is_quick else 5
        load = run_wrk(proxy, "", seconds, yard.load_cores, script=new_pages(run, ["mixed-0"]))
        # wrk leaves its last requests alone, and takes the first one only to see what it looks like.
        stored.append((run, 2, load.requests - 100))
        plan.say(f"start-up {entries:8} entries")
    skipped = sum(
        value for name, value in seen.items() if name.startswith("larder_disk_skipped_writes_total")
    )
    if skipped:
        raise BenchError(f"start-up: {skipped:.0f} responses were not written")
    index_bytes = seen["larder_disk_index_memory_bytes"] / entries
    figures = {
        "entries": entries,
        "index_bytes_each": index_bytes,
        "used_bytes": seen["larder_disk_used_bytes"],
    }
    return stored, figures


def may_empty_page_cache():
    return os.access(DROP_CACHES, os.W_OK)


def empty_page_cache():
    os.sync()
    if may_empty_page_cache():
        with open(DROP_CACHES, "w", encoding="ascii") as file:
            file.write("3")


def start_once(yard, plan, origin, port, stored, disk_mebibytes, kind):
    chosen = random.Random(kind)
    urls = []
    for _ in range(STORED_URLS):
        # Not of the oldest: the start before this one may have had to make room.
        run, first, last = chosen.choice(stored[len(stored) // 5 :])
        urls.append(f"/new/mixed-0/{run}-{chosen.randint(first, last)}")
    empty_page_cache()
    admin_port, setting = start_setting(disk_mebibytes)
    began = time.monotonic()
    proxy = yard.start_proxy("larder", origin.port, setting, port=port)
    missed = sum(fetch_fields(proxy.port, url)["x-cache-status"] != "HIT" for url in urls)
    hits_seconds = time.monotonic() - began
    highest, complete = watch_scan(yard, proxy, admin_port, began, kind)
    taken = bytes_of_files(yard.disk / setting.store)
    yard.stop(proxy, patience=60)
    plan.say(
        f"start-up {kind:10} {STORED_URLS} URLs within {hits_seconds:.2f} s ({missed} missed), "
        f"index complete after {complete:.1f} s"
    )
    limit = disk_mebibytes * 2**20
    figures = {"hits_seconds": hits_seconds, "missed": missed, "complete_seconds": complete}
    return figures | {"of_size": max(highest, taken) / limit}


def watch_scan(yard, proxy, admin_port, began, kind):
    """(most bytes that the store says it takes, seconds until its index is complete); new pages come."""
    highest, until = 0, time.monotonic() + COMPLETE_SECONDS
    script = new_pages(kind, ["1k"], pause_milliseconds=20)
    with wrk(proxy, "", COMPLETE_SECONDS, yard.load_cores, connections=8, script=script):
        while time.monotonic() < until:
            seen = metrics(admin_port)
            highest = max(highest, seen["larder_disk_used_bytes"])
            if seen["larder_disk_scan_complete"] == 1:
                return highest, time.monotonic() - began
            time.sleep(0.1)
    raise BenchError(f"start-up: the index is not complete after {COMPLETE_SECONDS} s")


def bytes_of_files(folder):
    """What files of entries and those under way take, as the file system counts."""
    found = subprocess.run(
        ["find", str(folder), "-mindepth", "2", "-type", "f", "-printf", "%b\n"],
        capture_output=True,
        text=True,
        check=False,
    )
    return 512 * sum(int(line) for line in found.stdout.split())
