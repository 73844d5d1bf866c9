"""An HTTP/1.1 client that says how each answer ended, and that can misbehave on purpose."""

import asyncio
import contextlib
import select
import socket
import struct
from dataclasses import dataclass, field

# What may happen to a request; only COMPLETE is an answer that its reader may believe.
COMPLETE, CUT, CLOSED, SILENT = "complete", "cut", "closed", "silent"


@dataclass
class Answer:
    """What came back. `status` is 0 when no head came; field names are in lower case, the last one counts."""

    end: str
    status: int = 0
    fields: dict = field(default_factory=dict)
    body: bytes = b""

    @property
    def keeps_alive(self):
        return self.end == COMPLETE and self.fields.get("connection", "").lower() != "close"

    def is_page(self, body, status=200):
        """The whole of that page and nothing else."""
        return self.end == COMPLETE and self.status == status and self.body == body


def parse_head(head: bytes):
    """(status, fields) of a response's head. Raises ValueError when it is none."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not a status line: {first[:40]!r}")
    fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name.lower()] = value.strip()
    return int(status), fields


class Connection:
    """One connection to a proxy on this machine; requests go one after the other."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, receive_buffer=None, seconds=10):
        """Raises OSError when it is refused, and TimeoutError (one too) when nothing comes of it."""
        raw = socket.socket()
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            # Before connecting, or the window that was offered is larger.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        except BaseException:
            raw.close()
            raise
        # What asyncio reads ahead of us counts as read: little, when the reader shall be a slow one.
        limit = receive_buffer or 1 << 18
        return cls(*await asyncio.open_connection(sock=raw, limit=limit))

    async def send(self, data: bytes):
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, target, method="GET", fields=(), body=b"", seconds=30, host="bench.test"):
        """Sends a request and reads its answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        with contextlib.suppress(OSError):
            # A proxy may answer and close before it has read all; the answer says so.
            await self.send(head + body)
        return await self.answer(method, seconds)

    async def answer(self, method="GET", seconds=30):
        answer = Answer(CLOSED)
        try:
            async with asyncio.timeout(seconds):
                await self._read(answer, method)
            answer.end = COMPLETE
        except TimeoutError:
            answer.end = SILENT
        except asyncio.IncompleteReadError as error:
            answer.end = CUT if answer.status or error.partial else CLOSED
        except (OSError, ValueError, asyncio.LimitOverrunError):
            answer.end = CUT if answer.status else CLOSED
        return answer

    async def _read(self, answer, method):
        status = 100
        while status < 200 and status != 101:
            head = await self.reader.readuntil(b"\r\n\r\n")
            status, fields = parse_head(head)
        answer.status, answer.fields = status, fields
        if method == "HEAD" or status in (101, 204, 304):
            return
        if "chunked" in fields.get("transfer-encoding", ""):
            await self._read_chunks(answer)
        elif "content-length" in fields:
            answer.body = await self.reader.readexactly(int(fields["content-length"]))
        else:
            answer.body = await self.reader.read()

    async def _read_chunks(self, answer):
        parts = []
        while True:
            line = await self.reader.readuntil(b"\r\n")
            length = int(line.split(b";")[0], 16)
            if length == 0:
                break
            parts.append(await self.reader.readexactly(length))
            await self.reader.readexactly(2)
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass
        answer.body = b"".join(parts)

    async def wait_for_end(self, seconds):
        """True when the other side ended the connection within that time; what it sends is read."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def has_ended(self):
        """The other side's end or reset is here, behind whatever is still to be read."""
        end = select.POLLRDHUP | select.POLLHUP | select.POLLERR
        raw, poll = self.writer.get_extra_info("socket"), select.poll()
        poll.register(raw, end)
        return bool(poll.poll(0))

    def close(self):
        self.writer.close()

    def reset(self):
        """Closes with RST: what is under way in either direction is lost."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def fetch(port, target, seconds=30, **request):
    """One request on a connection of its own."""
    try:
        connection = await Connection.open(port)
    except OSError:
        return Answer(CLOSED)
    try:
        return await connection.ask(target, seconds=seconds, **request)
    finally:
        connection.close()
