"""Tables and verdicts from the figures of a run."""

from dataclasses import dataclass

from servers import PEERS

STARTS = {"checkpoint": "with checkpoint", "scan": "without"}


@dataclass(frozen=True)
class Goal:
    """A figure that must not be passed."""

    text: str
    limit: float
    value: float

    @property
    def is_met(self):
        return self.value <= self.limit

    def as_dictionary(self):
        return {"text": self.text, "limit": self.limit, "value": self.value, "met": self.is_met}


def cpu(results, scenario, name):
    found = results.get(scenario, {}).get(name)
    return found["median"]["cpu_us"] if found else None


def ratio_goal(results, scenario, peer, limit):
    ours, theirs = cpu(results, scenario, "larder"), cpu(results, scenario, peer)
    if ours is None or theirs is None:
        return []
    return [Goal(f"{scenario}: CPU per request, of {peer}'s", limit, ours / theirs)]


def best_peer(results, scenario):
    known = {name: cpu(results, scenario, name) for name in PEERS if cpu(results, scenario, name) is not None}
    return min(known, key=known.get) if known else None


def goals(results):
    """What must be reached, as far as the run has the figures for it."""
    found = []
    for peer, limit in (("nginx", 0.60), ("haproxy", 0.85), ("varnish", 0.40)):
        found += ratio_goal(results, "hit-1k", peer, limit)
    for scenario in ("hit-64k", "hit-1m"):
        peer = best_peer(results, scenario)
        if peer:
            found += ratio_goal(results, scenario, peer, 1.1)
    found += ratio_goal(results, "pass", "nginx", 1.0)
    for scenario in ("disk-64k", "disk-1m"):
        found += ratio_goal(results, scenario, "nginx", 1.0)
    stampede = results.get("stampede", {}).get("larder")
    if stampede:
        # Not the median: one try with a second fetch is a fault.
        found.append(Goal("stampede: fetches, worst try", 1, max(r["fetches"] for r in stampede["rounds"])))
        last_byte = stampede["median"]["last_byte_ms"]
        found.append(Goal("stampede: last byte, ms after the fetch began", 2200, last_byte))
    idle = results.get("idle", {}).get("larder")
    if idle:
        each = idle["median"]["pss_bytes_each"]
        found.append(Goal("idle: own bytes of memory for each connection", 2048, each))
    workers = results.get("two-workers", {}).get("larder")
    if workers:
        found.append(Goal("two-workers: CPU per hit, of one worker's", 1.15, workers["median"]["ratio"]))
    return found + store_goals(results)


def store_goals(results):
    """Of the disk tier: what comes and goes, starts, memory."""
    found = []
    churn = results.get("churn", {})
    if "larder" in churn:
        ours = churn["larder"]["median"]
        found.append(Goal("churn: p99 of hits, of the quiet one's", 2.0, ours["p99_ratio"]))
        if "nginx" in churn:
            theirs = churn["nginx"]["median"]["churn_p99_ms"]
            found.append(Goal("churn: p99 of hits, of nginx's", 1.0, ours["churn_p99_ms"] / theirs))
    if "start-up" in results:
        m = results["start-up"]["larder"]["median"]
        found.append(Goal("start-up: bytes of the index for each entry", 160, m["index_bytes_each"]))
        for kind, what in STARTS.items():
            found.append(Goal(f"start-up, {what}: stored URLs that missed", 0, m[f"{kind}_missed"]))
            found.append(Goal(f"start-up, {what}: all asked for, s", 2, m[f"{kind}_hits_seconds"]))
            found.append(Goal(f"start-up, {what}: index complete, s", 60, m[f"{kind}_complete_seconds"]))
            found.append(Goal(f"start-up, {what}: taken on disk, of size", 1, m[f"{kind}_of_size"]))
    if "memory" in results:
        m = results["memory"]["larder"]["median"]
        limit = m["budget_mib"] * 1.1 + 64
        found.append(
            Goal("memory: resident size at most, MiB (budget × 1.1 + 64 MiB)", limit, m["highest_mib"])
        )
        found.append(Goal("memory: taken on disk, of size", 1, m["of_disk_size"]))
    return found


def markdown(run):
    lines = ["# Benchmark", "", *heading(run), ""]
    results = run["scenarios"]
    for scenario in ("hit-1k", "hit-64k", "hit-1m", "pass", "disk-64k", "disk-1m"):
        if scenario in results:
            lines += rate_table(scenario, results[scenario])
    tables = {
        "stampede": stampede_table,
        "idle": idle_table,
        "two-workers": workers_table,
        "churn": churn_table,
        "start-up": start_table,
        "memory": memory_table,
    }
    for scenario, made in tables.items():
        if scenario in results:
            lines += made(results[scenario])
    if run["goals"]:
        lines += ["## Must reach", "", "| figure | at most | measured | |", "|---|---:|---:|---|"]
        for goal in run["goals"]:
            verdict = "met" if goal["met"] else "**missed**"
            lines.append(f"| {goal['text']} | {goal['limit']:g} | {goal['value']:.4g} | {verdict} |")
        lines.append("")
    return "\n".join(lines)


