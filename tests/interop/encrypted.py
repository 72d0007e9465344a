"""A short story with end-to-end encryption on both sides, and what then lies on the Drive. `run.py --encrypted` plays it.

No dataset is shared with the Python client: 0.1.117 with encryption on takes the plain mock files for envelopes, and stops.
"""
import hashlib, json, urllib.parse, urllib.request

from flow import Steps, accounts, eq
from sides import COMMANDS, Side, job_environment, token

PREFIXES = ("msgv2_", "syfteventsmessagev3_", "rolling_state_", "checkpoint_", "incremental_checkpoint_")


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Look:
    """One account's view of the Drive, past both programs."""

    def __init__(self, endpoint, email):
        self.base, self.email = f"{endpoint}/drive/v3/files", email

    def get(self, url):
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token(self.email)}"})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def files(self):
        query = {"q": "trashed=false", "pageSize": 1000, "fields": "files(id,name,mimeType)"}
        found = json.loads(self.get(f"{self.base}?{urllib.parse.urlencode(query)}"))["files"]
        return {(f["id"], f["name"]): f for f in found if not f["mimeType"].endswith(".folder")}

    def unsealed(self):
        return [name for (i, name) in self.files()
                if name.startswith(PREFIXES) and self.get(f"{self.base}/{i}?alt=media")[:4] != b"SYC2"]


def play(owner, scientist, drive, work):
    do_email, ds_email = accounts()[0], accounts()[1]

    def side(name, kind, role, email):
        home = work / name
        home.mkdir()
        command = COMMANDS[kind] + " --encryption"
        # To start a process of the second generation takes its time.
        session = kind == "python010"
        return Side(name, command, role, email, home, drive.endpoint, token(email), job_environment(), session)

    do, ds = side("do", owner, "do", do_email), side("ds", scientist, "ds", ds_email)
    steps = Steps(strict=False)
    step = steps.step

    step("both log in and have keys", lambda: (do("login-do"), ds("login-ds")) and None)

    def meet():
        ds("add-peer", "--peer", do_email)
        do("list-peers")
        do("approve-peer", "--peer", ds_email)
        for s in (ds, do, ds):
            s("sync")
        states = [p["state"] for s in (do, ds) for p in s("list-peers")["peers"]]
        eq(states, ["accepted", "accepted"])
    step("they become peers and exchange keys", meet)

    def events():
        do("write-file", "--datasite", do_email, "--path", "shared/a.txt", "--content", "from the owner")
        do("grant", "--path", "shared/", "--user", ds_email, "--access", "write")
        do("sync")
        ds("sync")
        eq(ds.tree().get(f"{do_email}/shared/a.txt"), sha("from the owner"))
    step("what the owner writes arrives", events)

    def proposal():
        ds("write-file", "--datasite", do_email, "--path", "shared/b.txt", "--content", "from the scientist")
        do("sync")
        eq(do.tree().get(f"{do_email}/shared/b.txt"), sha("from the scientist"))
        ds("sync")
        eq(ds.tree().get(f"{do_email}/shared/b.txt"), sha("from the scientist"))
    step("what the scientist proposes is accepted and comes back", proposal)

    def job():
        ds("submit-bash-job", "--user", do_email, "--script", "echo hello", "--name", "job1")
        do("sync")
        eq([j["name"] for j in do("list-jobs")["jobs"]], ["job1"])
        do("approve-job", "--name", "job1")
        do("sync")
        ds("sync")
        eq([j["status"] for j in ds("list-jobs")["jobs"]], ["approved"])
    step("a job is submitted, and its approval seen", job)

    def change():
        do("write-file", "--datasite", do_email, "--path", "shared/a.txt", "--content", "once more")
        do("delete-file", "--path", "shared/b.txt")
        do("sync")
        ds("sync")
        tree = ds.tree(do_email)
        eq(tree.get(f"{do_email}/shared/a.txt"), sha("once more"))
        eq(f"{do_email}/shared/b.txt" in tree, False)
    # W5: a Python owner that logs in again takes back what was edited while it did not run.
    step("a change and a deletion arrive", change, known=owner == "python")

    step("the owner makes a checkpoint", lambda: do("create-checkpoint") and None)

    def sealed():
        looks = [Look(drive.endpoint, email) for email in (do_email, ds_email)]
        eq([look.unsealed() for look in looks], [[], []], "not sealed")
        count = sum(name.startswith(PREFIXES) for look in looks for (_, name) in look.files())
        assert count >= 10, f"only {count} files were looked at"
        return f"{count} files"
    step("every message, state and checkpoint on the Drive is sealed", sealed)

    for s in (do, ds):
        s.close()
    return steps
