"""Processes of a run: started on chosen cores, measured from /proc, and ended by their own ids."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something that ends the run; its text is the one line that is printed."""


@dataclass(frozen=True)
class CPUTime:
    """Processor time in seconds."""

    user: float
    system: float

    @property
    def total(self):
        return self.user + self.system

    def __sub__(self, other):
        return CPUTime(self.user - other.user, self.system - other.system)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_descriptor_limit(wanted=65536):
    """Raises the limit for this process and those it starts; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, PermissionError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def end_with_parent():
    """Runs in the child: if this script is killed outright, its children are asked to end too."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def on_cores(cores, command):
    return ["taskset", "-c", ",".join(str(core) for core in cores), *command]


class Server:
    """A running program with all its descendants, logging to a file."""

    def __init__(self, name, command, cores, port, log: Path):
        self.name, self.port, self.log = name, port, log
        self.noted = set()
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                on_cores(cores, [str(word) for word in command]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )

    def wait_until_ready(self, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended with status {self.process.returncode}: {self.log_end()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise BenchError(f"{self.name} does not accept on port {self.port}: {self.log_end()}")

    def log_end(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it printed nothing"

    def process_ids(self):
        """The process and all below it."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                fields = stat_fields(entry)
                if fields:
                    children.setdefault(int(fields[1]), []).append(int(entry))
        found, queue = [], [self.process.pid]
        while queue:
            process_id = queue.pop()
            found.append(process_id)
            queue += children.get(process_id, [])
        return found

    def note_processes(self):
        """Those of now must all be there until the end; call it when it serves."""
        self.noted = set(self.process_ids())

    def has_crashed(self):
        """It has ended, or one of its processes has: a parent may have started another in its place."""
        return self.process.poll() is not None or not self.noted <= set(self.process_ids())

    def cpu_time(self):
        """Of all its processes, those already ended included."""
        user = system = 0
        for process_id in self.process_ids():
            fields = stat_fields(process_id)
            if fields:
                # utime, stime, cutime, cstime: fields 14 to 17 of proc(5), counted from the state, field 3.
                user += int(fields[11]) + int(fields[13])
                system += int(fields[12]) + int(fields[14])
        return CPUTime(user / TICKS_PER_SECOND, system / TICKS_PER_SECOND)

    def memory(self):
        """(PSS, RSS) in bytes, of all its processes."""
        totals = {"Pss": 0, "Rss": 0}
        for process_id in self.process_ids():
            try:
                text = Path(f"/proc/{process_id}/smaps_rollup").read_text()
            except OSError:
                continue
            for line in text.splitlines():
                name, _, value = line.partition(":")
                if name in totals:
                    totals[name] += int(value.split()[0]) * 1024
        return totals["Pss"], totals["Rss"]

    def descriptors(self):
        """Open ones, of all its processes."""
        count = 0
        for process_id in self.process_ids():
            try:
                count += len(os.listdir(f"/proc/{process_id}/fd"))
            except OSError:
                continue
        return count

    def kill(self):
        """Ends all of it at once, as a crash would; `stop` is still to be called."""
        for process_id in self.process_ids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        self.process.wait()

    def stop(self, patience=5):
        """Asks it to end, and ends what is left after so many seconds."""
        ids = self.process_ids()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process_id in ids[1:]:
            # A child of a parent that did not end it; its parent is now another, its id still its own.
            if wait_for_end(process_id, 2):
                continue
            try:
                os.kill(process_id, signal.SIGKILL)
            except ProcessLookupError:
                pass


def wait_for_end(process_id, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        fields = stat_fields(process_id)
        if not fields or fields[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def stat_fields(process_id):
    """The fields of /proc/PID/stat from the state on (the name before it may hold anything), or None."""
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None
