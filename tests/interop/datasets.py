#!/usr/bin/env python3
"""One owner of ours whose datasets are read by our program and by both generations of the Python client: made with folders,
updated, unshared, deleted, and at last the whole SyftBox.

  datasets.py                       on our own server
  datasets.py --drive stand-in      on the independent stand-in

What the Python client keeps though it is in the dataset no more is checked to be what our program says that it may keep.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile
from pathlib import Path

from flow import Steps, eq
from sides import COMMANDS, Drive, Side, syft_binary, token

OWNER = "do@example.org"
READERS = {"ours": "rs@example.org", "python": "py@example.org", "python010": "py010@example.org"}
LATER = {"python": "later@example.org", "python010": "later010@example.org"}
NAME = "tree"


def pythons():
    return [kind for kind in READERS if kind != "ours"]


class Story:
    def __init__(self, work, endpoint):
        self.work, self.endpoint = work, endpoint
        self.steps, self.sides = Steps(strict=True), []
        self.owner = self.side("ours", "do", OWNER)
        self.readers = {kind: self.side(kind, "ds", email) for kind, email in READERS.items()}

    def side(self, kind, role, email):
        home = self.work / email
        home.mkdir(parents=True)
        side = Side(email, COMMANDS[kind], role, email, home, self.endpoint, token(email), {}, kind != "ours")
        self.sides.append(side)
        return side

    def syft(self, side, *args, fails=False):
        """Our program with what the contract of a side has no word for; returns its JSON."""
        env = {**os.environ, "SYFT_HOME": str(side.home.resolve()), "SYFT_EMAIL": side.email, "PRE_SYNC": "false"}
        p = subprocess.run([syft_binary(), "--json", *map(str, args)], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert (p.returncode != 0) == fails, f"syft {args}: exit {p.returncode}: {p.stdout} {p.stderr}"
        return json.loads(p.stdout)

    def files(self, name, contents):
        root = self.work / "files" / name
        for path, text in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    def meet(self, reader):
        reader("login-ds")
        reader("add-peer", "--peer", OWNER)
        self.owner("sync")
        self.owner("approve-peer", "--peer", reader.email)
        self.owner("sync")
        reader("sync")

    def read(self, reader):
        """What a reader's program gives as the mock files, by name."""
        files = reader("read-dataset", "--name", NAME, "--owner", OWNER)["files"]
        return {path.rsplit("/", 1)[-1]: file["text"] for path, file in files.items()}

    def on_disk(self, reader):
        place = f"{OWNER}/public/syft_datasets/{NAME}/"
        return {path.removeprefix(place) for path in reader.tree(OWNER) if path.startswith(place)} - {"dataset.yaml"}

    def all_read(self, wanted, but=()):
        for kind, reader in self.readers.items():
            if kind not in but:
                reader("sync")
                eq(self.read(reader), wanted, kind)


