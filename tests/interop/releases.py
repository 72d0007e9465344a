#!/usr/bin/env python3
"""One owner of ours runs jobs of both generations of the Python client over data full of canaries, and lets go of what they left
step by step: first nothing, then the logs, then the outputs.

  releases.py                       on our own server
  releases.py --keep                and keep the folder with all logs

After each step every file that the drive server stores is unpacked and searched: the owner's own log and checkpoints as well as what
a scientist is sent. Exit status 1: a step failed.
"""
import argparse, base64, io, json, os, re, shutil, subprocess, sys, tarfile, tempfile
from pathlib import Path

from flow import Steps, eq
from sides import COMMANDS, Drive, Side, syft_binary, token

OWNER = "do@example.org"
SCIENTISTS = {"python": "py@example.org", "python010": "py010@example.org"}
CANARIES = {where: f"canary-{where}-5b1c" for where in ("stdout", "stderr", "result", "binary", "name", "message")}

# The jobs hold no canary: they read them from the private half.
HEAD = """try:
    import syft_client as sc      # the first generation installs this name
except ImportError:
    import syft as sc             # the second this one; ours has both
import os, sys
rows = open(sc.resolve_dataset_file_path("numbers", owner_email="{owner}")).read().split()
c = dict(row.split(",") for row in rows)
"""
GOOD = HEAD + """os.makedirs("outputs/sub", exist_ok=True)
open("outputs/table.csv", "w").write(c["result"])
open("outputs/sub/raw.bin", "wb").write(b"\\xff\\xfe" + c["binary"].encode())
open("outputs/" + c["name"] + ".txt", "w").write("named")
print(c["stdout"])
print(c["stderr"], file=sys.stderr)
"""
BAD = HEAD + """print(c["stdout"], c["stderr"], file=sys.stderr)
open("outputs/table.csv", "w").write(c["result"])
def check(row):
    raise ValueError("no number: " + row)
check(c["message"])
"""


