#!/usr/bin/env python3
"""Our `syft` program as a side: see "Contract of a side" in README.md.

One process a command, always with `--json`; files are read and written where a user would: in the SyftBox folder.
SYFT_BIN names the program; unset, it is the newer build of this project.
"""
import argparse, hashlib, json, os, re, resource, subprocess, sys, tempfile, time, urllib.parse, urllib.request
from pathlib import Path

from sides import syft_binary


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def sha(content):
    return hashlib.sha256(content).hexdigest()


class Peer:
    def __init__(self, home, email, role, encryption=False):
        self.home, self.email, self.role, self.encryption = Path(home), email, role, encryption
        self.bin = syft_binary()

    def syft(self, *args):
        env = {**os.environ, "SYFT_HOME": str(self.home.resolve()), "SYFT_EMAIL": self.email, "NO_COLOR": "1"}
        env.setdefault("PRE_SYNC", "false")
        # uv lies beside the interpreter that setup.sh made; a Python 3.12 may lie elsewhere.
        env["PATH"] = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), env.get("PATH"),
                                                    env.get("PEER_PYTHON312_BIN")]))
        p = subprocess.run([self.bin, "--json", *map(str, args)], env=env, text=True, capture_output=True,
                           stdin=subprocess.DEVNULL, timeout=600)
        sys.stderr.write(f"$ syft {' '.join(map(str, args))}\n{p.stderr}\n{p.stdout[-4000:]}\n")
        try:
            answer = json.loads(p.stdout)
        except ValueError:
            raise Refused("no-json", f"exit {p.returncode}, stdout {p.stdout[-300:]!r}, stderr {p.stderr[-300:]!r}")
        if "error" in answer:
            raise Refused(answer["error"].get("code", "error"), answer["error"].get("message", p.stdout))
        return answer

    def box(self):
        return self.home / f"SyftBox_{self.email}"

    def file(self, datasite, path):
        file = self.box() / (datasite or self.email) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def peers(self):
        return {"peers": self.syft("peer", "list")["peers"]}

    # -- peers
    def login_do(self, a):
        return self.login("do")

    def login_ds(self, a):
        return self.login("ds")

    def login(self, role):
        self.role = role
        answer = self.syft(f"login-{role}", "--email", self.email, "--drive", os.environ["DRIVE_ENDPOINT"],
                           "--token", os.environ["DRIVE_TOKEN"])
        if self.encryption and not self.syft("keys", "show")["keys"]:
            self.syft("keys", "create")
        return {"email": answer["email"], "peers": answer["peers"]}

    def add_peer(self, a):
        self.syft("peer", "add", a.peer)
        return self.peers()

    def approve_peer(self, a):
        self.syft("peer", "approve", a.peer)
        return self.peers()

    def reject_peer(self, a):
        self.syft("peer", "reject", a.peer)
        return self.peers()

    def list_peers(self, a):
        self.syft("sync")
        return self.peers()

    def sync(self, a):
        return self.syft("sync")

    # -- datasets
    def create_dataset(self, a):
        args = ["dataset", "create", a.name, "--mock", a.mock, "--private", a.private, "--users", a.users]
        for flag in ("summary", "readme"):
            if getattr(a, flag):
                args += [f"--{flag}", getattr(a, flag)]
        made = self.syft(*args, *(["--upload-private"] if a.upload_private else []))["dataset"]
        self.syft("sync")
        return {"mock_files": made["mock_files"]}

    def share_dataset(self, a):
        return self.syft("dataset", "share", a.name, "--users", a.users)

    def delete_dataset(self, a):
        return self.syft("dataset", "delete", a.name)

    def list_datasets(self, a):
        return {"datasets": self.syft("dataset", "list")["datasets"]}

    def read_dataset(self, a):
        files = {}
        for name in self.syft("dataset", "show", a.name, "--owner", a.owner)["dataset"]["mock_files"]:
            content = (self.box() / a.owner / "public/syft_datasets" / a.name / name).read_bytes()
            files[name] = {"sha256": sha(content), "text": content.decode(errors="replace")}
        return {"files": files}

    # -- jobs
    def submit_python_job(self, a):
        deps = [part for dep in a.dep for part in ("--dep", dep)]
        entry = ["--entrypoint", a.entrypoint] if a.entrypoint else []
        self.syft("job", "submit", a.code, "--to", a.user, "--name", a.name, *deps, *entry)
        return {"job": [a.name]}

    def submit_bash_job(self, a):
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script.sh"
            script.write_text(a.script)
            self.syft("job", "submit", script, "--to", a.user, "--name", a.name, "--bash")
        return {"job": [a.name]}

    def list_jobs(self, a):
        return {"jobs": self.syft("job", "list")["jobs"]}

    def approve_job(self, a):
        return {"status": self.syft("job", "approve", a.name)["job"]["status"]}

    def reject_job(self, a):
        reason = ["--reason", a.reason] if a.reason else []
        return {"status": self.syft("job", "reject", a.name, *reason)["job"]["status"]}

    def process_approved_jobs(self, a):
        flags = [f"--{f}" for f in ("share-outputs", "share-logs") if getattr(a, f.replace("-", "_"))]
        self.syft("job", "run", *flags, *(["--timeout", a.timeout] if a.timeout else []))
        self.syft("sync")
        return self.list_jobs(a)

    def read_job_outputs(self, a):
        job = self.syft("job", "show", a.name)["job"]
        outputs = {o["path"]: {"text": Path(o["local_path"]).read_text(errors="replace")} for o in job["outputs"]}
        log = job.get("stdout_path")
        return {"status": job["status"], "outputs": outputs, "stdout": Path(log).read_text() if log else None}

    # -- files
    def write_file(self, a):
        content = Path(a.from_).read_bytes() if a.from_ else a.content.encode()
        self.file(a.datasite, a.path).write_bytes(content)
        return self.syft("sync") if self.role == "ds" else {}

    def write_many(self, a):
        for i in range(a.count):
            text = (f"{a.prefix}{i} " + "x" * a.size)[:a.size]
            self.file(a.datasite, f"{a.prefix}{i:05d}.txt").write_text(text)
            if self.role == "ds" and (a.separate or i == a.count - 1):
                self.syft("sync")
        return {"n": a.count}

    def delete_file(self, a):
        self.file(a.datasite, a.path).unlink()
        return {}

    def tree(self, a):
        files = {}
        for p in sorted(self.box().rglob("*")):
            rel = p.relative_to(self.box())
            if p.is_file() and "@" in rel.parts[0] and not set(rel.parts) & {".venv", "__pycache__", ".git"}:
                files[rel.as_posix()] = {"sha256": sha(p.read_bytes())}
        return {"files": files}

    def grant(self, a):
        return self.syft("perm", "grant", a.path, "--user", a.user, "--level", a.access)

    def create_checkpoint(self, a):
        return self.syft("checkpoint", "create")

    def delete_syftbox(self, a):
        return self.syft("delete", "--yes")

    # -- for bench.py
    def churn(self, a):
        """`count` times: write one file, sync."""
        for i in range(a.count):
            self.file(self.email, f"{a.prefix}{i:05d}.txt").write_text(f"{a.prefix}{i} " + "x" * 80)
            self.syft("sync", "--no-auto-checkpoint")
        return {}

    def drop_states(self, a):
        """Removes the account's checkpoints and rolling state from the Drive, past the program."""
        base = f"{os.environ['DRIVE_ENDPOINT'].rstrip('/')}/drive/v3/files"
        headers = {"Authorization": f"Bearer {os.environ['DRIVE_TOKEN']}"}

        def call(url, method="GET"):
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method)) as answer:
                return answer.read()

        query = {"q": "'me' in owners and trashed=false and mimeType='application/vnd.google-apps.folder'",
                 "pageSize": 1000, "fields": "files(id,name)"}
        for folder in json.loads(call(f"{base}?{urllib.parse.urlencode(query)}"))["files"]:
            if re.search(r"-(checkpoints|rolling-state)$", folder["name"]):
                call(f"{base}/{folder['id']}", "DELETE")
        return {}

    def restart(self, a):
        return {}          # each command is a process of its own

    def sleep(self, a):
        time.sleep(float(a.s))
        return {}


