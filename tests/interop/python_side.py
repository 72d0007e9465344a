#!/usr/bin/env python3
"""The released `syft-client` package, unmodified, as a side: see "Contract of a side" in README.md.

  export DRIVE_ENDPOINT=http://127.0.0.1:8765 DRIVE_TOKEN=...
  python_side.py --home DIR --email me@x.org --role do login-do
  python_side.py --home DIR --email me@x.org --role do repl        # JSON arrays on stdin

`python010_side.py` is the same for the next generation, and overrides what differs in it.

Everything that the package itself prints goes to stderr. What is redirected, in memory only:
  * googleapiclient.discovery.build as imported by the package: the packaged static discovery document is loaded and
    its rootUrl/baseUrl point to DRIVE_ENDPOINT; uploads, batches and every method follow from that.
  * google.oauth2 credentials refresh goes to DRIVE_ENDPOINT/token (only used if the access token is refused or has an
    expiry in the past).
  * HOME is --home, so ~/SyftBox_<email> and ~/.syftbox are per side.
"""
import argparse
import contextlib
import hashlib
import importlib
import json
import os
import shlex
import sys
import time
import traceback
from pathlib import Path

REAL_STDOUT = sys.stdout


# ----------------------------------------------------------------- arguments
def parser():
    ap = argparse.ArgumentParser(prog="python_side.py")
    ap.add_argument("--home", default=os.environ.get("PEER_HOME"))
    ap.add_argument("--email", default=os.environ.get("PEER_EMAIL"))
    ap.add_argument("--role", choices=["do", "ds"], default=os.environ.get("PEER_ROLE"))
    ap.add_argument("--endpoint", default=os.environ.get("DRIVE_ENDPOINT"))
    ap.add_argument("--token-file", default=os.environ.get("DRIVE_TOKEN_FILE"))
    ap.add_argument("--encryption", action="store_true")
    ap.add_argument("--trace", action="store_true", help="full traceback on stderr")
    sp = ap.add_subparsers(dest="cmd", required=True)

    def c(name, *args):
        p = sp.add_parser(name)
        for a in args:
            if isinstance(a, str):
                p.add_argument(a, required=True)
            else:
                p.add_argument(*a[0], **a[1])
        return p

    def opt(*n, **kw):
        return (n, kw)

    c("login-do", opt("--no-sync", action="store_true"))
    c("login-ds", opt("--no-sync", action="store_true"))
    c("add-peer", "--peer", opt("--no-sync", action="store_true"))
    c("list-peers")
    c("approve-peer", "--peer")
    c("reject-peer", "--peer")
    c("create-dataset", "--name", "--mock", "--private", opt("--summary"), opt("--readme"),
      opt("--users", default="any", help="any | a@x,b@y | none"),
      opt("--upload-private", action="store_true"), opt("--no-sync", action="store_true"))
    c("share-dataset", "--name", "--users")
    c("delete-dataset", "--name")
    c("sync", opt("--no-checkpoint", action="store_true"), opt("--no-compact", action="store_true"),
      opt("--force-peers", action="store_true"))
    c("restart")          # repl only: drop the client object (as if the process had been restarted)
    c("sleep", "--s")
    c("list-datasets")
    c("read-dataset", "--name", "--owner", opt("--file"))
    c("submit-python-job", "--user", "--code", opt("--name", default=""), opt("--dep", action="append", default=[]),
      opt("--entrypoint"))
    c("submit-bash-job", "--user", "--script", opt("--name", default=""))
    c("list-jobs")
    c("approve-job", "--name")
    c("reject-job", "--name", opt("--reason"))
    c("process-approved-jobs", opt("--share-outputs", action="store_true"), opt("--share-logs", action="store_true"),
      opt("--timeout", type=int))
    c("read-job-outputs", "--name")
    c("write-file", "--datasite", "--path", opt("--content"), opt("--from", dest="src"))
    c("write-many", "--datasite", "--prefix", "--count", opt("--size", type=int, default=100),
      opt("--separate", action="store_true", help="DS: one message per file"))
    c("delete-file", "--path")
    c("churn", "--prefix", "--count")
    c("drop-states")
    c("grant", "--path", "--user", opt("--access", choices=["read", "write", "admin"], default="read"))
    c("create-checkpoint")
    c("compact-outboxes", opt("--min-messages", type=int, default=20))
    c("tree", opt("--datasite"))
    c("delete-syftbox", opt("--no-broadcast", action="store_true"))
    c("raw-propose", "--datasite", "--path", "--content", opt("--old-hash"), opt("--sender"),
      opt("--delete", action="store_true"))
    c("version-of", "--peer")
    c("own-version")
    c("repl")
    return ap


