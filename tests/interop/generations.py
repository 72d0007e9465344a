#!/usr/bin/env python3
"""One story in which clients of both generations work with the same partner at once: any number of owners, any number of
scientists, everybody with everybody.

  generations.py --owners ours --scientists python+python010      one owner of ours serves both generations
  generations.py --owners python+python010 --scientists ours      one scientist of ours works with both

`run.py` plays both. Jobs that a Python owner runs are shell scripts, which install nothing; flow.py has the others. Sides
are long sessions, as in a notebook. Exit status 1: a step failed.
"""
import argparse, json, shutil, sys, tempfile
from pathlib import Path

from flow import Steps, eq, sha
from sides import COMMANDS, OURS, PYTHON010, Drive, Side, job_environment, token

OWNERS, SCIENTISTS = ("do1", "do2"), ("ds1", "ds2")
MOCK, DATA = "a,b\n1,2\n", "a,b\n{0}00,{0}0\n"

PYTHON_JOB = """import os
try:
    import syft_client as sc      # the first generation installs this name
except ImportError:
    import syft as sc             # the second this one; ours has both
rows = open(sc.resolve_dataset_file_path("{dataset}", owner_email="{owner}")).read().split()[1:]
os.makedirs("outputs", exist_ok=True)
open("outputs/sum.txt", "w").write(str(sum(int(x) for row in rows for x in row.split(","))))
print("{name} says hello")
"""
BASH_JOB = """mkdir -p code/outputs
tail -n 1 "$SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/{dataset}/d.csv" \
| awk -F, '{{printf "%s", $1 + $2}}' > code/outputs/sum.txt
echo "{name} says hello"
"""


def accounts(domain="example.org"):
    return [f"{name}@{domain}" for name in (*OWNERS, *SCIENTISTS)]


def arguments():
    ap = argparse.ArgumentParser()
    side = lambda text: [COMMANDS.get(one, one) for one in text.split("+")]
    ap.add_argument("--owners", type=side, default=[OURS], help="ours, python, python010, or a command; several with +")
    ap.add_argument("--scientists", type=side, default=[COMMANDS["python"], PYTHON010])
    ap.add_argument("--endpoint", help="a Drive to use; default: start the stand-in")
    ap.add_argument("--work", help="a folder to keep; default: a temporary one, removed if all went well")
    return ap


def main():
    a = arguments().parse_args()
    work = Path(a.work or tempfile.mkdtemp(prefix="syft-generations-"))
    work.mkdir(parents=True, exist_ok=True)
    drive = None
    try:
        if not a.endpoint:
            drive = Drive.stand_in(work)
            a.endpoint = drive.endpoint
        steps = play(a, work)
    finally:
        if drive:
            drive.stop()
    print(f"{steps.n} steps, {steps.fail} failed, {steps.known} known defects of the Python client")
    if steps.fail == 0 and not a.work:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if steps.fail else 0)


def play(a, work):
    """Plays the story with the sides and the Drive of `a`, all files below `work`; returns its [`Steps`]."""
    env = job_environment()
    emails = iter(accounts())

    def sides(names, commands, role):
        made = []
        for name, email in zip(names, emails):
            if len(made) < len(commands):
                side = Side(name, commands[len(made)], role, email, work / name, a.endpoint, token(email), env, session=True)
                side.home.mkdir(parents=True)
                side.kind = commands[len(made)]
                made.append(side)
        return made

    owners, scientists = sides(OWNERS, a.owners, "do"), sides(SCIENTISTS, a.scientists, "ds")
    print(f"endpoint {a.endpoint}  work {work}\nowners {' + '.join(a.owners)}\nscientists {' + '.join(a.scientists)}", flush=True)
    try:
        return story(work / "in", owners, scientists)
    finally:
        for side in (*owners, *scientists):
            side.close()


