"""The origin, Larder and its peers: how each is configured and started."""

import http.client
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

from processes import BenchError, Server, free_port

HERE = Path(__file__).parent
PAGES = {"/1k": 1024, "/64k": 64 * 1024, "/1m": 1024 * 1024}
PASS_PAGE = "/pass"
# Pages of many lengths, from 500 bytes to 4 MiB, each a half longer than the one before: /new/NAME/… has them
# under as many addresses as one likes.
MIXED_PAGES = {f"mixed-{number}": int(500 * 1.5**number) for number in range(23)}
PASS_LENGTH = 1024
PEERS = ("nginx", "nginx-best", "haproxy", "varnish")
PROXIES = ("larder", *PEERS)

VARNISH_LOG_TAGS = """
Begin End Link SessOpen SessClose Timestamp VCL_call VCL_return VCL_use Hit HitMiss HitPass Length TTL Storage
ReqStart ReqMethod ReqURL ReqProtocol ReqHeader ReqUnset ReqAcct RespProtocol RespStatus RespReason RespHeader
RespUnset BereqMethod BereqURL BereqProtocol BereqHeader BereqUnset BereqAcct BerespProtocol BerespStatus
BerespReason BerespHeader BerespUnset ObjProtocol ObjStatus ObjReason ObjHeader Fetch_Body Filters
Backend BackendOpen BackendClose BackendReuse
"""
# What Varnish is started with beside its VCL, and why.
VARNISH_PARAMETERS = {
    "thread_pools": 1,  # one core: a second pool only adds a lock and an acceptor
    "thread_pool_min": 200,  # a thread for each of 64 clients and their fetches, none made meanwhile
    "thread_pool_max": 200,  # and no more than that
    "thread_queue_limit": 16384,  # thousands of connections may open at once without being dropped
    "timeout_idle": 86400,  # the load's connections are never closed by time
    "backend_idle_timeout": 3600,  # nor those to the origin
    # The log in shared memory is its access log, and access logs are off for everybody.
    "vsl_mask": ",".join(f"-{tag}" for tag in VARNISH_LOG_TAGS.split()),
}


@dataclass(frozen=True)
class Setting:
    """How a proxy is started, where that is not the benchmark's way."""

    workers: int = 1
    cache_mebibytes: int = 1024
    disk_mebibytes: int = 0  # Larder: of its disk tier; nginx: of a cache that lies there; 0: all in memory
    store: str = ""  # name of the folder for that, to find it again; else one of its own
    admin_port: int = 0  # Larder only; 0: none
    logs: bool = False  # Larder and nginx only
    collapses: bool = False  # nginx only: passes would wait for each other, so not in the benchmark
    flags: tuple = ()  # Larder's own
    before: tuple = ()  # words before the command, such as `prlimit --nofile=64`


def page_body(length):
    """The same text for every run: letters that neither repeat nor compress to nothing."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(random.Random(length).choices(letters, k=length)).encode()


def ask(port, path):
    """(status, fields, body) of one request on a connection of its own; names of fields in lower case."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"GET {path} on port {port}: {error!r}") from error
    finally:
        connection.close()


def fetch(port, path):
    status, _, body = ask(port, path)
    return status, body


def fetch_fields(port, path):
    return ask(port, path)[1]


def metrics(port):
    """The samples of Larder's admin listener, by name with labels."""
    lines = fetch(port, "/metrics")[1].decode().splitlines()
    return {
        name: float(value) for name, _, value in (l.rpartition(" ") for l in lines if not l.startswith("#"))
    }


