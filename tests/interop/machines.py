#!/usr/bin/env python3
"""One data owner with two machines, one of them the Python client: what either leaves on the Drive, the other restores.

  machines.py                       both ways, on our own server
  machines.py --drive stand-in      on the independent stand-in

Text, binary and empty files, edits and deletions, by a full checkpoint, by increments and by the rolling state. Where the
Python client cannot do it, the step says so and is checked as far as it goes.
"""
import argparse, hashlib, os, shutil, subprocess, sys, tempfile
from pathlib import Path

from flow import Steps, eq
from sides import COMMANDS, Drive, Side, syft_binary, token

EMAIL = "do@example.org"
BLOB = bytes(range(256)) * 40


def sha(content):
    return hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()


class Story:
    def __init__(self, work, endpoint):
        self.work, self.endpoint = work, endpoint
        self.steps, self.sides = Steps(strict=True), []
        (work / "blob.bin").write_bytes(BLOB)

    def machine(self, kind, name):
        home = self.work / name
        home.mkdir(parents=True)
        # In a new process the Python client undoes what was edited since the last one (W5), so it stays in one.
        session = kind == "python"
        side = Side(name, COMMANDS[kind], "do", EMAIL, home, self.endpoint, token(EMAIL), {}, session)
        self.sides.append(side)
        return side

    def syft(self, side, *args):
        """Our program with options that the contract of a side has no word for."""
        env = {**os.environ, "SYFT_HOME": str(side.home.resolve()), "SYFT_EMAIL": EMAIL, "NO_COLOR": "1"}
        subprocess.run([syft_binary(), "--json", *args], env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def write(self, side, path, content):
        (self.work / "content").write_bytes(content if isinstance(content, bytes) else content.encode())
        side("write-file", "--datasite", EMAIL, "--path", path, "--from", self.work / "content")

    def fill(self, side, round_):
        self.write(side, "d/edited.txt", f"round {round_}")
        self.write(side, f"d/{round_}.txt", f"naïve ✓ {round_}")


def wanted(rounds, gone=()):
    files = {"d/edited.txt": sha(f"round {rounds - 1}"), **{f"d/{r}.txt": sha(f"naïve ✓ {r}") for r in range(rounds)}}
    return {path: digest for path, digest in files.items() if path not in gone}


def data(side):
    """What lies below `d/`."""
    return {path.removeprefix(f"{EMAIL}/"): digest for path, digest in side.tree(EMAIL).items() if path.startswith(f"{EMAIL}/d/")}


def ours_then_python(s):
    ours = s.machine("ours", "ours")

    def step():
        ours("login-do")
        for r in range(4):
            s.fill(ours, r)
            s.syft(ours, "sync", "--checkpoint-threshold", "2")
        ours("delete-file", "--path", "d/1.txt")
        s.write(ours, "d/empty.txt", "")
        s.syft(ours, "sync", "--checkpoint-threshold", "2")
        s.write(ours, "d/last.txt", "last")
        ours("delete-file", "--path", "d/2.txt")
        s.syft(ours, "sync", "--checkpoint-threshold", "50")
    s.steps.step("ours makes increments, a full checkpoint, an increment and a rolling state", step)

    files = {**wanted(4, ("d/1.txt", "d/2.txt")), "d/empty.txt": sha(""), "d/last.txt": sha("last")}

    def step():
        python = s.machine("python", "python-joins")
        python("login-do")
        eq(data(python), files)
    s.steps.step("Python joins from all of them: text, empty and deleted files are as here", step)

    def step():
        s.write(ours, "d/blob.bin", BLOB)
        s.syft(ours, "sync", "--checkpoint-threshold", "50")
        python = s.machine("python", "python-binary")
        python("login-do")
        eq(data(python), {**files, "d/blob.bin": sha(BLOB)})
        s.syft(ours, "sync", "--checkpoint-threshold", "1")
        python = s.machine("python", "python-binary-increment")
        python("login-do")
        eq(data(python), {**files, "d/blob.bin": sha(BLOB)})
    s.steps.step("Python joins with a binary file in the rolling state, and in an increment", step)

    def step():
        ours("create-checkpoint")
        python = s.machine("python", "python-full")
        python("login-do")
        eq(data(python), files, "all but the binary file, for which Python has no place in a full checkpoint")
        second = s.machine("ours", "ours-full")
        second("login-do")
        eq(data(second), {**files, "d/blob.bin": sha(BLOB)})
    s.steps.step("a full checkpoint with a binary file: ours has it all, Python all that is text", step)


def python_then_ours(s):
    python = s.machine("python", "python")

    def step():
        python("login-do")
        for r in range(2):
            s.fill(python, r)
            python("sync")
        python("delete-file", "--path", "d/0.txt")
        s.write(python, "d/blob.bin", BLOB)
        s.write(python, "d/empty.txt", "")
        python("sync")
        ours = s.machine("ours", "ours-joins")
        ours("login-do")
        eq(data(ours), {**wanted(2, ("d/0.txt",)), "d/blob.bin": sha(BLOB), "d/empty.txt": sha("")})
    s.steps.step("Python writes a rolling state; ours joins: text, binary, empty and deleted files are as there", step)

    def step():
        python("write-many", "--datasite", EMAIL, "--prefix", "d/m", "--count", 60)
        python("sync")
        ours = s.machine("ours", "ours-increment")
        ours("login-do")
        eq(data(ours), data(python))
        assert len(data(ours)) == 64, len(data(ours))
    s.steps.step("Python makes an increment; ours joins from it", step)

    def step():
        python("delete-file", "--path", "d/blob.bin")
        python("delete-file", "--path", "d/empty.txt")
        python("sync")
        python("create-checkpoint")
        s.write(python, "d/after.txt", "after")
        python("sync")
        ours = s.machine("ours", "ours-full")
        ours("login-do")
        eq(data(ours), data(python))
        eq(data(ours)["d/after.txt"], sha("after"))
        s.ours = ours
    s.steps.step("Python makes a full checkpoint, which it can without binary files; ours joins and reads on", step)

    def step():
        s.write(s.ours, "d/ours.txt", "ours")
        s.write(s.ours, "d/after.txt", "ours again")
        s.ours("delete-file", "--path", "d/1.txt")
        s.syft(s.ours, "sync", "--checkpoint-threshold", "1")
        s.ours("create-checkpoint")
        third = s.machine("python", "python-after")
        third("login-do")
        eq(data(third), data(s.ours))
        eq(data(third)["d/after.txt"], sha("ours again"))
    s.steps.step("ours goes on, makes an increment and a full checkpoint; a third machine with Python restores them", step)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--drive", choices=["our", "stand-in"], default="our")
    a = ap.parse_args()
    work, failed = Path(tempfile.mkdtemp(prefix="syft-machines-")).resolve(), 0
    for story in (ours_then_python, python_then_ours):
        place = work / story.__name__
        place.mkdir()
        drive = Drive.ours(place, [EMAIL]) if a.drive == "our" else Drive.stand_in(place)
        try:
            print(f"\n== {story.__name__} on {a.drive} drive", flush=True)
            s = Story(place, drive.endpoint)
            story(s)
            failed += s.steps.fail
        finally:
            for side in s.sides:
                side.close()
            drive.stop()
    print(f"\n{failed} failed" + (f", logs: {work}" if failed else ""))
    if not failed:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