COMMANDS = [n for n, f in vars(Peer).items() if callable(f) and n not in ("__init__", "syft", "box", "file", "peers", "login")]


def parser():
    ap = argparse.ArgumentParser()
    ap.add_argument("--home", required=True)
    ap.add_argument("--email", required=True)
    ap.add_argument("--role", default="do", choices=["do", "ds"])
    ap.add_argument("--encryption", action="store_true")
    ap.add_argument("cmd", choices=["repl", *(name.replace("_", "-") for name in COMMANDS)])
    for flag in ("peer", "name", "mock", "private", "users", "summary", "readme", "owner", "user", "code", "script", "entrypoint",
                 "reason", "timeout", "datasite", "path", "content", "access", "prefix", "s"):
        ap.add_argument(f"--{flag}")
    ap.add_argument("--from", dest="from_")
    ap.add_argument("--dep", action="append", default=[])
    ap.add_argument("--count", type=int)
    ap.add_argument("--size", type=int, default=100)
    for flag in ("upload-private", "share-outputs", "share-logs", "no-sync", "separate"):
        ap.add_argument(f"--{flag}", action="store_true")
    return ap


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(peer, a):
    started, cpu = time.time(), children_cpu()
    try:
        answer = {"ok": True, "result": getattr(peer, a.cmd.replace("-", "_"))(a)}
    except Exception as e:
        answer = {"ok": False, "error": str(e), "error_type": getattr(e, "code", type(e).__name__)}
    answer["wall_ms"] = round((time.time() - started) * 1000)
    answer["cpu_ms"] = round((children_cpu() - cpu) * 1000)
    print(json.dumps(answer), flush=True)
    return answer["ok"]


def main():
    a = parser().parse_args()
    peer = Peer(a.home, a.email, a.role, a.encryption)
    if a.cmd != "repl":
        sys.exit(0 if once(peer, a) else 1)
    print(json.dumps({"ok": True, "cmd": "repl"}), flush=True)
    for line in sys.stdin:
        if line.strip():
            once(peer, parser().parse_args(["--home", a.home, "--email", a.email, "--role", peer.role, *json.loads(line)]))


if __name__ == "__main__":
    main()