class Story:
    def __init__(self, work, endpoint):
        self.work, self.endpoint, self.sides = work, endpoint, []
        self.steps = Steps(strict=True)
        self.owner = self.side("ours", "do", OWNER)
        self.scientists = {kind: self.side(kind, "ds", email) for kind, email in SCIENTISTS.items()}

    def side(self, kind, role, email):
        home = self.work / email
        home.mkdir(parents=True)
        side = Side(email, COMMANDS[kind], role, email, home, self.endpoint, token(email), {}, kind != "ours")
        self.sides.append(side)
        return side

    def syft(self, *args):
        """Our program as the owner types it; returns its JSON."""
        home = self.owner.home.resolve()
        env = {**os.environ, "SYFT_HOME": str(home), "SYFT_EMAIL": OWNER, "PRE_SYNC": "false"}
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
        p = subprocess.run([syft_binary(), "--json", *map(str, args)], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert p.returncode in (0, 3), f"syft {args}: exit {p.returncode}: {p.stdout} {p.stderr}"
        return json.loads(p.stdout)

    def sync_all(self):
        for _ in range(2):
            for side in self.sides:
                side("sync")

    def on_the_drive(self):
        """Which canaries are in any file that the server stores, and how many files those are."""
        found, files = set(), 0
        for path in (self.work / "drive").rglob("*"):
            if path.is_file():
                files += 1
                text = unpacked(path.read_bytes())
                found |= {where for where, canary in CANARIES.items() if canary.encode() in text}
        assert files > 10, f"only {files} files were searched"
        return found


def unpacked(content):
    """The bytes, what they hold where they are an archive, and what of that is Base64."""
    found = [content]
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
            found += [archive.extractfile(member).read() for member in archive if member.isfile()]
    except tarfile.TarError:
        pass
    for text in list(found):
        for word in re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", text):
            try:
                found.append(base64.b64decode(word))
            except ValueError:
                pass
    return b"\n".join(found)


def story(s):
    step = s.steps.step
    files = s.work / "files"
    for half, text in (("mock", "".join(f"{where},nothing\n" for where in CANARIES)),
                       ("private", "".join(f"{where},{canary}\n" for where, canary in CANARIES.items()))):
        (files / half).mkdir(parents=True)
        (files / half / "d.csv").write_text(text)
    for name, text in (("good", GOOD), ("bad", BAD)):
        (files / f"{name}.py").write_text(text.format(owner=OWNER))
    job = lambda name, kind: f"{name}-{kind}"

    def run():
        s.owner("login-do")
        for ds in s.scientists.values():
            ds("login-ds")
            ds("add-peer", "--peer", OWNER)
            s.owner("sync")
            s.owner("approve-peer", "--peer", ds.email)
        s.owner("create-dataset", "--name", "numbers", "--mock", files / "mock", "--private", files / "private", "--users", "any")
        s.sync_all()
    step("the owner and a scientist of each generation are peers; the private half is full of canaries", run)

    def run():
        for kind, ds in s.scientists.items():
            for name in ("good", "bad"):
                ds("submit-python-job", "--user", OWNER, "--code", files / f"{name}.py", "--name", job(name, kind))
        s.owner("sync")
        for kind in s.scientists:
            for name in ("good", "bad"):
                eq(s.owner("approve-job", "--name", job(name, kind))["status"], "approved")
        ran = {j["name"]: j["status"] for j in s.syft("job", "run")["jobs"]}
        eq(ran, {job(name, kind): status for kind in s.scientists for name, status in (("good", "done"), ("bad", "failed"))})
        for kind in s.scientists:
            shown = s.syft("job", "show", job("good", kind))["job"]
            read = {o["path"]: Path(o["local_path"]).read_bytes() for o in shown["outputs"]}
            eq(read["table.csv"], CANARIES["result"].encode(), "the owner has it at once")
            assert CANARIES["stdout"] in Path(shown["stdout_path"]).read_text()
    step("each submits a job that works and one that fails; the owner runs them and sees all that they left", run)

    def run():
        s.sync_all()
        s.owner("create-checkpoint")
        s.sync_all()
        eq(s.on_the_drive(), set(), "on the drive")
        for kind, ds in s.scientists.items():
            read = ds("read-job-outputs", "--name", job("good", kind))
            eq((read["status"], read["outputs"], read["stdout"], read["stderr"], read["returncode"]), ("done", {}, None, None, None), kind)
            assert not any(c in path for path in ds.tree() for c in CANARIES.values()), kind
    step("after several syncs and a checkpoint nothing of it is on the drive, and the scientists see that it is done", run)

    def run():
        for kind, ds in s.scientists.items():
            read = ds("read-job-outputs", "--name", job("bad", kind))
            eq((read["status"], read["outputs"], read["stdout"], read["returncode"]), ("failed", {}, None, None), kind)
            line = BAD.splitlines().index('    raise ValueError("no number: " + row)') + 1
            for said in ("ValueError", f"bad.py, line {line}"):
                assert said in read["stderr"], f"{kind}: {said} is not in {read['stderr']!r}"
                assert said in read["stderr_shown"], f"{kind}: {said} is not in what the client shows: {read['stderr_shown']!r}"
            report = json.loads(next(s.work.joinpath(ds.email).rglob(f"review/**/{job('bad', kind)}/failure.json")).read_text())
            eq((report["exception"], report["file"], report["line"]), ("ValueError", "bad.py", line), kind)
            assert not any(c in json.dumps(read) for c in CANARIES.values()), kind
    step("of the job that failed the Python client shows the kind of error and the line, and no word of the data", run)

    def run():
        for kind, ds in s.scientists.items():
            for name in ("good", "bad"):
                s.syft("job", "release", job(name, kind), "--logs")
        s.sync_all()
        eq(s.on_the_drive(), {"stdout", "stderr", "message"}, "on the drive")
        for kind, ds in s.scientists.items():
            read = ds("read-job-outputs", "--name", job("good", kind))
            eq((read["outputs"], read["stdout"].strip(), read["stderr"].strip(), read["returncode"]),
               ({}, CANARIES["stdout"], CANARIES["stderr"], "0"), kind)
            read = ds("read-job-outputs", "--name", job("bad", kind))
            assert "Traceback" in read["stderr"] and CANARIES["message"] in read["stderr"], f"{kind}: {read['stderr']!r}"
    step("the logs are released: each Python client reads them, and no output", run)

    def run():
        for kind in s.scientists:
            s.syft("job", "release", job("good", kind), "--only", "table.csv")
        s.sync_all()
        eq(s.on_the_drive(), {"stdout", "stderr", "message", "result"}, "on the drive")
        for kind in s.scientists:
            s.syft("job", "release", job("good", kind))
        s.sync_all()
        eq(s.on_the_drive(), set(CANARIES), "on the drive")
        for kind, ds in s.scientists.items():
            outputs = ds("read-job-outputs", "--name", job("good", kind))["outputs"]
            eq(sorted(outputs), sorted(["table.csv", "sub/raw.bin", f"{CANARIES['name']}.txt"]), kind)
            eq(outputs["table.csv"]["text"], CANARIES["result"], kind)
            deeds = [r["deed"] for r in s.syft("job", "show", job("good", kind))["job"]["releases"]]
            eq(deeds, ["release"] * 3, kind)
    step("then one output, then all: each Python client reads them", run)

    def run():
        for kind in s.scientists:
            s.syft("job", "release", job("good", kind), "--withdraw")
        s.sync_all()
        for kind, ds in s.scientists.items():
            read = ds("read-job-outputs", "--name", job("good", kind))
            eq((read["status"], read["outputs"], read["stdout"]), ("done", {}, None), kind)
    step("what is taken back, each Python client deletes", run)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--keep", action="store_true", help="keep the folder")
    a = ap.parse_args()
    if not os.environ.get("SYFT_PY010"):
        del SCIENTISTS["python010"]
    work = Path(tempfile.mkdtemp(prefix="syft-releases-")).resolve()
    drive, s = Drive.ours(work, [OWNER, *SCIENTISTS.values()]), None
    try:
        print("== releases", flush=True)
        s = Story(work, drive.endpoint)
        story(s)
    finally:
        for side in s.sides if s else []:
            side.close()
        drive.stop()
    failed = s.steps.fail
    print(f"\n{failed} failed" + (f", logs: {work}" if failed or a.keep else ""))
    if not failed and not a.keep:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
