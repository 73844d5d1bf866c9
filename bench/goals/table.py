"""The table of a run of goals, and what is said about those that are not in it."""

import math

from servers import PROXIES

PEERS = tuple(name for name in PROXIES if name not in ("larder", "nginx-best"))
# Goals of docs/GOALS.md that this run has no figure for, and where they are held instead.
ELSEWHERE = {
    "S1, S2, S7, S8, R3, R4": "`make test`: right or wrong, not a figure",
    "S3, S4": "there is no HTTP/2 yet",
    "S9": "`make fuzz SECONDS=600`",
    "S10": "`make test-tsan`",
    "R9": "there is no reload yet",
    "R12": "`make soak`",
}


def verdicts(done, goals):
    """One for each bound: what Larder reached, and its peers beside it."""
    found = []
    for name, result in done["goals"].items():
        for bound in goals[name].bounds:
            values = {proxy: bound.of(tries) for proxy, tries in result["tries"].items()}
            ours = values.pop("larder", None)
            failure = result["failures"].get("larder")
            met = failure is None and ours is not None and ours <= bound.limit
            found.append(
                {
                    "goal": name,
                    "text": bound.text,
                    "limit": bound.limit,
                    "value": ours,
                    "met": met,
                    "failure": failure,
                    "peers": {proxy: value for proxy, value in values.items() if value is not None},
                }
            )
    for goal in done["bench"]:
        found.append({"goal": "bench", "failure": None, "peers": {}, **goal})
    # What should have run and could not is not met: nobody shall read a pass from a run that saw nothing.
    for name, reason in done["not_run"].items():
        text = goals[name].title if name in goals else "benchmark"
        found.append(
            {
                "goal": name,
                "text": text,
                "limit": 0,
                "value": None,
                "met": False,
                "failure": reason,
                "peers": {},
            }
        )
    return found


def number(value):
    if value is None:
        return ""
    return "never" if math.isinf(value) else f"{value:.4g}"


def markdown(done, goals):
    machine = done["machine"]
    lines = ["# Goals", ""]
    lines.append(
        f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}. {done['when']}. "
        f"{done['tries']} tries; the median, or the worst (*) where one fault is too many."
    )
    lines += ["", "; ".join(f"{name}: {version}" for name, version in done["versions"].items()), ""]
    if machine["busy_before"] > 0.1:
        share = f"{machine['busy_before']:.0%}"
        lines += [
            f"**Other programs used {share} of the cores before the run: do not trust these figures.**",
            "",
        ]
    lines += ["| goal | figure | at most | Larder | | nginx | HAProxy | Varnish |"]
    lines += ["|---|---|---:|---:|---|---:|---:|---:|"]
    for verdict in done["verdicts"]:
        lines.append(row(verdict, goals))
    lines += ["", *notes(done, goals)]
    missed = sum(not verdict["met"] for verdict in done["verdicts"])
    lines += ["", f"{len(done['verdicts']) - missed} of {len(done['verdicts'])} met, {missed} missed."]
    return "\n".join(lines)


def row(verdict, goals):
    goal = goals.get(verdict["goal"])
    worst = goal and any(bound.is_worst and bound.text == verdict["text"] for bound in goal.bounds)
    ours = number(verdict["value"]) if verdict["failure"] is None else "failed"
    cells = [verdict["goal"], verdict["text"] + (" *" if worst else ""), f"{verdict['limit']:g}", ours]
    cells.append("met" if verdict["met"] else "**missed**")
    cells += [number(verdict["peers"].get(peer)) for peer in PEERS]
    return "| " + " | ".join(cells) + " |"


def notes(done, goals):
    lines = ["What was done:", ""]
    lines += [f"- **{name}**: {goals[name].title}" for name in done["goals"]]
    failures = [
        f"- {name}, {proxy}: {text}"
        for name, result in done["goals"].items()
        for proxy, text in result["failures"].items()
    ]
    failures += [f"- {name}: {reason}" for name, reason in done["not_run"].items()]
    if failures:
        lines += ["", "What could not run here, and why:", "", *failures]
    lines += ["", "Not measured by this run:", ""]
    return lines + [f"- {names}: {where}" for names, where in ELSEWHERE.items()]
