"""What an origin has given for each page, and so what a cache may serve of it: `make torture` compares every
answer with it.

A page has versions. Its bytes are made from its name and the version, which the field `X-Page` tells, so that
whoever gets some of them knows what all must be.
"""

import hashlib
import time
from collections import deque
from dataclasses import dataclass, field

VARIANTS = ("a", "b", "c")
# Answers that may be older than a soft purge, since that allows it while the page is fetched.
OLD_AFTER_SOFT_PURGE = ("UPDATING", "STALE")
# Answers after which the page is stored.
STORED = ("HIT", "MISS", "EXPIRED")
# What stays in the store until it is purged or replaced. The others are stale when they arrive.
LASTING = ("plain", "vary", "big", "empty")


@dataclass
class Page:
    target: str
    version: int = 1
    # No answer to a request that comes after a purge is older than the version at that time.
    hard_floor: int = 1
    soft_floor: int = 1
    # The version that was seen last of each variant, and when it was first; only of what must still be there.
    kept: dict = field(default_factory=dict)
    # Purges that have begun and that have ended: what was asked for across one of these is not counted on.
    purges: int = 0
    events: deque = field(default_factory=lambda: deque(maxlen=24))

    def note(self, text):
        self.events.append(f"{time.monotonic():.3f} {text}")


@dataclass(frozen=True)
class Question:
    target: str
    variant: str
    method: str
    # First and last byte, where a range is asked for.
    part: tuple | None
    # Of If-None-Match.
    tag: str | None
    hard_floor: int
    soft_floor: int
    purges: int


class Ledger:
    """All pages. Targets are /KIND/NUMBER."""

    def __init__(self):
        self.pages = {}

    def page(self, target):
        if target not in self.pages:
            self.pages[target] = Page(target)
        return self.pages[target]

    @staticmethod
    def kind(target):
        return target.split("/")[1]

    @staticmethod
    def length(target, version):
        """Of a body in bytes."""
        digest = hashlib.sha256(f"{target} {version}".encode()).digest()
        number = int.from_bytes(digest[:4], "big")
        match Ledger.kind(target):
            case "empty":
                return 0
            case "stale" if number % 4 == 0:
                return 70_000 + number % 900_000
            case "big":
                return (60_000, 65_536, 65_537, 300_000, 1_500_000, 5 << 20)[number % 6]
            case _:
                return (1, 60, 900, 5_000, 20_000)[number % 5] + number % 50

    @staticmethod
    def body(target, variant, version):
        line = f"{target} {variant} {version} {hashlib.sha256(target.encode()).hexdigest()}\n".encode()
        length = Ledger.length(target, version)
        return (line * (length // len(line) + 1))[:length]

    @staticmethod
    def identity(target, variant, version):
        return f"{target} {variant} {version}"

    @staticmethod
    def tag(target, variant, version):
        return '"' + hashlib.sha256(Ledger.identity(target, variant, version).encode()).hexdigest()[:16] + '"'

    # Purges

    def begin_purge(self, page, is_soft, bumps):
        """The version from which on answers are right when the purge is answered."""
        if bumps:
            page.version += 1
        page.purges += 1
        page.kept.clear()
        page.note(f"purge begins, soft {is_soft}, version {page.version}")
        return page.version

    def end_purge(self, page, is_soft, version, is_answered):
        page.purges += 1
        page.kept.clear()
        page.note(f"purge ends, answered {is_answered}")
        if is_answered and is_soft:
            page.soft_floor = max(page.soft_floor, version)
        elif is_answered:
            page.hard_floor = max(page.hard_floor, version)

    # Answers

    def ask(self, target, variant, method="GET", part=None, tag=None):
        """Before a request is sent: what its answer is judged by."""
        page = self.page(target)
        floors = page.hard_floor, page.soft_floor
        return Question(target, variant, method, part, tag, *floors, page.purges)

    def judge(self, asked, answer):
        """What is wrong with a complete answer, or None."""
        page = self.page(asked.target)
        cache = answer.fields.get("x-cache-status", "")
        page.note(f"{asked.method} {answer.status} {cache} {answer.fields.get('x-page')}")
        if answer.status == 416 and asked.part:
            lengths = [self.length(asked.target, i) for i in range(asked.hard_floor, page.version + 1)]
            return None if min(lengths) <= asked.part[0] else f"416 for {asked.part}, lengths {lengths}"
        if answer.status not in (200, 206, 304):
            return f"status {answer.status}"
        name, _, version = answer.fields.get("x-page", "").rpartition(" ")
        if name != f"{asked.target} {asked.variant}" or not version.isdigit():
            return f"is {answer.fields.get('x-page')!r}, {asked.target} {asked.variant} expected"
        version = int(version)
        if version < asked.hard_floor:
            return f"version {version} is from before the purge at {asked.hard_floor}"
        if version < asked.soft_floor and cache not in OLD_AFTER_SOFT_PURGE:
            return f"version {version} is from before the soft purge at {asked.soft_floor}, and a {cache}"
        if version > page.version:
            return f"version {version} is newer than {page.version}"
        return self._judge_head(asked, version, answer) or self._judge_body(asked, version, answer, cache)

    def _judge_head(self, asked, version, answer):
        tag = self.tag(asked.target, asked.variant, version)
        if answer.fields.get("etag") != tag:
            return f"ETag {answer.fields.get('etag')} is not of version {version}"
        if answer.fields.get("x-serial") != answer.fields.get("x-serial-again"):
            return f"the head is made of two: {answer.fields}"
        if answer.status == 304 and asked.tag != tag:
            return f"304 to {asked.tag}, which is not of version {version}"
        return None

    def _judge_body(self, asked, version, answer, cache):
        if answer.status == 304:
            return None
        body = self.body(asked.target, asked.variant, version)
        if asked.method == "HEAD":
            length = answer.fields.get("content-length")
            return None if length == str(len(body)) else f"Content-Length {length} instead of {len(body)}"
        if answer.status == 206:
            first, last = asked.part[0], min(asked.part[1], len(body) - 1)
            wanted = f"bytes {first}-{last}/{len(body)}"
            if answer.fields.get("content-range") != wanted:
                return f"Content-Range {answer.fields.get('content-range')} instead of {wanted}"
            body = body[first : last + 1]
        if answer.body != body:
            at = next((i for i, (x, y) in enumerate(zip(answer.body, body)) if x != y), "their end")
            return f"{len(answer.body)} bytes instead of {len(body)} of version {version}, other from {at}"
        if not asked.part and not asked.tag and cache in STORED:
            self._keep(asked, version)
        return None

    def _keep(self, asked, version):
        page = self.page(asked.target)
        if self.kind(asked.target) not in LASTING or page.purges != asked.purges:
            return
        if page.kept.get(asked.variant, (0, 0))[0] != version:
            page.kept[asked.variant] = (version, time.monotonic())

    def died(self):
        """What was complete for less than a second need not be there again."""
        now = time.monotonic()
        for page in self.pages.values():
            page.note("the proxy ended")
            page.kept = {variant: kept for variant, kept in page.kept.items() if now - kept[1] > 1}

    def doubt(self, since):
        """What was stored since that time need not be on the disk."""
        for page in self.pages.values():
            page.kept = {variant: kept for variant, kept in page.kept.items() if kept[1] < since}

    def history(self, target):
        page = self.page(target)
        lines = [f"version {page.version}, floors {page.hard_floor} {page.soft_floor}, kept {page.kept}"]
        return "\n".join(f"    {line}" for line in [*lines, *page.events])
