#!/usr/bin/env python3
"""Prints what `swift test --enable-code-coverage` found about the code that reads a peer's bytes.

    scripts/coverage.py CODECOV.json

Ends with 1 if less than 95 % of its lines were run, or if a branch of the decision on message length was not.
"""

import json
import sys

PARSING = [
    "HTTP/",
    "Caching/",
    "Telemetry/JSON",
    "Telemetry/PurgeRequest",
    "Proxy/Connection/",
    "Proxy/Fetch/UpstreamConnection",
]
# How long a message's body is: stated by its fields, decided by version, method and status.
LENGTH = ["HTTP/Framing.swift", "HTTP/RequestHead.swift", "HTTP/ResponseHead.swift"]
LEAST_PERCENT = 95.0
# Regions of llvm-cov: line, column, line, column, count, file, expanded file, kind. Code has the kind 0.
CODE = 0


def source(path):
    """The path below Sources, or nothing for other files."""
    return path.partition("/Sources/")[2]


def lines(data):
    """Prints a line for each file and returns the percentage of all."""
    covered = total = 0
    for file in sorted(data["files"], key=lambda file: file["filename"]):
        name = source(file["filename"])
        if not any(name.startswith(prefix) for prefix in PARSING):
            continue
        summary = file["summary"]["lines"]
        covered += summary["covered"]
        total += summary["count"]
        print(f"{summary['percent']:6.1f} %  {summary['covered']:4} of {summary['count']:4}  {name}")
    percent = 100 * covered / total
    print(f"{percent:6.1f} %  {covered:4} of {total:4}  lines of parsing and framing, at least {LEAST_PERCENT}")
    return percent


def branches(data):
    """Prints the branches of the decision on message length that were never taken, and counts them."""
    taken = {}
    for function in data["functions"]:
        name = source(function["filenames"][0])
        if not any(name.startswith(prefix) for prefix in LENGTH):
            continue
        for line, column, end, end_column, count, _, _, kind in function["regions"]:
            if kind == CODE:
                place = (name, line, column, end, end_column)
                taken[place] = taken.get(place, 0) + count
    missed = sorted(place for place, count in taken.items() if count == 0)
    for name, line, column, end, _ in missed:
        print(f"never taken: {name}:{line}:{column} to line {end}")
    print(f"{len(taken) - len(missed)} of {len(taken)} branches of the decision on message length")
    return len(missed)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)["data"][0]
    percent = lines(data)
    missed = branches(data)
    return 1 if percent < LEAST_PERCENT or missed else 0


if __name__ == "__main__":
    sys.exit(main())
