"""wrk: one run of load, and what it says."""

import re
import subprocess
from dataclasses import dataclass

from processes import BenchError, CPUTime, Server, end_with_parent, on_cores

CONNECTIONS = 64
UNIT_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


@dataclass(frozen=True)
class LoadResult:
    """One round of load on one proxy."""

    requests: int
    seconds: float
    p99_milliseconds: float
    cpu: CPUTime

    def as_figures(self):
        per_request = 1e6 / self.requests
        return {
            "cpu_us": self.cpu.total * per_request,
            "user_us": self.cpu.user * per_request,
            "system_us": self.cpu.system * per_request,
            "requests_per_second": self.requests / self.seconds,
            "p99_ms": self.p99_milliseconds,
            "core_busy": self.cpu.total / self.seconds,
        }


def run_wrk(server: Server, path, seconds, cores, threads=1, connections=CONNECTIONS):
    """Loads one path of one server over keep-alive connections."""
    url = f"http://127.0.0.1:{server.port}{path}"
    amount = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
    command = ["wrk", *amount, "--timeout", "10s", "--latency", url]
    before = server.cpu_time()
    process = subprocess.Popen(
        on_cores(cores, command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=end_with_parent,
    )
    try:
        text, _ = process.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        raise BenchError(f"wrk on {server.name} {path} did not end") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return parse_wrk(text, f"{server.name} {path}", server.cpu_time() - before)


def parse_wrk(text, what, cpu):
    """Any error makes the round worthless: an error page is cheaper than a page."""
    for line in text.splitlines():
        if "Socket errors" in line or "Non-2xx" in line:
            raise BenchError(f"{what}: {line.strip()}")
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", text)
    latency = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text)
    if not done or not latency or int(done[1]) == 0:
        raise BenchError(f"{what}: wrk says: {' / '.join(text.strip().splitlines()[-3:])}")
    return LoadResult(
        requests=int(done[1]),
        seconds=float(done[2]) * UNIT_MILLISECONDS[done[3]] / 1000,
        p99_milliseconds=float(latency[1]) * UNIT_MILLISECONDS[latency[2]],
        cpu=cpu,
    )