# ----------------------------------------------------------------- redirect
def redirect(endpoint, package):
    endpoint = endpoint.rstrip("/")
    import googleapiclient.discovery as disc
    from googleapiclient.discovery_cache import get_static_doc
    import google.oauth2.credentials as g2

    docs = {}

    def build(service, version, http=None, **kw):
        key = (service, version)
        if key not in docs:
            doc = json.loads(get_static_doc(service, version))
            doc["rootUrl"] = endpoint + "/"
            doc["baseUrl"] = endpoint + "/" + doc["servicePath"]
            doc.pop("mtlsRootUrl", None)
            docs[key] = json.dumps(doc)
        kw.pop("cache_discovery", None)
        kw.pop("static_discovery", None)
        return disc.build_from_document(docs[key], http=http, **kw)

    disc.build = build
    importlib.import_module(f"{package}.sync.connections.drive.gdrive_transport").build = build

    orig = g2.Credentials.refresh

    def refresh(self, request):
        self._token_uri = endpoint + "/token"
        return orig(self, request)
    g2.Credentials.refresh = refresh


def token_file(a):
    """authorized-user file of google-auth, made from DRIVE_TOKEN if need be."""
    if a.token_file and Path(a.token_file).exists():
        info = json.loads(Path(a.token_file).read_text())
    else:
        info = {}
    tok = os.environ.get("DRIVE_TOKEN") or info.get("token") or info.get("access_token")
    if not tok:
        raise SystemExit("need DRIVE_TOKEN or --token-file")
    info.setdefault("refresh_token", "rt-" + a.email)
    info.setdefault("client_id", "interop")
    info.setdefault("client_secret", "interop")
    info.setdefault("expiry", "2099-01-01T00:00:00Z")
    info["token"] = tok
    out = Path(a.home) / ".drive_token.json"
    out.write_text(json.dumps(info))
    out.chmod(0o600)
    return out


def sha(b):
    return hashlib.sha256(b).hexdigest()


