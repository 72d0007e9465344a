#!/usr/bin/env python3
"""Ours and the Python client 0.1.117 on one machine in one go: writes the tables and plots of docs/BENCHMARKS.md.

    cargo build --release
    export SYFT_PY=$(tests/interop/setup.sh)
    python3 benches/run.py                    # all, five times where times are shown: about an hour
    python3 benches/run.py --quick            # fewer and smaller, printed and not written
    python3 benches/run.py --only daily jobs
    python3 benches/run.py --check            # the requests of ours, counted anew and compared: needs no Python client

The two sides alternate, and begin in turn. Shown are medians; "±" is half of what lies between the fastest and the
slowest, in hundredths of the median. The scenarios are those of tests/interop/bench.py, job_start.py and local.py.
"""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/interop"), str(ROOT / "benches")]
sys.dont_write_bytecode = True

import job_start, latency, plot
from sides import syft_binary

DOCUMENT, PLOTS = ROOT / "docs/BENCHMARKS.md", ROOT / "docs/plots"
SIDES = ("python", "ours")


def bench(scenarios, sides, latencies=(0,), big=1000):
    """One run of bench.py; returns its rows."""
    python = os.environ.get("SYFT_PY") or (sys.executable if sides == ("ours",) else None)
    if not python:
        sys.exit("SYFT_PY says where the Python client is: export SYFT_PY=$(tests/interop/setup.sh)")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [python, ROOT / "tests/interop/bench.py", "--sides", *sides, "--only", *scenarios, "--big", big, "--out", out,
                   "--latency", *latencies]
        done = subprocess.run(list(map(str, command)), stdout=sys.stderr, env={**os.environ, "SYFT_BIN": syft_binary()})
        if done.returncode:
            sys.exit(f"{shlex.join(map(str, command))} failed")
        return json.loads(out.read_text())


def benches(runs, scenarios, **options):
    """The rows of so many runs, by scenario and operation, latency, and side; who begins changes with each."""
    rows = {}
    for run in range(runs):
        for row in bench(scenarios, SIDES if run % 2 == 0 else SIDES[::-1], **options):
            rows.setdefault(((row["scenario"], row["op"]), row["latency_ms"]), {}).setdefault(row["side"], []).append(row)
    return rows


def middle(rows, key):
    return statistics.median(row[key] for row in rows)


def seconds(values):
    """The median, and how far the others are from it."""
    value = statistics.median(values)
    spread = (max(values) - min(values)) / 2 / value * 100 if value else 0
    return f"{value:.2f} s" + (f" ±{spread:.0f}" if len(values) > 1 else "")


def requests(rows):
    """Fails if they are not the same in each run."""
    if not rows:
        return "–"
    if rows[0]["error"]:
        return "fails"
    found = {(row["total"], row["units"]) for row in rows}
    if len(found) > 1 and rows[0]["side"] == "ours":
        sys.exit(f"{rows[0]['op']}: another number of requests in each run: {found}")
    total, units = min(found)
    return f"{total} ({units:,})"


def ratio(sides, key):
    both = [middle(sides[side], key) for side in SIDES if sides.get(side) and not sides[side][0]["error"]]
    return f"{both[0] / both[1]:.1f}×" if len(both) == 2 and both[1] else "–"


