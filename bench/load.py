"""wrk and h2load: one run of load, and what it says."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from processes import BenchError, CPUTime, Server, end_with_parent, on_cores

HERE = Path(__file__).parent
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


class LoadProcess:
    """A load generator that runs; leaving it ends it."""

    def __init__(self, what, command, seconds, cores):
        self.what, self.seconds = what, seconds
        self.process = subprocess.Popen(
            on_cores(cores, [str(word) for word in command]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=end_with_parent,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def output(self):
        """All it has printed, when it has ended by itself."""
        try:
            return self.process.communicate(timeout=self.seconds + 30)[0]
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.what} did not end") from None


def wrk(server: Server, path, seconds, cores, connections=CONNECTIONS, threads=1, script=(), before=()):
    """wrk on its way; `script` is a file of this folder with its words, `before` comes before the command."""
    url = f"http://127.0.0.1:{server.port}{path}"
    amount = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
    command = [*before, "wrk", *amount, "--timeout", "10s", "--latency"]
    command += ["-s", HERE / script[0], url, "--", *script[1:]] if script else [url]
    return LoadProcess(f"wrk on {server.name} {path}", command, seconds, cores)


def run_wrk(server: Server, path, seconds, cores, **how):
    """Loads one path of one server over keep-alive connections."""
    before = server.cpu_time()
    with wrk(server, path, seconds, cores, **how) as running:
        text = running.output()
    return parse_wrk(text, running.what, server.cpu_time() - before)


def new_pages(run, pages, pause_milliseconds=0, again=0):
    """The script of a run that asks for new pages; its words are explained there."""
    return ("new_pages.lua", run, pause_milliseconds, again, *pages)


def parse_wrk(text, what, cpu=CPUTime(0, 0)):
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


def run_h2load(server: Server, path, seconds, cores, log: Path, rate=None):
    """How long each request took, in microseconds: HTTP/1.1 at a fixed rate, or as fast as it goes."""
    log.unlink(missing_ok=True)
    command = ["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{seconds}", f"--log-file={log}"]
    if rate:
        command.append(f"--rps={rate / CONNECTIONS:.3f}")
    what = f"h2load on {server.name} {path}"
    with LoadProcess(what, [*command, f"http://127.0.0.1:{server.port}{path}"], seconds, cores) as running:
        text = running.output()
    # Each line: when it began, status, how long it took; microseconds.
    rows = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    times = [int(row[2]) for row in rows if row[1] == "200"]
    if not times or len(times) < len(rows):
        raise BenchError(f"{what}: {len(rows) - len(times)} errors: {' / '.join(text.splitlines()[-8:])}")
    return times


def p99_milliseconds(times):
    return sorted(times)[len(times) * 99 // 100] / 1000
