#!/usr/bin/env python3
"""HTTP requests, quota units, wall and CPU time of each operation, for our program and the Python client side by side.

  bench.py                                          both, on our own server, at 0 and 100 ms a request
  bench.py --sides python --drive stand-in --only A
  bench.py --out numbers.json

benches/run.py makes the tables of docs/BENCHMARKS.md of it. Both measure in one run on one machine, one after the other in
each scenario, so the ratios hold even where the seconds do not. A Python side is one long session, its start-up left out.
Ours is one process a command, start-up counted. A: one owner and one scientist, every operation. B: five peers. C: many
files in one message. D: many messages of one file.
"""
import argparse, json, shutil, sys, tempfile, time
from pathlib import Path

import quota
from sides import COMMANDS, Drive, Side, job_environment, token


class Bench:
    """One scenario on one fresh Drive with one kind of side."""

    def __init__(self, a, kind, scenario, work):
        self.a, self.kind, self.scenario, self.work = a, kind, scenario, work
        self.rows, self.sides = [], []
        work.mkdir(parents=True)
        inp = self.inp = work / "in"
        (inp / "mock").mkdir(parents=True)
        (inp / "priv").mkdir()
        (inp / "mock/d.csv").write_text("a,b\n1,2\n")
        (inp / "priv/d.csv").write_text("a,b\n100,200\n")
        (inp / "j.py").write_text("print(1)\n")
        accounts = ACCOUNTS[scenario](a.latency)
        self.drive = Drive.ours(work, accounts, admin=True) if a.drive == "our" else Drive.stand_in(work)

    def run(self):
        try:
            SCENARIOS[self.scenario](self)
        finally:
            for s in self.sides:
                s.close()
            self.drive.stop()
        return self.rows

    def side(self, name, role, email):
        home = self.work / name
        home.mkdir()
        s = Side(name, COMMANDS[self.kind], role, email, home, self.drive.endpoint, token(email), job_environment(), session=True)
        s("sleep", "--s", "0")      # the session has started before anything is measured
        self.sides.append(s)
        return s

    def measure(self, latency, name, side, *argv):
        label = f"{name}@{latency}"
        self.drive.admin("latency", ms=latency)
        self.drive.admin("mark", label=label)
        started, error = time.time(), None
        try:
            side(*argv)
        except AssertionError as e:
            error = str(e)[:300]
        wall = time.time() - started
        self.drive.admin("mark", label="setup")
        self.drive.admin("latency", ms=0)
        none = {"total": 0, "by": {}, "req_bytes": 0, "resp_bytes": 0, "batch_inner": 0, "batch_by": {}}
        stats = self.drive.admin("stats")["labels"].get(label, none)
        cpu = side.last.get("cpu_ms", 0) / 1000
        self.rows.append({"side": self.kind, "scenario": self.scenario, "op": name, "latency_ms": latency, "wall_s": round(wall, 3),
                          "cpu_s": round(cpu, 3), "error": error, "units": quota.units(stats), **stats})
        print(f"{self.kind:6} {name:66s} {latency:4d} ms  req {stats['total']:5d}  units {quota.units(stats):7d}  wall {wall:7.2f}s  cpu {cpu:6.2f}s"
              + (f"  ERROR {error}" if error else ""), flush=True)

    def pair(self, letter, latency=""):
        """An owner and a scientist who are peers, with `r/` readable."""
        do = self.side(f"{letter}-do{latency}", "do", f"do{letter.lower()}{latency}@x.org")
        ds = self.side(f"{letter}-ds{latency}", "ds", f"ds{letter.lower()}{latency}@y.org")
        do("login-do"), ds("login-ds"), ds("add-peer", "--peer", do.email), do("approve-peer", "--peer", ds.email)
        do("grant", "--path", "r/", "--user", ds.email, "--access", "read")
        do("sync"), ds("sync")
        return do, ds

    def join(self, latency, name, like):
        """Measures the login of `like`'s account on a machine that has nothing yet."""
        s = self.side(f"{self.scenario}-join{len(self.sides)}", like.role, like.email)
        self.measure(latency, name, s, "login-" + like.role)
        s.close()