def comparison(rows, wall):
    """The table of both sides; `wall` is the latency at which the time on the wall is shown."""
    lines = [f"| operation | requests (units) Python | ours | wall at {wall} ms Python | ours | faster | CPU Python | ours | less |",
             "| --- |" + " ---: |" * 8]
    for op in dict.fromkeys(op for op, _ in rows):
        slow, fast = rows.get((op, wall)) or rows[op, 0], rows.get((op, 0)) or rows[op, wall]
        cells = [op[1], *(requests(fast.get(side)) for side in SIDES)]
        for found, key in ((slow, "wall_s"), (fast, "cpu_s")):
            times = [seconds([row[key] for row in found[side]]) if found.get(side) else "–" for side in SIDES]
            cells += [*times, ratio(found, key)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def daily(a):
    """Every operation, and five peers."""
    rows = benches(a.runs, "AB", latencies=(0, 100))
    return {"daily": comparison(rows, 100)}


def many(a):
    """Many files in one message, and many messages."""
    big = 100 if a.quick else 1000
    rows = benches(a.runs, "CD", big=big)
    MANY.update({(side, big): [row for sides in rows.values() for row in sides.get(side, [])[:1]] for side in SIDES})
    return {"many": comparison(rows, 0)}


MANY = {}  # what is measured once need not be measured again


GROWTH = {  # by what an operation begins with
    "first sync": "DO sync, {n} changed files in one sync",
    "idle sync": "DO idle sync with {n} files",
    "join": "DO initial join, {n} files, full checkpoint",
    "messages received": "DS sync pulling {n} messages of 1 file",
}


def growth(a):
    """How CPU time, time on the wall and requests grow with files, messages and peers."""
    sizes = (10, 100) if a.quick else (100, 1000, 10_000)
    most = {"python": 1000, "ours": 10_000}  # the Python client would take hours for more
    points = {}
    for n in sizes:
        for side in SIDES:
            if n > most[side]:
                continue
            # A message is a sync of its own, so ten thousand take too long for either.
            for row in MANY.get((side, n)) or bench("CD" if n <= 1000 else "C", (side,), big=n):
                for name, start in GROWTH.items():
                    if row["op"].startswith(start.format(n=n)) and not row["error"]:
                        points.setdefault((name, side), {}).setdefault(n, row)
    for key, title in (("cpu_s", "CPU time by number of files or messages"), ("wall_s", "Time on the wall, at 0 ms a request")):
        lines = [(f"{name}, {'ours' if side == 'ours' else 'Python'}", side == "ours", [(n, row[key]) for n, row in found.items()])
                 for (name, side), found in points.items()]
        write_plot(a, key.removesuffix("_s"), plot.draw(title, "files or messages", lines, "s"))
    idle = {"ours": [(1, 1), (10, 1), (100, 1)], "python": [(1, 1 + 4), (10, 1 + 40), (100, 1 + 400)]}
    lines = [("ours (counted)", True, idle["ours"]), ("Python (1 + 4·P)", False, idle["python"])]
    write_plot(a, "requests", plot.draw("Requests of an idle sync by number of peers", "peers", lines))
    lines = ["| CPU | side | " + " | ".join(f"{n:,}" for n in sizes) + " |", "| --- | --- |" + " ---: |" * len(sizes)]
    for (name, side), found in sorted(points.items(), key=lambda item: list(GROWTH).index(item[0][0])):
        cells = [f"{found[n]['cpu_s']:.2f} s" if n in found else "–" for n in sizes]
        lines.append(f"| {name} | {'ours' if side == 'ours' else 'Python'} | " + " | ".join(cells) + " |")
    return {"growth": "\n".join(lines) + "\n"}


def write_plot(a, name, picture):
    if not a.quick:
        PLOTS.mkdir(exist_ok=True)
        (PLOTS / f"{name}.svg").write_text(picture)


def waits(a):
    """How long each operation waits for a slow drive."""
    os.environ["SYFT_BIN"] = str(syft_binary())
    table, failures = latency.measure((1,) if a.quick else latency.budget.PEERS, a.runs)
    for failure in failures:
        print("FAILED", failure)
    return {"latency": table}


def jobs(a):
    """The start of a job."""
    return {"jobs": job_start.table(job_start.measure(2 if a.quick else a.runs))}


def machine(a):
    """What a sync costs on its own machine: local.py prints it, and its section of the document is written by hand."""
    few = ["--files", "100", "--big-mib", "0"] if a.quick else []
    subprocess.run([sys.executable, str(ROOT / "benches/local.py"), *few], env={**os.environ, "SYFT_BIN": syft_binary()}, check=True)
    return {}


PARTS = {"daily": daily, "waits": waits, "many": many, "growth": growth, "jobs": jobs, "machine": machine}


def put(text, name, table):
    """Puts a table between its markers."""
    begin, end = f"<!-- {name}: written by benches/run.py -->\n", f"<!-- end of {name} -->\n"
    if begin not in text or end not in text:
        sys.exit(f"docs/BENCHMARKS.md has no place for {name}")
    head, _, rest = text.partition(begin)
    return head + begin + table + end + rest.partition(end)[2]


def check():
    """Fails where ours has another number of requests than the document says."""
    text, wrong = DOCUMENT.read_text(), []
    for row in bench("AB", ("ours",)):
        found = re.search(r"^\| " + re.escape(row["op"]) + r" \| [^|]* \| ([^|]*) \|", text, re.MULTILINE)
        said = found[1] if found else "nothing"
        if said != requests([row]):
            wrong.append(f"{row['op']}: {requests([row])}, and docs/BENCHMARKS.md says {said}")
    print("\n".join(wrong) or "docs/BENCHMARKS.md says what is counted")
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller; print, and write nothing")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--runs", type=int, help="how often everything is repeated whose time is shown (5)")
    parser.add_argument("--check", action="store_true", help="count the requests of ours, and compare them with the document")
    a = parser.parse_args()
    if a.check:
        check()
    a.runs = a.runs or (1 if a.quick else 5)
    for name in a.only:
        for marker, table in PARTS[name](a).items():
            print(f"\n{table}", flush=True)
            if not a.quick:
                DOCUMENT.write_text(put(DOCUMENT.read_text(), marker, table))


if __name__ == "__main__":
    main()
