"""What a sync costs on its own machine: processor time and memory as the number of files grows.

Each row is a process of its own, measured by what the system says of it when it ends (user and system time, the most
memory that was resident). The drive is the embedded one, in another process, whose time is not counted. Files lie in
memory where the system has such a place, so that a disk is not what is measured.

    cargo build --release
    SYFT_BIN=target/release/syft python3 benches/local.py [--files 100 1000 10000 100000] [--big-mib 1024]
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/interop"))
from sides import World

IN_FOLDER = 500
PLACE = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Files(World):
    """An owner, a scientist and a drive between them, and files that the scientist may read."""

    def __init__(self, folder):
        super().__init__(folder)
        self.owner("perm", "grant", "w/", "--user", self.scientist.email, "--level", "read")
        self.scientist("sync")
        self.tree = self.owner.datasite() / "w"

    def write(self, numbers, content):
        for number in numbers:
            path = self.tree / str(number // IN_FOLDER) / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content} {number}\n")


class Place:
    """A folder in memory that goes in the end."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="local-", dir=PLACE))
        return self.folder

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def row(rows, what, files, measured):
    wall, cpu, kib = measured
    rows.setdefault(what, {})[files] = measured
    print(f"{what}, {files} files: {wall:.2f} s, {cpu:.2f} s CPU, {cpu / files * 1e6:.0f} µs a file, {kib / 1024:.0f} MiB",
          file=sys.stderr, flush=True)


def growth(counts):
    """Returns (wall, CPU, peak KiB) by operation and number of files."""
    rows = {}
    for count in counts:
        with Place() as folder, Files(folder) as world:
            owner, scientist = world.owner, world.scientist
            world.write(range(count), "first")
            row(rows, "owner: first sync", count, owner.measure("sync"))
            row(rows, "scientist: takes it in", count, scientist.measure("sync"))
            owner.measure("sync")
            time.sleep(2.1)  # files that were just written are read again
            owner.measure("sync")
            row(rows, "owner: idle", count, owner.measure("sync"))
            scientist.measure("sync")
            row(rows, "scientist: idle", count, scientist.measure("sync"))
            world.write(range(0, count, 100), "second")
            row(rows, "owner: 1 % changed", count, owner.measure("sync"))
            owner.measure("sync")
            row(rows, "`syft status`", count, owner.measure("status"))
    return rows


def table(counts, rows):
    """CPU, for each file where it grows with them, and the most memory."""
    names = [f"{count:,} files" if place == 0 else f"{count:,}" for place, count in enumerate(counts)]
    lines = [f"| what | {' | '.join(names)} | memory at {counts[-1]:,} |", "| --- |" + " ---: |" * (len(counts) + 1)]
    for what, measured in rows.items():
        by_file = what.endswith(("first sync", "takes it in"))
        cells = [f"{cpu / count * 1e6:.0f} µs" if by_file else f"{cpu:.2f} s" for count, (_, cpu, _) in measured.items()]
        memory = measured[counts[-1]][2] / 1024
        lines.append(f"| {what}, CPU{' a file' if by_file else ''} | {' | '.join(cells)} | {memory:.0f} MiB |")
    return "\n".join(lines) + "\n"


def hashing(mib):
    """The first look at large files, beside what this machine's SHA-256 does on all cores."""
    with Place() as folder, Files(folder) as world:
        block, each = os.urandom(1 << 20), 32
        world.tree.mkdir(parents=True, exist_ok=True)
        names = [world.tree / f"large{number}" for number in range(mib // each)]
        for name in names:
            with name.open("wb") as file:
                for _ in range(each):
                    file.write(block)
        cores = os.cpu_count() or 1

        def read(name):
            with name.open("rb") as file:
                hashlib.file_digest(file, "sha256")

        start = time.monotonic()
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(read, names))
        alone = time.monotonic() - start
        wall, cpu, kib = world.owner.measure("sync", "--dry-run")
        return (f"{mib} MiB: SHA-256 of Python's OpenSSL on {cores} cores {mib / alone:.0f} MiB/s; a first look by `syft "
                f"sync --dry-run` {mib / wall:.0f} MiB/s, {wall / alone:.2f} times as long, {cpu:.2f} s CPU, {kib / 1024:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="*", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--big-mib", type=int, default=1024)
    choices = parser.parse_args()
    print(table(choices.files, growth(choices.files)), end="")
    if choices.big_mib:
        print("\n" + hashing(choices.big_mib))