def story(inputs, owners, scientists):
    F = Steps(strict=False)
    pairs = [(do, ds) for do in owners for ds in scientists]
    everybody = (*owners, *scientists)
    number = {do.name: i for i, do in enumerate(owners, 1)}
    dataset = lambda do: f"nums-{do.name}"
    job = lambda do, ds: f"sum-{ds.name}-{do.name}"
    state = lambda answer, side: {p["email"]: p["state"] for p in answer["peers"]}.get(side.email)
    total = lambda do: str(110 * number[do.name])
    for do in owners:
        for half, text in (("mock", MOCK), ("private", DATA.format(number[do.name]))):
            (inputs / do.name / half).mkdir(parents=True)
            (inputs / do.name / half / "d.csv").write_text(text)

    def s():
        for side in everybody:
            eq(side(f"login-{side.role}")["email"], side.email)
    F.step("everybody logs in (empty Drive)", s)

    def s():
        for do, ds in pairs:
            eq(state(ds("add-peer", "--peer", do.email), do), "requested_by_me", f"{ds.name}, {do.name}")
    F.step("each scientist adds each owner", s)

    def s():
        for do, ds in pairs:
            eq(state(do("list-peers"), ds), "requested_by_peer", f"{do.name}, {ds.name}")
            eq(state(do("approve-peer", "--peer", ds.email), ds), "accepted", f"{do.name}, {ds.name}")
    F.step("each owner sees the requests and approves", s)

    def s():
        for do, ds in pairs:
            eq(state(ds("list-peers"), do), "accepted", f"{ds.name}, {do.name}")
    F.step("each scientist sees the approvals", s)

    def s():
        for side in everybody:
            side("sync")
        for one, other in [*pairs, *((ds, do) for do, ds in pairs)]:
            if one.kind != OURS and other.kind == OURS:
                eq(one("version-of", "--peer", other.email), one("own-version"), f"{one.name} reads of {other.name}")
    F.step("each Python client reads its own version in the file that it may see", s)

    def s():
        for do in owners:
            do("create-dataset", "--name", dataset(do), "--mock", inputs / do.name / "mock",
               "--private", inputs / do.name / "private", "--summary", "numbers", "--users", "any")
    F.step("each owner creates a dataset for anyone", s)

    def s():
        for ds in scientists:
            ds("sync")
            listed = sorted((d["owner"], d["name"]) for d in ds("list-datasets")["datasets"])
            eq(listed, sorted((do.email, dataset(do)) for do in owners), ds.name)
            for do in owners:
                eq(ds("read-dataset", "--name", dataset(do), "--owner", do.email)["files"]["d.csv"]["sha256"], sha(MOCK))
            hidden = {sha(DATA.format(n)) for n in number.values()}
            assert not hidden & set(ds.tree().values()), f"private data reached {ds.name}"
    F.step("each scientist reads each mock, and no private data", s)

    def s():
        for do, ds in pairs:
            text = (PYTHON_JOB if do.kind == OURS else BASH_JOB).format(name=job(do, ds), dataset=dataset(do), owner=do.email)
            if do.kind == OURS:
                code = inputs / f"{job(do, ds)}.py"
                code.write_text(text)
                ds("submit-python-job", "--user", do.email, "--code", code, "--name", job(do, ds))
            else:
                ds("submit-bash-job", "--user", do.email, "--script", text, "--name", job(do, ds))
    F.step("each scientist submits a job to each owner", s)

    def s():
        for do in owners:
            do("sync")
            jobs = {j["name"]: (j["status"], j["submitted_by"]) for j in do("list-jobs")["jobs"]}
            eq(jobs, {job(do, ds): ("pending", ds.email) for ds in scientists}, do.name)
            for ds in scientists:
                segment = "v1/" if PYTHON010 in (do.kind, ds.kind) else ""
                place = f"{do.email}/app_data/job/inbox/{ds.email}/{segment}{job(do, ds)}/config.yaml"
                assert place in do.tree(do.email), f"no {place}"
    F.step("each owner sees the jobs, each in the layout of its generation", s)

    def s():
        for do in owners:
            for ds in scientists:
                eq(do("approve-job", "--name", job(do, ds))["status"], "approved")
            ran = {j["name"]: j["status"] for j in do("process-approved-jobs", "--share-outputs", "--share-logs")["jobs"]}
            eq(ran, {job(do, ds): "done" for ds in scientists}, do.name)
    F.step("each owner approves and runs them", s)

    def s():
        for ds in scientists:
            ds("sync")
            for do in owners:
                read = ds("read-job-outputs", "--name", job(do, ds))
                eq((read["status"], read["outputs"]["sum.txt"]["text"]), ("done", total(do)), job(do, ds))
                assert f"{job(do, ds)} says hello" in (read["stdout"] or ""), f"{job(do, ds)}: no log"
    F.step("each scientist reads the results, computed on private data", s)

    def s():
        for do in owners:
            for ds in scientists:
                do("grant", "--path", "shared/", "--user", ds.email, "--access", "write")
        for side in everybody:
            side("sync")
        for do, ds in pairs:
            ds("write-file", "--datasite", do.email, "--path", f"shared/{ds.name}.txt", "--content", f"of {ds.name}")
        for side in everybody:
            side("sync")
        for do in owners:
            for ds in scientists:
                for side in (do, *scientists):
                    eq(side.tree(do.email).get(f"{do.email}/shared/{ds.name}.txt"), sha(f"of {ds.name}"), side.name)
    # A Python owner tells nobody but the sender of a change that it accepted.
    F.step("what one scientist writes reaches the owner and all others", s,
           known=len(scientists) > 1 and any(do.kind != OURS for do in owners))

    def s():
        for side in everybody:
            side("sync")
        before = [side.tree() for side in everybody]
        for side in everybody:
            answer = side("sync")
            if side.kind == OURS:
                eq((answer["requests"], answer["problems"]), (1, []), f"{side.name}, idle")
        eq([side.tree() for side in everybody], before)
    F.step("idle syncs change nothing, ours with one request", s)
    return F


if __name__ == "__main__":
    main()