def every_operation(b):
    for L in b.a.latency:
        DO, DS = f"do{L}@x.org", f"ds{L}@y.org"
        do, ds = b.side(f"A-do{L}", "do", DO), b.side(f"A-ds{L}", "ds", DS)
        M = lambda n, s, *v: b.measure(L, n, s, *v)
        M("DO first login (empty Drive, incl. sync)", do, "login-do")
        M("DS first login (empty Drive, incl. sync)", ds, "login-ds")
        M("DS add_peer (incl. sync)", ds, "add-peer", "--peer", DO)
        M("DO approve_peer_request", do, "approve-peer", "--peer", DS)
        M("DS load_peers (sees approval)", ds, "list-peers")
        do("sync"), ds("sync")
        M("DO idle sync (1 peer)", do, "sync")
        M("DS idle sync (1 peer)", ds, "sync")
        M("DO create_dataset 1 mock file, users=any (incl. sync)", do, "create-dataset", "--name", "nums", "--mock",
          b.inp / "mock", "--private", b.inp / "priv", "--users", "any")
        M("DO create_dataset + upload_private (incl. sync)", do, "create-dataset", "--name", "nums2", "--mock",
          b.inp / "mock", "--private", b.inp / "priv", "--users", "any", "--upload-private")
        M("DS sync pulling 2 datasets", ds, "sync")
        M("DS idle sync (1 peer, 2 datasets)", ds, "sync")
        M("DS submit_python_job", ds, "submit-python-job", "--user", DO, "--code", b.inp / "j.py", "--name", "jp")
        M("DO sync receiving 1 job", do, "sync")
        do("list-jobs")
        M("DO sync publishing state.yaml", do, "sync")
        M("DS sync pulling state", ds, "sync")
        ds("submit-bash-job", "--user", DO, "--script", "mkdir -p code/outputs; echo hi > code/outputs/o.txt; echo out", "--name", "jb")
        do("sync"), do("list-jobs"), do("sync")
        do("approve-job", "--name", "jb")
        M("DO sync publishing approval", do, "sync")
        M("DO process_approved_jobs (1 bash job, share all, 1 sync)", do, "process-approved-jobs", "--share-outputs", "--share-logs")
        M("DS sync pulling job results", ds, "sync")
        do("grant", "--path", "r/", "--user", DS, "--access", "read")
        do("grant", "--path", "w/", "--user", DS, "--access", "write")
        do("sync"), ds("sync")
        for n in (1, 10, 100):
            do("write-many", "--datasite", DO, "--prefix", f"r/n{n}_", "--count", n)
            M(f"DO sync, {n} changed file(s), 1 reader", do, "sync")
            M(f"DS sync pulling {n} changed file(s)", ds, "sync")
        for n in (1, 10, 100):
            M(f"DS proposes {n} file(s), one message", ds, "write-many", "--datasite", DO, "--prefix", f"w/n{n}_", "--count", n)
            M(f"DO sync receiving {n} file(s), one message", do, "sync")
            M(f"DS sync after {n} file(s) accepted", ds, "sync")
        M("DS proposes 10 files, 10 messages", ds, "write-many", "--datasite", DO, "--prefix", "w/s_", "--count", 10, "--separate")
        M("DO sync receiving 10 messages", do, "sync")
        M("DS sync after 10 messages accepted", ds, "sync")
        M("DO create_checkpoint", do, "create-checkpoint")
        do("restart"), ds("restart")
        M("DO login again (1 peer, same machine, incl. sync)", do, "login-do")
        M("DS login again (1 peer, same machine, incl. sync)", ds, "login-ds")
        b.join(L, "DO login on 2nd machine (checkpoint, 2 datasets, ~230 files)", do)
        b.join(L, "DS login on 2nd machine", ds)
        M("DS delete_syftbox", ds, "delete-syftbox")
        M("DO delete_syftbox", do, "delete-syftbox")


