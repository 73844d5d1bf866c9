"""R6 with the disk tier: the same crowd, and every object is written to a disk that is too small for all."""

from goals.goal import Goal
from goals.memory import BOUNDS, CACHE_MIB, GROUP_MIB, attempt, obstacle
from servers import Setting

DISK_MIB = 512


async def attempt_with_disk(yard, name):
    return await attempt(yard, name, Setting(cache_mebibytes=CACHE_MIB, disk_mebibytes=DISK_MIB))


GOAL = Goal(
    "R6-disk",
    f"as R6, with a disk tier of {DISK_MIB} MiB; the group of {GROUP_MIB} MiB has the page cache in it",
    BOUNDS,
    attempt_with_disk,
    peers=("nginx",),
    obstacle=obstacle,
)