def story(s):
    step = s.steps.step

    def run():
        s.owner("login-do")
        for reader in s.readers.values():
            s.meet(reader)
    step("an owner and three scientists, one of each program, work together", run)

    first = {"a.csv": "1", "north/b.csv": "2", "c/d/e.csv": "3"}
    mock = s.files("first", first)
    private = s.files("private", {path: f"real {text}" for path, text in first.items()})

    def run():
        clash = s.files("clash", {"a/x.csv": "1", "b/x.csv": "2"})
        error = s.syft(s.owner, "dataset", "create", NAME, "--mock", clash, "--private", private, fails=True)["error"]
        assert "`a/x.csv` and `b/x.csv`" in error["message"], error
        eq(s.syft(s.owner, "dataset", "list")["datasets"], [])
    step("two files that would be one at a Python reader are refused by name", run)

    def run():
        s.syft(s.owner, "dataset", "create", NAME, "--mock", mock, "--private", private, "--users", "any", "--upload-private")
        s.all_read({"a.csv": "1", "b.csv": "2", "e.csv": "3"})
        eq(s.on_disk(s.readers["ours"]), set(first))
        for kind in pythons():
            eq(s.on_disk(s.readers[kind]), {"a.csv", "b.csv", "e.csv"}, kind)
    step("a dataset with folders: ours has the tree, Python a flat view whose files are where it looks", run)

    second = {"a.csv": "one", "c/d/e.csv": "3", "f.csv": "4"}
    flat = {"a.csv": "one", "e.csv": "3", "f.csv": "4"}

    def run():
        answer = s.syft(s.owner, "dataset", "update", NAME, "--mock", s.files("second", second))
        eq(answer["left_over"]["files"], ["b.csv"])
        eq(sorted(answer["left_over"]["readers"]), sorted(READERS[kind] for kind in pythons()))
        s.all_read(flat)
        eq(s.on_disk(s.readers["ours"]), set(second))
        for kind in pythons():
            eq(s.on_disk(s.readers[kind]) - set(flat), {"b.csv"}, f"{kind}: what was said that it may keep")
    step("an update: everybody reads the new files and no other", run)

    def run():
        for text in ("two", "three"):
            s.syft(s.owner, "dataset", "update", NAME, "--mock", s.files(text, {"a.csv": text}), "--summary", text)
        for _ in range(3):
            s.all_read({"a.csv": "three"})
    step("two updates between two syncs: the last one, and so it stays", run)

    def run():
        for kind in pythons():
            s.readers[kind].close()
            s.readers[kind]("login-ds")
        s.all_read({"a.csv": "three"})
    step("Python in a new process reads the same", run)

    def run():
        for kind, email in LATER.items():
            later = s.side(kind, "ds", email)
            s.meet(later)
            eq(s.read(later), {"a.csv": "three"}, kind)
            eq(s.on_disk(later), {"a.csv"}, f"{kind}: nothing of what was before")
    step("who joins later gets a dataset that is for anyone, in both generations", run)

    def run():
        s.syft(s.owner, "dataset", "unshare", NAME, "--users", READERS["python"])
        s.readers["python"]("sync")
        eq(s.on_disk(s.readers["python"]), set())
        s.all_read({"a.csv": "three"}, but=["python"])
    step("unshared with one, it goes there and stays with the others", run)

    def run():
        s.syft(s.owner, "dataset", "delete", NAME)
        for kind, reader in s.readers.items():
            reader("sync")
            eq(s.on_disk(reader), set(), kind)
            eq(reader("list-datasets")["datasets"], [], kind)
    step("deleted, it goes everywhere", run)

    def run():
        s.syft(s.owner, "dataset", "create", NAME, "--mock", s.files("reused", {"a.csv": "reused"}), "--private", private, "--users", "any")
        s.all_read({"a.csv": "reused"})
        for kind, reader in s.readers.items():
            eq(s.on_disk(reader), {"a.csv"}, kind)
    step("its name is free again", run)

    def run():
        (s.owner.box() / OWNER / "open.txt").write_text("open")
        for reader in s.readers.values():
            s.syft(s.owner, "perm", "grant", "open.txt", "--user", reader.email, "--level", "read")
        s.owner("sync")
        for kind, reader in s.readers.items():
            reader("sync")
            assert f"{OWNER}/open.txt" in reader.tree(OWNER), kind
        s.syft(s.owner, "delete", "--yes")
        for kind, reader in s.readers.items():
            # Python's sync may fail where an owner's folders are gone; what it removed before counts.
            reader("sync", ok=kind == "ours")
            eq({path for path in reader.tree(OWNER) if path.endswith((".txt", ".csv"))}, set(), kind)
        departed = {peer["email"]: peer["departed"] for peer in s.readers["ours"]("list-peers")["peers"]}
        eq(departed, {OWNER: True})
        eq(s.syft(s.owner, "sync", fails=True)["error"]["code"], "deleted")
    step("the owner deletes its SyftBox: nothing of it is left anywhere, and our program says so", run)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--drive", choices=["our", "stand-in"], default="our")
    a = ap.parse_args()
    if not os.environ.get("SYFT_PY010"):
        del READERS["python010"], LATER["python010"]
    work = Path(tempfile.mkdtemp(prefix="syft-datasets-")).resolve()
    everybody = [OWNER, *READERS.values(), *LATER.values()]
    drive = Drive.ours(work, everybody) if a.drive == "our" else Drive.stand_in(work)
    s = None
    try:
        print(f"== datasets on {a.drive} drive", flush=True)
        s = Story(work, drive.endpoint)
        story(s)
    finally:
        for side in s.sides if s else []:
            side.close()
        drive.stop()
    failed = s.steps.fail
    print(f"\n{failed} failed" + (f", logs: {work}" if failed else ""))
    if not failed:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