def five_peers(b):
    DO = "dob@x.org"
    do = b.side("B-do", "do", DO)
    do("login-do")
    dss = []
    for i in range(5):
        s = b.side(f"B-ds{i}", "ds", f"s{i}@y.org")
        s("login-ds")
        s("add-peer", "--peer", DO)
        do("approve-peer", "--peer", s.email)
        dss.append(s)
    do("sync"), do("sync")
    for L in b.a.latency:
        b.measure(L, "DO idle sync (5 peers)", do, "sync")
        for s in dss:
            do("grant", "--path", "r/", "--user", s.email, "--access", "read")
        do("sync")
        do("write-many", "--datasite", DO, "--prefix", f"r/b{L}_", "--count", 10)
        b.measure(L, "DO sync, 10 changed files, 5 readers", do, "sync")
    # a DS with 5 DOs
    ds = b.side("B-dsx", "ds", "dsx@y.org")
    ds("login-ds")
    for i in range(5):
        d = b.side(f"B-do{i}", "do", f"o{i}@y.org")
        d("login-do")
        ds("add-peer", "--peer", d.email)
        d("approve-peer", "--peer", "dsx@y.org")
    ds("sync"), ds("sync")
    for L in b.a.latency:
        b.measure(L, "DS idle sync (5 peers)", ds, "sync")


def many_files(b):
    N = b.a.big
    do, ds = b.pair("C")
    do("write-many", "--datasite", do.email, "--prefix", "r/m", "--count", N)
    b.measure(0, f"DO sync, {N} changed files in one sync (auto checkpoint)", do, "sync")
    b.measure(0, f"DS sync pulling {N} files (1 message)", ds, "sync")
    for L in b.a.latency:
        b.join(L, f"DO initial join, {N} files, incremental checkpoint", do)
        b.join(L, f"DS initial join, {N} files in few messages", ds)
    b.measure(0, f"DO create_checkpoint, {N} files", do, "create-checkpoint")
    for L in b.a.latency:
        b.join(L, f"DO initial join, {N} files, full checkpoint", do)
    b.measure(0, f"DO idle sync with {N} files", do, "sync")


def many_messages(b):
    N = b.a.big
    for L in b.a.latency:
        do, ds = b.pair("D", L)
        do("churn", "--prefix", "r/c", "--count", N)
        b.measure(L, f"DS sync pulling {N} messages of 1 file", ds, "sync")
        b.join(L, f"DS initial join, {N} messages in the outbox (not compacted)", ds)
        b.join(L, f"DO initial join, {N} event messages, rolling state alone", do)
        b.measure(L, f"DO sync after {N} messages (compacts, makes a checkpoint)", do, "sync")
        b.join(L, f"DS initial join, {N} files, after that sync", ds)
        b.join(L, f"DO initial join, {N} event messages, incremental checkpoint", do)
        do("drop-states")
        b.join(L, f"DO initial join, {N} event messages, no checkpoint at all", do)
        do("drop-states")
        b.measure(L, f"DO create_checkpoint, {N} files", do, "create-checkpoint")
        b.join(L, f"DO initial join, {N} event messages, full checkpoint", do)
        b.measure(L, f"DO idle sync with {N} files", do, "sync")


SCENARIOS = {"A": every_operation, "B": five_peers, "C": many_files, "D": many_messages}
ACCOUNTS = {
    "A": lambda latencies: [f"{r}{L}@{h}.org" for L in latencies for r, h in (("do", "x"), ("ds", "y"))],
    "B": lambda _: ["dob@x.org", "dsx@y.org", *(f"{r}{i}@y.org" for r in "so" for i in range(5))],
    "C": lambda _: ["doc@x.org", "dsc@y.org"],
    "D": lambda latencies: [f"{r}d{L}@{h}.org" for L in latencies for r, h in (("do", "x"), ("ds", "y"))],
}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--sides", nargs="+", choices=list(COMMANDS), default=["python", "ours"])
    ap.add_argument("--drive", choices=["our", "stand-in"], default="our")
    ap.add_argument("--latency", nargs="+", type=int, default=[0, 100], metavar="MS")
    ap.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    ap.add_argument("--big", type=int, default=1000, help="files in C and messages in D")
    ap.add_argument("--out", help="write all numbers there, as JSON")
    a = ap.parse_args()
    work, rows = Path(tempfile.mkdtemp(prefix="syft-bench-")), []
    for scenario in a.only:
        for kind in a.sides:
            rows += Bench(a, kind, scenario, work / f"{scenario}-{kind}").run()
    if a.out:
        Path(a.out).write_text(json.dumps(rows, indent=1) + "\n")
    shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if any(r["error"] for r in rows if r["side"] == "ours") else 0)


if __name__ == "__main__":
    main()
