#!/usr/bin/env python3
"""How long each operation waits for a drive whose every answer takes 100 ms: the story of tests/interop/budget.py, played
with that latency and without. Prints a table, and fails where an operation waits more than two round
trips longer than it must.

    cargo build --release
    SYFT_BIN=target/release/syft python3 benches/latency.py [--peers 1 10 100] [--runs 3]

benches/run.py does the same, and writes it into docs/BENCHMARKS.md.

A wait is what the time on the wall grows by, divided by the latency. What cannot be avoided is said below, for each operation
as the chain of requests that each need the answer to the one before; of requests that need not wait for one another, eight
are one link. tests/budget/latency.rs counts the same chains without a clock.
"""
import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
sys.dont_write_bytecode = True

import budget
from sides import Drive

LATENCY_MS, SPARE = 100, 2


def waves(requests):
    """Eight requests are open at once."""
    return -(-requests // 8)


# By what an operation begins with: what cannot be avoided with P peers, R readers, D datasets, and F searches for what lies
# in their folders, and in words.
CHAINS = [
    ("owner: first login", lambda s: 5, "whose token it is, the place in the feed, the searches, the SyftBox, its folder"),
    ("scientist: first login", lambda s: 5, "the same"),
    ("owner: login again", lambda s: 2, "whose token it is, the feed"),
    ("scientist: login again", lambda s: 2, "the same"),
    ("scientist: asks an owner", lambda s: 5, "the feed, the folders, their shares, the list of peers, and a sync"),
    ("owner: sees it", lambda s: 2, "the feed, what lies in the folders"),
    ("owner: agrees", lambda s: 7, "the feed, the folders, their shares, the list of peers, a sync, the log, what may be read"),
    ("scientist: sees that", lambda s: 6, "the feed, what lies there, what the owner speaks, its own version, the share, what is too much"),
    ("scientist: M = 1 message pulled", lambda s: 2, "the feed, the message"),
    ("scientist: a proposal", lambda s: 2, "the feed, the proposal"),
    ("owner: M = 3 messages", lambda s: 4 + waves(s.readers + 1), "the feed, the messages, the log, the readers, the moves"),
    ("owner: 60 changed files", lambda s: 4 + waves(s.readers + 1), "the feed, the log, the readers, the checkpoint, what it replaces"),
    ("owner: 1 changed file", lambda s: 2 + waves(s.readers + 1), "the feed, the log, the readers beside the rolling state"),
    ("owner: 10 changed file", lambda s: 2 + waves(s.readers + 1), "the same"),
    ("scientist: `syft job submit`", lambda s: 1, "the proposal"),
    ("owner: `syft dataset create`", lambda s: 3, "the folder, its files, the share"),
    ("scientist: takes it in", lambda s: 3, "the feed, what is in the folder, its files"),
    ("owner: everything is listed", lambda s: 3 + waves(-(-4 * s.peers // 37)), "the place in the feed, the searches, the SyftBox, the folders"),
    ("scientist: everything is listed", lambda s: 4, "the same"),
    ("owner: a new machine", lambda s: 4 + waves(-(-4 * s.peers // 37)) + 1 + waves(s.datasets * 3) + waves(s.readers + 1),
     "whose token it is, the place in the feed, the searches, the SyftBox, the folders, the list of peers beside what lies in datasets, "
     "files, what peers are owed beside the rolling state"),
    ("scientist: a new machine", lambda s: 4 + waves(s.lists()) + 1 + waves(s.datasets * 2), "the same but the last"),
    ("owner: `syft delete`", lambda s: max(1 + waves(s.readers), 2 + waves(s.lists())) + (1 if 2 * s.peers < 90 else 2),
     "the feed and the readers, beside the searches, the SyftBox and the folders; then what goes in batches of a hundred, side by side, and "
     "the SyftBox last"),
    ("scientist: `syft delete`", lambda s: 4, "the searches, the SyftBox, the folders, the batch"),
    ("owner: ", lambda s: 1, "the feed"),  # idle, and what is shown
    ("scientist: ", lambda s: 1, "the feed"),
]


class Timed(budget.Story):
    """A story whose operations are timed."""

    def __init__(self, *args, latency_ms, rows):
        super().__init__(*args)
        self.latency_ms, self.times = latency_ms, rows

    def count(self, what, allowed, most, act):
        self.drive.admin("latency", ms=self.latency_ms)
        began = time.monotonic()
        act()
        took = time.monotonic() - began
        self.drive.admin("latency", ms=0)
        _, chain, words = next(row for row in CHAINS if what.startswith(row[0]))
        row = self.times.setdefault((what, self.peers), {"must": chain(self), "words": words})
        row.setdefault(self.latency_ms, []).append(took)

    def bring_together(self):
        pass

    def watch(self, *_):
        pass


def play(peers, latency_ms, rows):
    accounts = [email for number in peers for email in (budget.owner(number), *budget.scientists(number))]
    with tempfile.TemporaryDirectory(prefix="syft-latency-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        drive = Drive.ours(Path(folder), accounts, admin=True)
        try:
            for number in peers:
                Timed(drive, Path(folder), number, budget.Counts(), latency_ms=latency_ms, rows=rows).play()
        finally:
            drive.stop()


def measure(peers=budget.PEERS, runs=3):
    """Returns the table, the medians of so many runs, and what waits too long."""
    rows, failures = {}, []
    for _ in range(runs):
        for latency_ms in (0, LATENCY_MS):
            play(peers, latency_ms, rows)
    lines = ["| operation | " + " | ".join(f"{number} peer{'s' if number > 1 else ''}" for number in peers) + " | what cannot be avoided |",
             "| --- |" + " ---: |" * len(peers) + " --- |"]
    for what in dict.fromkeys(what for what, _ in rows):
        cells = []
        for number in peers:
            row = rows.get((what, number))
            if not row:
                cells.append("–")
                continue
            fast, slow = (statistics.median(row[latency_ms]) for latency_ms in (0, LATENCY_MS))
            waits = (slow - fast) * 1000 / LATENCY_MS
            cells.append(f"{slow:.2f} s: {waits:.1f} of {row['must']}")
            if waits > row["must"] * 1.02 + SPARE + 0.5:  # a half, and two in a hundred, for what is no waiting
                failures.append(f"{what}, {number} peers: {waits:.1f} round trips, {row['must']} cannot be avoided")
        words = next(row["words"] for (name, _), row in rows.items() if name == what)
        lines.append(f"| {what} | " + " | ".join(cells) + f" | {words} |")
    return "\n".join(lines) + "\n", failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=int, nargs="+", default=budget.PEERS)
    parser.add_argument("--runs", type=int, default=3)
    a = parser.parse_args()
    table, failures = measure(a.peers, a.runs)
    print(table, end="")
    for failure in failures:
        print("FAILED", failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