class Yard:
    """Everything that runs, in one folder in memory and one on the disk; all is ended on the way out."""

    def __init__(self, directory: Path, disk: Path, larder: Path, load_cores, proxy_cores):
        self.directory, self.disk, self.larder = directory, disk, larder
        self.load_cores, self.proxy_cores = load_cores, proxy_cores
        self.running = []
        for folder in ("pages", "origin-tmp"):
            (directory / folder).mkdir(parents=True)
        for folder in (directory, disk):
            folder.chmod(0o755)
        for name, length in {**{path[1:]: length for path, length in PAGES.items()}, **MIXED_PAGES}.items():
            (directory / "pages" / name).write_bytes(page_body(length))

    def start(self, name, command, cores, port):
        server = Server(name, command, cores, port, self.directory / f"{name}-{port}.log")
        self.running.append(server)
        server.wait_until_ready()
        return server

    def stop(self, server, patience=5):
        server.stop(patience)
        self.running.remove(server)

    def stop_all(self):
        for server in reversed(list(self.running)):
            self.stop(server)

    def configured(self, file, **values):
        """A configuration with @NAME@ filled in, as a file of the run."""
        text = (HERE / "config" / file).read_text()
        for key, value in {"DIR": self.directory, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        made = self.directory / f"{values['PORT']}-{file}"
        made.write_text(text)
        return made

    def start_origin(self):
        port = free_port()
        configuration = self.configured("origin.conf", PORT=port, PASS_BODY=page_body(PASS_LENGTH).decode())
        command = ["nginx", "-p", self.directory, "-e", "stderr", "-c", configuration]
        return self.start("origin", command, self.load_cores, port)

    def start_proxy(self, name, origin_port, setting=Setting(), cores=None, port=None):
        """On a port that was free, or, to find what was stored under that address, on the one named."""
        port = port or free_port()
        command = getattr(self, name.replace("-", "_") + "_command")(port, origin_port, setting)
        return self.start(name, [*setting.before, *command], cores or self.proxy_cores, port)

    def larder_command(self, port, origin_port, setting):
        admin = f"127.0.0.1:{setting.admin_port}" if setting.admin_port else "off"
        command = [self.larder, "serve", "--admin", admin, "--workers", setting.workers]
        command += ["--listen", f"127.0.0.1:{port}", "--backend", f"127.0.0.1:{origin_port}"]
        command += ["--memory", f"{setting.cache_mebibytes}MiB"]
        if setting.disk_mebibytes:
            store = self.disk / (setting.store or f"larder-{port}")
            command += ["--disk", f"{store},size={setting.disk_mebibytes}MiB,inactive=1d"]
        command += ["--access-log", self.log_path("larder", port) if setting.logs else "off"]
        return [*command, *setting.flags]

    def log_path(self, name, port):
        return self.directory / f"{name}-{port}-access.log"

    def nginx_command(self, port, origin_port, setting):
        return self.any_nginx_command("nginx", port, origin_port, setting, ("on", "on"))

    def nginx_best_command(self, port, origin_port, setting):
        return self.any_nginx_command("nginx-best", port, origin_port, setting, ("off", "off"))

    def any_nginx_command(self, name, port, origin_port, setting, nopush_and_small_sendfile):
        # Each instance has a cache of its own. nginx's worker is another user when root starts it.
        above = self.disk if setting.disk_mebibytes else self.directory
        cache = above / (setting.store or f"{name}-{port}-cache")
        for folder in (cache, self.directory / f"{name}-{port}-tmp"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        nopush, small_sendfile = nopush_and_small_sendfile
        values = {
            "NAME": f"{name}-{port}",
            "PORT": port,
            "ORIGIN": origin_port,
            "WORKERS": setting.workers,
            "CACHE": f"{setting.disk_mebibytes or setting.cache_mebibytes}m",
            "STORE": cache,
            "LOG": f"{self.log_path('nginx', port)} combined buffer=64k flush=1s" if setting.logs else "off",
            "LOCK": "on" if setting.collapses else "off",
            "NOPUSH": nopush,
            "SMALL_SENDFILE": small_sendfile,
        }
        return ["nginx", "-p", self.directory, "-e", "stderr", "-c", self.configured("nginx.conf", **values)]

    def haproxy_command(self, port, origin_port, setting):
        # 64 MiB hold all pages of the benchmark, and HAProxy touches the whole of its cache at the start.
        cache = min(setting.cache_mebibytes, 64)
        values = {"PORT": port, "ORIGIN": origin_port, "WORKERS": setting.workers, "CACHE": cache}
        return ["haproxy", "-db", "-f", self.configured("haproxy.cfg", **values)]

    def varnish_command(self, port, origin_port, setting):
        configuration = self.configured("varnish.vcl", PORT=port, ORIGIN=origin_port)
        command = ["varnishd", "-F", "-j", "none", "-T", "none", "-n", self.directory / f"varnish-{port}"]
        command += ["-a", f"127.0.0.1:{port}", "-f", configuration]
        # Transient is what is not kept; beside a cache of 1 GiB it may have a quarter of that, as by default
        # it may have anything.
        transient = max(setting.cache_mebibytes // 4, 16)
        command += ["-s", f"malloc,{setting.cache_mebibytes}m", "-s", f"Transient=malloc,{transient}m"]
        for parameter, value in VARNISH_PARAMETERS.items():
            command += ["-p", f"{parameter}={value}"]
        return command


class OriginCount:
    """How many requests reach the origin, the question itself not counted."""

    def __init__(self, origin):
        self.port = origin.port
        self.last = self.read()

    def read(self):
        lines = fetch(self.port, "/count")[1].decode().splitlines()
        return int(lines[2].split()[2])

    def since_last(self):
        now = self.read()
        requests, self.last = now - self.last - 1, now
        return requests


def check_answers(proxy, count: OriginCount):
    """All bytes as the origin has them; a second answer from cache, a passed one never (L34)."""
    for path, length in {**PAGES, PASS_PAGE: PASS_LENGTH}.items():
        for attempt in range(2):
            count.since_last()
            status, body = fetch(proxy.port, path)
            if status != 200 or body != page_body(length):
                raise BenchError(
                    f"{proxy.name}: {path} gives status {status} and {len(body)} bytes, not the origin's"
                )
            fetched = count.since_last()
            expected = 1 if attempt == 0 or path == PASS_PAGE else 0
            if fetched != expected:
                raise BenchError(
                    f"{proxy.name}: {path}: request {attempt + 1} made {fetched} there, not {expected}"
                )


def version_of(name, larder: Path):
    command = {
        "larder": [str(larder), "version"],
        "nginx": ["nginx", "-v"],
        "nginx-best": ["nginx", "-v"],
        "haproxy": ["haproxy", "-v"],
        "varnish": ["varnishd", "-V"],
    }[name]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return ((done.stdout + done.stderr).strip().splitlines() or ["unknown"])[0]
