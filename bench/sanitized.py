#!/usr/bin/env python3
"""Mixed load on a binary that was built with a sanitizer. Status 1 for a wrong answer, a bad end or no load.

What the sanitizer reports is looked at by scripts/sanitized.sh.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from machine import in_yard, say, stop_on_signals
from mixed import FAULT_SHARE, FLAGS, ORIGIN_FAULTS, MixedLoad, outcomes_table
from origin import Origin
from processes import BenchError
from servers import Setting
from wire import fetch


async def load_it(yard, seconds):
    origin = await Origin(fault_share=FAULT_SHARE, faults=ORIGIN_FAULTS).start()
    setting = Setting(workers=2, cache_mebibytes=64, flags=FLAGS)
    # All cores: threads that never run at the same time never race.
    proxy = yard.start_proxy("larder", origin.port, setting, cores=sorted(os.sched_getaffinity(0)))
    await fetch(proxy.port, "/begin")  # a parent may listen before its child serves
    proxy.note_processes()
    load = MixedLoad(proxy.port)
    await load.run(time.monotonic() + seconds)
    if proxy.has_crashed():
        raise BenchError(f"larder or its child ended: {proxy.log_end()}")
    proxy.process.terminate()
    while proxy.process.poll() is None:
        await asyncio.sleep(0.05)
    await origin.stop()
    if proxy.process.returncode != 0:
        raise BenchError(f"larder ended with {proxy.process.returncode}: {proxy.log_end()}")
    return load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("larder", type=Path)
    parser.add_argument("seconds", type=int)
    options = parser.parse_args()
    stop_on_signals()
    try:
        with in_yard(options.larder) as yard:
            load = asyncio.run(load_it(yard, options.seconds))
    except BenchError as error:
        say(f"load: {error}")
        return 1
    print("\n".join(outcomes_table(load)), *load.wrong, sep="\n", file=sys.stderr)
    print(load.requests)
    return 0 if load.requests > 0 and not load.count("wrong") and not load.count("silent") else 1


if __name__ == "__main__":
    sys.exit(main())
