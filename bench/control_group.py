"""A control group of the kernel that limits the memory of what is started in it, version 1 or 2."""

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class ControlGroup:
    """Made at once, removed by `close`. Raises OSError where that is not allowed."""

    def __init__(self, limit_bytes):
        name = f"larder-goals-{os.getpid()}"
        self.is_version_2 = (ROOT / "cgroup.controllers").exists()
        self.folder = (ROOT if self.is_version_2 else ROOT / "memory") / name
        if self.is_version_2:
            with contextlib.suppress(OSError):
                (ROOT / "cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()
        try:
            limit = "memory.max" if self.is_version_2 else "memory.limit_in_bytes"
            (self.folder / limit).write_text(str(limit_bytes))
        except OSError:
            self.folder.rmdir()
            raise

    def before(self):
        """Words before a command that make it run in the group from its first instruction on."""
        return ("sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "sh")

    def kills(self):
        """How many processes the kernel ended for want of memory."""
        file = "memory.events" if self.is_version_2 else "memory.oom_control"
        for line in (self.folder / file).read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
        return 0

    def close(self):
        """Its processes must have ended; the kernel may take a moment to see that."""
        deadline = time.monotonic() + 5
        while True:
            try:
                return self.folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def obstacle():
    """Why none can be made here, or None."""
    try:
        ControlGroup(64 << 20).close()
    except OSError as error:
        return f"a control group with a memory limit cannot be made: {error.strerror}"
    return None
