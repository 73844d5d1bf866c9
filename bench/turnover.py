"""The memory that Larder takes while all it keeps is turned over, again and again (L31)."""

import statistics
import threading
import time

from load import new_pages, run_wrk
from processes import BenchError, free_port
from rounds import rotated
from servers import MIXED_PAGES, Setting, metrics

TURNOVERS = 10
MEMORY_MEBIBYTES, DISK_MEBIBYTES = 128, 256


class MemoryCurve(threading.Thread):
    """Resident bytes over time; on a thread, since the highest may be while others wait."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ended, self.began = server, threading.Event(), time.monotonic()
        self.samples = []  # (seconds, bytes)

    def run(self):
        while not self.ended.wait(0.1):
            self.samples.append((time.monotonic() - self.began, self.server.memory()[1]))


def run_memory(yard, plan):
    """The disk, and so the memory too, turned over ten times by pages of ever other lengths."""
    origin = yard.start_origin()
    port = free_port()
    disk_mebibytes = DISK_MEBIBYTES // (4 if plan.is_quick else 1)
    proxy = yard.start_proxy(
        "larder",
        origin.port,
        Setting(cache_mebibytes=MEMORY_MEBIBYTES, disk_mebibytes=disk_mebibytes, admin_port=port),
    )
    curve = MemoryCurve(proxy)
    curve.start()
    turns, sizes = [], list(MIXED_PAGES)
    for number in range(TURNOVERS):
        # Half of the lengths, each time from another one on: what fits the last turn's holes does not now.
        pages = rotated(sizes, number * 7)[: len(sizes) // 2]
        began = len(curve.samples)
        turn_over(yard, proxy, port, f"{number}", pages, (number + 1) * disk_mebibytes * 2**20)
        resident = [size for _, size in curve.samples[began:]] or [proxy.memory()[1]]
        turns.append({"median": statistics.median(resident) / 2**20, "highest": max(resident) / 2**20})
        plan.say(f"memory   turnover {number + 1}: {turns[-1]['highest']:.0f} MiB")
    curve.ended.set()
    curve.join()
    used = metrics(port)["larder_disk_used_bytes"]
    for server in (proxy, origin):
        yard.stop(server)
    figures = {
        "budget_mib": MEMORY_MEBIBYTES,
        "highest_mib": max(size for _, size in curve.samples) / 2**20,
        "of_disk_size": used / (disk_mebibytes * 2**20),
        "turns": turns,
    }
    return {"larder": {"median": figures, "rounds": [figures | {"samples": curve.samples}]}}


def turn_over(yard, proxy, admin_port, run, pages, wanted):
    """New pages, every fourth time an earlier one, until so many bytes have been written since the start."""
    part, until = 0, time.monotonic() + 120
    while metrics(admin_port)["larder_disk_written_bytes_total"] < wanted:
        if time.monotonic() > until:
            raise BenchError("memory: the disk is too slow for a turnover in two minutes")
        script = new_pages(f"{run}-{part}", pages, again=4)
        run_wrk(proxy, "", 1, yard.load_cores, connections=16, script=script)
        part += 1
