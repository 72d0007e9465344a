"""What a sync costs on its own machine: processor time and memory as the number of files grows.

Each row is a process of its own, measured by what the system says of it when it ends (user and system time, the most
memory that was resident). The drive is the embedded one, in another process, whose time is not counted. Files lie in
memory where the system has such a place, so that a disk is not what is measured.

    cargo build --release
    SYFT_BIN=target/release/syft python3 benches/local.py [--files 100 1000 10000 100000] [--messages 100 1000 …] [--middling 10000] [--big-mib 1024]
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OWNER, SCIENTIST = "olga@example.org", "sam@example.org"
IN_FOLDER = 500
MIDDLING_BYTES = 100 << 10
CHECKPOINT_FILES = 99_900  # one checkpoint holds 100,000, and rules are files as well


class World:
    """An owner, a scientist and a drive between them."""

    def __init__(self, folder):
        self.folder = folder
        for email in (OWNER, SCIENTIST):
            self.syft("drive", "account", "add", email, "--data", str(folder / "drive"), "--token", f"token-of-{email}")
        command = [SYFT, "--json", "drive", "serve", "--data", str(folder / "drive"), "--listen", "127.0.0.1:0"]
        self.drive = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = self.url = json.loads(self.drive.stdout.readline())["url"]
        for home, login, email in (("owner", "login-do", OWNER), ("scientist", "login-ds", SCIENTIST)):
            self.syft(login, "--email", email, "--drive", url, "--token", f"token-of-{email}", home=home)
        self.syft("peer", "add", OWNER, home="scientist")
        self.syft("sync", home="owner")
        self.syft("peer", "approve", SCIENTIST, home="owner")
        self.syft("perm", "grant", "w/", "--user", SCIENTIST, "--level", "read", home="owner")
        self.syft("perm", "grant", "from/", "--user", SCIENTIST, "--level", "write", home="owner")
        self.syft("sync", home="scientist")

    def syft(self, *args, home="owner"):
        environment = {"PATH": os.environ["PATH"], "SYFT_HOME": str(self.folder / home)}
        done = subprocess.run([SYFT, "--json", *args], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"syft {' '.join(args)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def measure(self, *args, home="owner"):
        """Returns (wall, CPU, peak KiB) of one process."""
        environment = {"PATH": os.environ["PATH"], "SYFT_HOME": str(self.folder / home)}
        start = time.monotonic()
        with subprocess.Popen(
            [SYFT, "--json", *args], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as child:
            error = child.stderr.read()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"syft {' '.join(args)}: {error.decode()}")
        return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def tree(self):
        return self.folder / "owner" / f"SyftBox_{OWNER}" / OWNER / "w"

    def place(self, number):
        return self.tree() / str(number // IN_FOLDER) / f"{number}.txt"

    def write(self, numbers, content):
        for number in numbers:
            path = self.place(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content} {number}\n")

    def request(self, path, body=None, kind="application/json"):
        headers = {"Authorization": f"Bearer token-of-{SCIENTIST}", "Content-Type": kind}
        asked = urllib.request.Request(self.url + path, data=body, headers=headers)
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    def propose(self, count):
        """Puts proposals into the owner's inbox, each a message of its own with one small file, as the scientist's client does."""
        query = urllib.parse.quote("mimeType = 'application/vnd.google-apps.folder'")
        found = self.request(f"/drive/v3/files?pageSize=100&q={query}")["files"]
        inbox = next(it["id"] for it in found if it["name"].endswith(f"#{OWNER}#inbox#{SCIENTIST}"))
        now = time.time()

        def put(number):
            name = f"msgv2_{now + number / 1000:.5f}1_{uuid.uuid4()}.tar.gz"
            metadata = json.dumps({"name": name, "parents": [inbox]}).encode()
            parts = [("application/json", metadata), ("application/gzip", proposal(name, number, now))]
            body = b"".join(b"--cut\r\nContent-Type: %s\r\n\r\n%s\r\n" % (kind.encode(), part) for kind, part in parts)
            self.request("/upload/drive/v3/files?uploadType=multipart", body + b"--cut--", "multipart/related; boundary=cut")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(count)))

    def end(self):
        self.drive.terminate()
        self.drive.wait()


def proposal(name, number, now):
    """One message in the form of docs/FORMAT.md."""
    content = f"proposed {number}\n"
    _, submitted, uid = name.removesuffix(".tar.gz").split("_")
    change = {
        "id": str(uuid.uuid4()), "old_hash": None, "new_hash": hashlib.sha256(content.encode()).hexdigest(),
        "submitted_timestamp": now, "path_in_datasite": f"from/{number // IN_FOLDER}/{number}.txt", "content": content,
        "datasite_email": OWNER, "is_deleted": False, "content_type": "text",
    }
    message = {
        "id": str(uuid.uuid4()), "sender_email": SCIENTIST,
        "message_filename": {"submitted_timestamp": float(submitted), "uid": uid}, "proposed_file_changes": [change],
    }
    text, packed = json.dumps(message).encode(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("proposed_file_changes.json")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()


def row(what, files, measured):
    wall, cpu, kib = measured
    each = cpu / files * 1e6 if files else 0
    print(f"| {what} | {files} | {wall:.2f} s | {cpu:.2f} s | {each:.0f} µs | {kib / 1024:.0f} MiB |", flush=True)


def files(world, count):
    world.write(range(count), "first")
    row("owner: first sync", count, world.measure("sync"))
    row("scientist: takes it in", count, world.measure("sync", home="scientist"))
    world.measure("sync")
    time.sleep(2.1)  # files that were just written are read again
    world.measure("sync")
    row("owner: idle", count, world.measure("sync"))
    world.measure("sync", home="scientist")
    row("scientist: idle", count, world.measure("sync", home="scientist"))
    changed = range(0, count, 100)
    world.write(changed, "second")
    row("owner: 1 % changed", count, world.measure("sync"))
    world.measure("sync")
    row("`syft status`", count, world.measure("status"))
    joined = min(count, CHECKPOINT_FILES)
    for number in range(joined, count):
        world.place(number).unlink()
    world.syft("sync")
    world.syft("checkpoint", "create")
    login = ("login-do", "--email", OWNER, "--drive", world.url, "--token", f"token-of-{OWNER}")
    row("owner: joins from a checkpoint", joined, world.measure(*login, home="owner-2"))


def messages(world, count):
    # In a process of its own: what a parent holds when it starts a child counts as the child's.
    proposing = multiprocessing.get_context("fork").Process(target=world.propose, args=(count,))
    proposing.start()
    proposing.join()
    if proposing.exitcode:
        sys.exit("the messages could not be put into the inbox")
    row("owner: receives messages of one file", count, world.measure("sync"))


def middling(world, count):
    """Files that are neither small nor sent by themselves: what is held of them at once?"""
    tree = world.tree()
    tree.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (tree / f"{number}.bin").write_bytes(os.urandom(MIDDLING_BYTES))
    row(f"owner: first sync, {MIDDLING_BYTES >> 10} KiB each", count, world.measure("sync"))
    row(f"scientist: takes it in, {MIDDLING_BYTES >> 10} KiB each", count, world.measure("sync", home="scientist"))


def growth(counts, measure):
    for count in counts:
        folder = Path(tempfile.mkdtemp(prefix="local-", dir=PLACE))
        world = World(folder)
        try:
            measure(world, count)
        finally:
            world.end()
            shutil.rmtree(folder, ignore_errors=True)


def hashing(mib):
    """The first look at large files, beside what this machine's SHA-256 does on all cores."""
    folder = Path(tempfile.mkdtemp(prefix="local-", dir=PLACE))
    world = World(folder)
    try:
        block = os.urandom(1 << 20)
        tree = world.tree()
        tree.mkdir(parents=True, exist_ok=True)
        each = 32
        names = [tree / f"large{number}" for number in range(mib // each)]
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
        ours = time.monotonic() - start
        wall, cpu, kib = world.measure("sync", "--dry-run")
        print(f"\n{mib} MiB: SHA-256 of Python's OpenSSL on {cores} cores {mib / ours:.0f} MiB/s; a first look by `syft "
              f"sync --dry-run` {mib / wall:.0f} MiB/s, {wall / ours:.2f} times as long, {cpu:.2f} s CPU, {kib / 1024:.0f} MiB")
    finally:
        world.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="*", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--messages", type=int, nargs="*", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--middling", type=int, nargs="*", default=[10_000])
    parser.add_argument("--big-mib", type=int, default=1024)
    choices = parser.parse_args()
    SYFT = os.environ.get("SYFT_BIN") or sys.exit("SYFT_BIN says which program to measure")
    SYFT = str(Path(SYFT).resolve())
    PLACE = "/dev/shm" if Path("/dev/shm").is_dir() else None
    print("| what | files | wall | CPU | CPU per file | memory |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    growth(choices.files, files)
    growth(choices.messages, messages)
    growth(choices.middling, middling)
    if choices.big_mib:
        hashing(choices.big_mib)
