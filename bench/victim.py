"""A `larder serve` that is there to be killed, and the origin behind it."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import time
from email.utils import formatdate
from pathlib import Path

from ledger import LASTING, Ledger
from origin import PART
from processes import BenchError, end_with_parent

HERE = Path(__file__).parent
HOST = "bench.test"
# Numbers of kill_at_write.c.
LEFT, WHERE, SCAN_MICROSECONDS, CALLS = range(4)
BEFORE, HALF, AFTER = range(3)
WHERES = ("before it", "after half of it", "after it")


class Numbers:
    """The file by which kill_at_write.c is told what to do."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(32))
        self.file = open(path, "r+b", buffering=0)

    def __getitem__(self, index):
        return struct.unpack("q", os.pread(self.file.fileno(), 8, 8 * index))[0]

    def __setitem__(self, index, value):
        os.pwrite(self.file.fileno(), struct.pack("q", value), 8 * index)


class Victim:
    """Starts again and again on the same directory."""

    def __init__(self, larder, folder, origin_port):
        self.larder, self.folder, self.origin_port = larder, folder, origin_port
        self.store, self.log = folder / "store", folder / "larder.log"
        self.numbers = Numbers(folder / "numbers")
        self.library = folder / "kill_at_write.made"
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", self.library, HERE / "kill_at_write.c"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"kill_at_write.c does not compile: {done.stderr.strip()}")
        self.process, self.port, self.admin = None, 0, 0
        self.lines = []

    async def start(self, size="256MiB", memory="32MiB", scan_microseconds=0):
        self.numbers[LEFT] = 0
        self.numbers[SCAN_MICROSECONDS] = scan_microseconds
        command = [self.larder, "serve", "--no-supervise", "--listen", "127.0.0.1:0"]
        command += ["--admin", "127.0.0.1:0", "--backend", f"127.0.0.1:{self.origin_port}", "--workers", "2"]
        command += ["--disk", f"{self.store},size={size}", "--memory", memory]
        environment = dict(os.environ, LD_PRELOAD=str(self.library), KILL_AT_WRITE=str(self.numbers.path))
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                preexec_fn=end_with_parent,
            )
        self.port, self.admin = await self._address("Listening on"), await self._address("Admin on")

    async def _address(self, words, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.log.read_text(errors="replace").splitlines():
                if line.startswith(words):
                    return int(line.rpartition(":")[2])
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.005)
        raise BenchError(f"larder does not say '{words}': {self.log_end()}")

    @property
    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()

    async def wait(self, seconds):
        """True when it has ended within that time."""
        deadline = time.monotonic() + seconds
        while self.is_alive and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        return not self.is_alive

    def status(self):
        """None: it was killed, or ended well; else what it ended with."""
        code = self.process.wait()
        return None if code in (0, -signal.SIGKILL) else f"it ended with status {code}"

    def complaint(self):
        """What its log says of files that are not as they were written."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line for line in lines if "removed" in line or "cannot" in line), None)

    def log_end(self):
        return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-12:])

    def verify(self):
        """What `larder cache verify` says when something is bad, or None."""
        command = [str(self.larder), "cache", "verify", str(self.store)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else f"{done.stdout}{done.stderr}"

    def purge_and_kill(self, target, is_soft):
        """Kills it as soon as a purge is answered; microseconds from the answer to the kill."""
        soft = "Soft-Purge: 1\r\n" if is_soft else ""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(f"PURGE {target} HTTP/1.1\r\nHost: {HOST}\r\n{soft}\r\n".encode())
            answer = connection.recv(65536)
            began = time.monotonic_ns()
            self.kill()
            ended = time.monotonic_ns()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"PURGE {target}: {answer[:60]!r}")
        return (ended - began) // 1000


class PageOrigin:
    """Serves the pages of a ledger, in the version of now."""

    def __init__(self, ledger):
        self.ledger, self.port, self.server, self.serial = ledger, 0, None, 0

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(writer, head)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer, head):
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        varies = Ledger.kind(target) == "vary"
        variant = fields.get("x-kind", "a") if varies else "a"
        page = self.ledger.page(target)
        version = page.version
        page.note(f"origin answers {method} {variant} {version}")
        tag = Ledger.tag(target, variant, version)
        self.serial += 1
        # What does not last is stale when it arrives, and so asked for again with each request.
        control = "max-age=100000" if Ledger.kind(target) in LASTING else "max-age=60\r\nAge: 100"
        answer = [f"Date: {formatdate(usegmt=True)}", f"Cache-Control: {control}", f"ETag: {tag}"]
        answer += [f"X-Page: {Ledger.identity(target, variant, version)}"]
        answer += [f"X-Serial: {self.serial}", f"X-Serial-Again: {self.serial}"]
        if varies:
            answer.append("Vary: X-Kind")
        if tag in fields.get("if-none-match", ""):
            writer.write("\r\n".join(["HTTP/1.1 304 Not Modified", *answer, "", ""]).encode())
            return await writer.drain()
        body = Ledger.body(target, variant, version)
        answer += [f"Content-Length: {len(body)}", "Content-Type: text/plain", "", ""]
        writer.write("\r\n".join(["HTTP/1.1 200 OK", *answer]).encode())
        if method != "HEAD":
            for start in range(0, len(body), PART):
                writer.write(body[start : start + PART])
                await writer.drain()
        await writer.drain()