# ----------------------------------------------------------------- peer
class Peer:
    package = "syft_client"

    def __init__(self, a):
        self.a, self.client = a, None
        self.tok = token_file(a)

    def module(self, name):
        return importlib.import_module(f"{self.package}.{name}")

    # -- login
    def login(self, sync, load_peers=True):
        self.client = self.open(sync, load_peers)
        (Path(self.a.home) / ".interop_role").write_text(self.a.role)
        return self.client

    def open(self, sync, load_peers):
        """The client object; `python010_side.py` makes another."""
        login = self.module("sync.login")
        fn = login.login_do if self.a.role == "do" else login.login_ds
        # The login functions know no encryption, and would meet envelopes without keys.
        at_once = sync and not self.a.encryption
        client = fn(email=self.a.email, sync=at_once, load_peers=load_peers, token_path=str(self.tok))
        if self.a.encryption:
            client._init_encryption(True)
            client.sync() if sync else client.load_peers()  # its store of peers is another one now
        return client

    def c(self):
        if self.client is None:
            self.login(sync=False)
        return self.client

    def box(self):
        return Path(self.a.home) / f"SyftBox_{self.a.email}"

    # -- commands
    def login_do(self, a):
        self.a.role = "do"
        return self._li(a)

    def login_ds(self, a):
        self.a.role = "ds"
        return self._li(a)

    def _li(self, a):
        cl = self.login(sync=not a.no_sync)
        return {"email": cl.email, "syftbox": str(cl.syftbox_folder), "role": self.a.role,
                "peers": self._peers(cl)}

    @staticmethod
    def _peers(cl):
        pm = cl.peer_manager
        ps = list(pm.approved_peers) + list(pm.requested_by_me_peers) + list(pm.requested_by_peer_peers)
        return [{"email": p.email, "state": p.state.value,
                 "version": p.version.syft_client_version if p.version else None} for p in ps]

    def add_peer(self, a):
        self.c().add_peer(a.peer, sync=not a.no_sync)
        return {"peers": self._peers(self.c())}

    def list_peers(self, a):
        if self.client is not None:
            self.client.load_peers()
        return {"peers": self._peers(self.c())}

    def approve_peer(self, a):
        if self.client is None:
            # "any" datasets are only shared with a new peer if this process has
            # done an initial sync (the default of login_do)
            self.login(sync=True)
        self.c().approve_peer_request(a.peer)
        return {"peers": self._peers(self.c())}

    def reject_peer(self, a):
        self.c().reject_peer_request(a.peer)
        return {"peers": self._peers(self.c())}

    def create_dataset(self, a):
        users = {"any": "any", "none": None}.get(a.users, a.users.split(","))
        ds = self.c().create_dataset(name=a.name, mock_path=a.mock, private_path=a.private, summary=a.summary,
                                     readme_path=Path(a.readme) if a.readme else None, users=users,
                                     upload_private=a.upload_private, sync=not a.no_sync)
        return {"name": ds.name, "owner": ds.owner, "mock_files": sorted(p.name for p in ds.mock_files),
                "private_files": sorted(p.name for p in ds.private_files)}

    def share_dataset(self, a):
        self.c().share_dataset(a.name, "any" if a.users == "any" else a.users.split(","))
        return {}

    def delete_dataset(self, a):
        self.c().delete_dataset(a.name, require_confirmation=False)
        return {}

    def sync(self, a):
        self.c().sync(auto_checkpoint=not a.no_checkpoint, auto_compact=not a.no_compact,
                      force_download_peer_state=a.force_peers)
        return {"peers": self._peers(self.c())}

    def restart(self, a):
        self.client = None
        return {}

    def sleep(self, a):
        time.sleep(float(a.s))
        return {}

    def list_datasets(self, a):
        out = []
        for d in self.c().dataset_manager.get_all():
            out.append({"name": d.name, "owner": d.owner, "summary": d.summary,
                        "files": sorted(p.name for p in d.mock_files)})
        return {"datasets": sorted(out, key=lambda d: (d["owner"], d["name"]))}

    def read_dataset(self, a):
        ds = self.c().dataset_manager.get(name=a.name, datasite=a.owner)
        out = {}
        for p in ds.mock_files:
            if a.file and p.name != a.file:
                continue
            b = p.read_bytes()
            out[p.name] = {"sha256": sha(b), "size": len(b), "text": b[:4096].decode("utf8", "replace")}
        return {"name": ds.name, "owner": ds.owner, "files": out}

    def submit_python_job(self, a):
        cl = self.c()
        if not any(p.email == a.user for p in cl.peer_manager.syncable_peers):
            raise RuntimeError(f"{a.user} is not a peer")
        before = self._jobdirs(a.user)
        cl.submit_python_job(a.user, a.code, job_name=a.name, dependencies=a.dep or None, entrypoint=a.entrypoint)
        return {"job": sorted(self._jobdirs(a.user) - before)}

    def submit_bash_job(self, a):
        before = self._jobdirs(a.user)
        self.c().submit_bash_job(a.user, a.script, job_name=a.name)
        return {"job": sorted(self._jobdirs(a.user) - before)}

    def _jobdirs(self, user):
        d = self.box() / user / "app_data" / "job" / "inbox" / self.a.email
        return {p.name for p in d.iterdir()} if d.exists() else set()

    def _jobs(self):
        return list(self.c().job_client.jobs)

    def list_jobs(self, a):
        return {"jobs": [{"name": j.name, "status": j.status, "submitted_by": j.submitted_by,
                          "datasite": j.datasite_owner_email, "headers": j.job_headers} for j in self._jobs()]}

    def approve_job(self, a):
        j = self.c().job_client.jobs[a.name]
        j.approve()
        return {"name": j.name, "status": j.status}

    def reject_job(self, a):
        j = self.c().job_client.jobs[a.name]
        j.reject(a.reason)
        return {"name": j.name, "status": j.status}

    def process_approved_jobs(self, a):
        self.c().process_approved_jobs(stream_output=False, timeout=a.timeout,
                                       share_outputs_with_submitter=a.share_outputs,
                                       share_logs_with_submitter=a.share_logs)
        self.c().sync()      # PRE_SYNC is off here; the package does this sync itself when it is on
        return self.list_jobs(a)

    def read_job_outputs(self, a):
        j = self.c().job_client.jobs[a.name]
        rv = j.job_review_path
        outs = {}
        od = rv / "outputs"
        for p in sorted(od.rglob("*")) if od.exists() else []:
            if p.is_file() and p.name != "syft.pub.yaml":
                b = p.read_bytes()
                outs[str(p.relative_to(od))] = {"sha256": sha(b), "size": len(b),
                                                "text": b[:4096].decode("utf8", "replace")}

        def rd(n):
            p = rv / n
            return p.read_text()[-4000:] if p.exists() else None
        return {"name": j.name, "status": j.status, "outputs": outs, "stdout": rd("stdout.txt"),
                "stderr": rd("stderr.txt"), "returncode": rd("returncode.txt"), "stderr_shown": str(j.stderr)}

    def write_file(self, a):
        """DO: write into the own datasite folder (goes out with the next sync).
        DS: propose a change to a peer's datasite (sent at once)."""
        if a.src:
            data = Path(a.src).read_bytes()
            try:
                data = data.decode("utf8")
            except UnicodeDecodeError:
                pass
        else:
            data = a.content or ""
        cl = self.c()
        if a.datasite == self.a.email:
            p = self.box() / a.datasite / a.path
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_bytes(data if isinstance(data, bytes) else data.encode())
            return {"written": a.path}
        cl.datasite_watcher_syncer.on_file_change(Path(a.datasite) / a.path, content=data)
        return {"proposed": a.path}

    def write_many(self, a):
        cl, n = self.c(), int(a.count)
        for i in range(n):
            rel = f"{a.prefix}{i:05d}.txt"
            text = (f"{a.prefix}{i} " + "x" * a.size)[:a.size]
            if a.datasite == self.a.email:
                p = self.box() / a.datasite / rel
                p.parent.mkdir(parents=True, exist_ok=True)
                p.write_text(text)
            else:
                cl.datasite_watcher_syncer.on_file_change(Path(a.datasite) / rel, content=text,
                                                          process_now=a.separate or i == n - 1)
        return {"n": n}

    def churn(self, a):
        """DO: `count` event messages of one file each, as `count` x (write one file, sync) would leave them
        on the Drive (own event log + outbox of every approved peer + one rolling state), but without the
        package's quadratic local scan.  Bench only."""
        cl = self.c()
        o = cl.datasite_owner_syncer
        if not o.initial_sync_done:
            cl.sync(auto_checkpoint=False, auto_compact=False)
        o._load_rolling_state()
        peers = [p.email for p in cl.peer_manager.approved_peers]
        for i in range(int(a.count)):
            rel = Path(f"{a.prefix}{i:05d}.txt")
            text = f"{a.prefix}{i} " + "x" * 80
            p = self.box() / self.a.email / rel
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_text(text)
            m = o.event_cache.create_events_for_files({rel: text})
            o.event_cache.events_messages_connection.write_file(path=m.message_filepath.as_string(), content=m)
            o.queue_event_for_syftbox(recipients=peers, file_change_events_message=m)
            o.process_syftbox_events_queue()
            o._add_events_to_rolling_state(m, upload_threshold=10 ** 9)
        o._upload_rolling_state()
        o._save_rolling_state()
        return {}

    def drop_states(self, a):
        """DO: remove rolling state and checkpoints from the Drive (bench only)."""
        c = self.drive()
        c.delete_rolling_state()
        c.delete_all_checkpoints()
        c.delete_all_incremental_checkpoints()
        return {}

    def delete_file(self, a):
        (self.box() / self.a.email / a.path).unlink()
        return {}

    def raw_propose(self, a):
        """Send a hand-made proposal message (for negative tests)."""
        messages = self.module("sync.messages.proposed_filechange")
        cl = self.c()
        m = messages.ProposedFileChangesMessage(sender_email=a.sender or self.a.email, proposed_file_changes=[
            messages.ProposedFileChange(datasite_email=a.datasite, path_in_datasite=Path(a.path),
                               content=None if a.delete else a.content, is_deleted=a.delete, old_hash=a.old_hash)])
        cl.datasite_watcher_syncer.connection_router.watcher_send_proposed_file_changes_message(a.datasite, m)
        return {"proposed": a.path}

    def grant(self, a):
        from syft_perms import SyftPermContext
        ctx = SyftPermContext(datasite=self.box() / self.a.email)
        getattr(ctx.open(a.path), f"grant_{a.access}_access")(a.user)
        return {"path": a.path, "user": a.user, "access": a.access}

    def create_checkpoint(self, a):
        cp = self.c().create_checkpoint()
        return {"files": len(cp.files), "filename": cp.filename}

    def drive(self):
        return self.c()._connection_router.connections[0]

    def version_of(self, a):
        """What the package reads as the version of a peer."""
        v = self.drive().read_peer_version_file(a.peer)
        return {"version": v.syft_client_version if v else None}

    def own_version(self, a):
        v = self.drive().read_own_version_file()
        return {"version": v.syft_client_version if v else None}

    def compact_outboxes(self, a):
        return self.c().compact_outboxes_if_needed(min_messages=a.min_messages)

    def tree(self, a):
        box, out = self.box(), {}
        root = box / a.datasite if a.datasite else box
        skip = {".venv", "__pycache__", ".git", "node_modules"}
        for p in sorted(root.rglob("*")):
            rel = p.relative_to(box)
            if p.is_file() and not (skip & set(rel.parts)) and rel.parts[0] not in (".cache", ".sync.lock"):
                b = p.read_bytes()
                out[str(rel)] = {"sha256": sha(b), "size": len(b)}
        return {"files": out}

    def delete_syftbox(self, a):
        self.c().delete_syftbox(verbose=False, broadcast_delete_events=not a.no_broadcast)
        self.client = None
        return {"local_exists": self.box().exists()}