def heading(run):
    settings = run["settings"]
    lines = [
        f"{run['machine']['processor']}, {run['machine']['cores']} cores, Linux {run['machine']['kernel']}. "
        f"{run['when']}. Medians of {settings['rounds']} rounds of {settings['seconds']} s. "
        f"Files of the disk tier are on {settings['file_system']}.",
        "",
        "; ".join(f"{name}: {version}" for name, version in run["versions"].items()),
    ]
    if run["machine"]["busy_before"] > 0.1:
        share = f"{run['machine']['busy_before']:.0%}"
        lines += [
            "",
            f"**Other programs used {share} of the cores before the run: do not trust these figures.**",
        ]
    return lines


def table(title, columns, rows):
    """A table whose first column is text and whose other columns are figures."""
    cells = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"## {title}", "", *("| " + " | ".join(row) + " |" for row in cells), ""]


def mebibytes(count):
    return f"{count / 2**20:.1f}"


def rate_table(scenario, results):
    columns = ["proxy", "CPU µs per request", "user", "system", "Larder ÷ it", "requests/s", "core busy"]
    columns += ["p99 ms", "PSS MiB", "RSS MiB"]
    ours = cpu({scenario: results}, scenario, "larder")
    rows = []
    for name, result in results.items():
        m = result["median"]
        ratio = f"{ours / m['cpu_us']:.2f}" if ours and name != "larder" else ""
        row = [name, f"{m['cpu_us']:.2f}", f"{m['user_us']:.2f}", f"{m['system_us']:.2f}", ratio]
        row += [f"{m['requests_per_second']:.0f}", f"{m['core_busy']:.0%}", f"{m['p99_ms']:.2f}"]
        rows.append([*row, mebibytes(m["pss_bytes"]), mebibytes(m["rss_bytes"])])
    return table(scenario, columns, rows)


def stampede_table(results):
    columns = ["proxy", "fetches", "answers", "all asked ms", "first answer ms", "last byte ms", "PSS MiB"]
    rows = []
    for name, result in results.items():
        m = result["median"]
        row = [name, f"{m['fetches']:g}", f"{m['answers']:g}", f"{m['all_sent_ms']:.0f}"]
        row += [f"{m['first_answer_ms']:.0f}", f"{m['last_byte_ms']:.0f}", mebibytes(m["pss_bytes"])]
        rows.append(row)
    return table("stampede", columns, rows)


def idle_table(results):
    rows = []
    for name, result in results.items():
        m = result["median"]
        rows.append([name, str(m["connections"]), f"{m['pss_bytes_each']:.0f}", f"{m['rss_bytes_each']:.0f}"])
    return table("idle", ["proxy", "connections", "PSS bytes each", "RSS bytes each"], rows)


def workers_table(results):
    columns = ["proxy", "one worker: CPU µs per hit", "two", "two ÷ one", "one: hits/s", "two: hits/s"]
    rows = []
    for name, result in results.items():
        m = result["median"]
        row = [name, f"{m['one_cpu_us']:.2f}", f"{m['two_cpu_us']:.2f}", f"{m['ratio']:.2f}"]
        rows.append([*row, f"{m['one_per_second']:.0f}", f"{m['two_per_second']:.0f}"])
    return table("two-workers", columns, rows)


def churn_table(results):
    columns = ["proxy", "hits/s", "quiet p99 ms", "p99 ms beside new pages", "their ratio", "MiB of them"]
    rows = []
    for name, result in results.items():
        m = result["median"]
        row = [name, f"{m['rate']:.0f}", f"{m['quiet_p99_ms']:.2f}", f"{m['churn_p99_ms']:.2f}"]
        rows.append([*row, f"{m['p99_ratio']:.2f}", f"{m['mebibytes']:.0f}"])
    return table("churn", columns, rows)


def start_table(results):
    m = results["larder"]["median"]
    cache = "page cache emptied" if m["is_cold"] else "**page cache not emptied: that takes root**"
    title = f"start-up: {m['entries']} entries, {m['index_bytes_each']:.1f} bytes of index each, {cache}"
    columns = ["index", "100 stored URLs served, s", "of them missed", "index complete, s", "taken, of size"]
    rows = []
    for kind, what in STARTS.items():
        row = [what, f"{m[f'{kind}_hits_seconds']:.2f}", str(m[f"{kind}_missed"])]
        rows.append([*row, f"{m[f'{kind}_complete_seconds']:.1f}", f"{m[f'{kind}_of_size']:.3f}"])
    return table(title, columns, rows)


def memory_table(results):
    m = results["larder"]["median"]
    title = f"memory: --memory {m['budget_mib']}MiB, the disk tier turned over {len(m['turns'])} times"
    rows = [
        [str(number), f"{turn['median']:.0f}", f"{turn['highest']:.0f}"]
        for number, turn in enumerate(m["turns"], start=1)
    ]
    return table(title, ["turnover", "RSS MiB, median", "highest"], rows)
