"""The machine a run is on: how busy it is, what it is, a place to run in, and ending when told to."""

import contextlib
import datetime
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from processes import BenchError
from servers import Yard

# Of those who need no rights, the one that is on a disk by custom, and that other users may enter.
DISK_FOLDER = Path("/var/tmp")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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


def file_system_of(folder: Path):
    """Its type, as the kernel names it."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        kinds[Path(point)] = kind
    return next(kinds[above] for above in (folder.resolve(), *folder.resolve().parents) if above in kinds)


def describe_machine(busy):
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


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


@contextlib.contextmanager
def in_yard(larder: Path, disk_folder=DISK_FOLDER):
    """Folders in memory and on the disk, the cores; whatever was started is ended on the way out."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for load and origin")
    memory_folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="larder-bench-", dir=memory_folder))
    # The first core takes most interrupts: the proxy gets the last.
    disk = Path(tempfile.mkdtemp(prefix="larder-bench-", dir=disk_folder))
    yard = Yard(directory, disk, larder.resolve(), cores[:1], cores[-1:])
    try:
        yield yard
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second one must not leave something running
        yard.stop_all()
        for folder in (directory, disk):
            shutil.rmtree(folder, ignore_errors=True)


def stop_by_signal(number, _frame):
    # Not an error that a scenario could take for its own; event loops let this one through at once.
    raise SystemExit(f"ended by {signal.Signals(number).name}")


def stop_on_signals():
    # Debian keeps daemons in sbin, which a user's PATH may lack.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for number in STOP_SIGNALS:
        signal.signal(number, stop_by_signal)