def emit(o):
    REAL_STDOUT.write(json.dumps(o, default=str) + "\n")
    REAL_STDOUT.flush()


def run(peer, ns):
    t, cpu = time.time(), time.process_time()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            r = getattr(peer, ns.cmd.replace("-", "_"))(ns)
        emit({"ok": True, "cmd": ns.cmd, "wall_ms": round((time.time() - t) * 1000),
              "cpu_ms": round((time.process_time() - cpu) * 1000), "result": r})
        return 0
    except (Exception, SystemExit) as e:
        if ns.trace or os.environ.get("PEER_TRACE"):
            traceback.print_exc()
        emit({"ok": False, "cmd": ns.cmd, "wall_ms": round((time.time() - t) * 1000),
              "error": str(e)[:2000], "error_type": type(e).__name__})
        return 1


def main(side=Peer):
    ap = parser()
    a = ap.parse_args()
    for k in ("home", "email", "endpoint"):
        if not getattr(a, k):
            ap.error(f"--{k} is required")
    Path(a.home).mkdir(parents=True, exist_ok=True)
    if a.cmd == "login-do":
        a.role = "do"
    elif a.cmd == "login-ds":
        a.role = "ds"
    elif not a.role:
        rf = Path(a.home) / ".interop_role"
        a.role = rf.read_text() if rf.exists() else ap.error("--role is required")
    # the process environment that the package and its jobs see
    os.environ.setdefault("UV_CACHE_DIR", str(Path(os.environ.get("HOME", "/tmp")) / ".cache" / "uv"))
    os.environ["HOME"] = str(Path(a.home).resolve())
    os.environ.setdefault("PRE_SYNC", "false")
    os.environ["PATH"] = str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    extra = os.environ.get("PEER_PYTHON312_BIN")
    if extra:
        os.environ["PATH"] += os.pathsep + extra
    with contextlib.redirect_stdout(sys.stderr):
        redirect(a.endpoint, side.package)
    peer = side(a)
    if a.cmd != "repl":
        sys.exit(run(peer, a))
    emit({"ok": True, "cmd": "repl", "result": {"pid": os.getpid()}})
    glob = ["--home", a.home, "--email", a.email, "--role", a.role, "--endpoint", a.endpoint]
    for line in sys.stdin:
        line = line.strip()
        if not line:
            continue
        if line in ("quit", "exit"):
            break
        try:
            argv = json.loads(line) if line.startswith("[") else shlex.split(line)
            ns = ap.parse_args(glob + argv)
        except SystemExit:
            emit({"ok": False, "cmd": line, "error": "bad arguments"})
            continue
        run(peer, ns)
    os._exit(0)


if __name__ == "__main__":
    main()
