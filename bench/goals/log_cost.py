"""What the access log costs a 1 KiB hit."""

from goals.goal import Bound, Goal
from load import run_wrk
from servers import Setting

SECONDS = 3
PATH = "/1k"


async def attempt(yard, name):
    origin = yard.start_origin()
    try:
        proxies = {logs: yard.start_proxy(name, origin.port, Setting(logs=logs)) for logs in (False, True)}
        for proxy in proxies.values():
            run_wrk(proxy, PATH, 1, yard.load_cores)
        cpu = {False: [], True: []}
        # Turn by turn, so that a slow second of the machine hits both.
        for _ in range(2):
            for logs, proxy in proxies.items():
                cpu[logs].append(run_wrk(proxy, PATH, SECONDS, yard.load_cores).as_figures()["cpu_us"])
    finally:
        yard.stop_all()
    # In memory, and large.
    yard.log_path(name, proxies[True].port).unlink(missing_ok=True)
    off, on = (sum(cpu[logs]) / 2 for logs in (False, True))
    return {"off_us": off, "on_us": on, "added_us": on - off}


GOAL = Goal(
    "log",
    "access log on against off, 1 KiB hits (into a file in memory)",
    (Bound("added_us", "CPU for each hit added, µs", 0.5),),
    attempt,
    peers=("nginx",),
)
