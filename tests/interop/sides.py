"""The kinds of side (our program, the Python client in two generations) and the two kinds of Drive (our server, the
stand-in) that the stories and bench.py put together. README.md has the contract of a side. Beside them our program as it
is, for one account (`Program`), and two people who know each other (`World`).
"""
import json, os, shlex, subprocess, sys, time, urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def side_command(interpreter, script):
    return f"{shlex.quote(interpreter)} {shlex.quote(str(HERE / script))}"


# The environments of the two generations exclude each other; SYFT_PY010 names that of the second.
PYTHON = side_command(sys.executable, "python_side.py")
PYTHON010 = side_command(os.environ.get("SYFT_PY010", "python3"), "python010_side.py")
OURS = side_command(sys.executable, "syft_side.py")
COMMANDS = {"python": PYTHON, "python010": PYTHON010, "ours": OURS}


def syft_binary():
    """SYFT_BIN, or the newer one of this project's two builds."""
    if os.environ.get("SYFT_BIN"):
        return os.environ["SYFT_BIN"]
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [p for p in (target / "release/syft", target / "debug/syft") if p.exists()]
    if not built:
        sys.exit("there is no syft to test: run `cargo build`, or name one in SYFT_BIN")
    return str(max(built, key=lambda p: p.stat().st_mtime))


def job_environment():
    """What a job needs from the machine: a Python 3.12, where one is kept outside PATH."""
    found = sorted(Path.home().glob(".pyenv/versions/3.12*/bin"))
    return {"PEER_PYTHON312_BIN": str(found[-1])} if found and "PEER_PYTHON312_BIN" not in os.environ else {}


class Drive:
    """A Drive server of our own; `stop` ends it."""

    def __init__(self, process, endpoint):
        self.process, self.endpoint = process, endpoint

    @classmethod
    def stand_in(cls, work, name_contains="token"):
        port_file = Path(work) / "port"
        port_file.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, str(HERE / "tiny_drive.py"), "--port", "0", "--port-file", str(port_file),
                                    "--log", str(Path(work) / "requests.jsonl"), "--name-contains", name_contains],
                                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        while not (port_file.exists() and port_file.read_text()):
            if process.poll() is not None:
                raise RuntimeError(f"tiny_drive.py ended with {process.returncode}")
            time.sleep(0.02)
        return cls(process, f"http://127.0.0.1:{port_file.read_text()}")

    @classmethod
    def ours(cls, work, accounts, admin=False):
        """`accounts` exist with the tokens that [`token`] gives them."""
        data, log = Path(work) / "drive", open(Path(work) / "drive.log", "a")
        syft = [syft_binary(), "--json", "drive"]
        env = {**os.environ, "SYFT_HOME": str(Path(work) / "drive-home")}
        for email in accounts:
            added = subprocess.run([*syft, "account", "add", email, "--data", str(data), "--token", token(email)],
                                   env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
            if added.returncode:
                raise RuntimeError(f"syft drive account add {email}: {added.stdout.strip()}")
        process = subprocess.Popen([*syft, "serve", "--data", str(data), "--listen", "127.0.0.1:0", *(["--admin"] if admin else [])],
                                   env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"syft drive serve ended with {process.wait()}: see {log.name}")
        return cls(process, json.loads(line)["url"].rstrip("/"))

    def admin(self, verb, **body):
        """Latency, labels and counters, which both servers offer below `/__admin/`."""
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/__admin/{verb}", data=data)) as answer:
            return json.loads(answer.read())

    def stop(self):
        self.process.terminate()
        self.process.wait()


def token(email):
    return "tok-" + email


class Side:
    """One account on one machine: a command for each step, or one long session (`session`) for all."""

    def __init__(self, name, cmd, role, email, home, endpoint, token, env, session=False):
        self.session, self.proc, self.last = session, None, {}
        self.name, self.cmd, self.role, self.email = name, shlex.split(cmd), role, email
        self.home, self.endpoint, self.token, self.env = Path(home), endpoint, token, env

    def __call__(self, sub, *args, ok=True, timeout=600):
        argv = [*self.cmd, "--home", str(self.home), "--email", self.email, "--role", self.role]
        env = {**os.environ, **self.env, "DRIVE_ENDPOINT": self.endpoint, "DRIVE_TOKEN": self.token}
        call = [sub, *map(str, args)]
        self.last = self.ask(argv, call, env) if self.session else self.once(argv + call, env, timeout)
        if ok and not self.last.get("ok"):
            raise AssertionError(f"{self.name} {sub}: {self.last.get('error_type')}: {self.last.get('error')}")
        return self.last.get("result") if ok else self.last

    def log(self):
        return open(self.home.parent / f"{self.name}.log", "a")

    def once(self, argv, env, timeout):
        p = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        with self.log() as f:
            f.write(f"$ {' '.join(argv)}\n--- stderr\n{p.stderr}\n--- stdout\n{p.stdout}\n")
        try:
            return json.loads(p.stdout.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise AssertionError(f"{self.name}: no JSON on stdout (exit {p.returncode}): {p.stderr[-400:]}")

    def ask(self, argv, call, env):
        if self.proc is None:
            with self.log() as err:
                self.proc = subprocess.Popen([*argv, "repl"], env=env, text=True, bufsize=1, stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=err)
            self.proc.stdout.readline()
        self.proc.stdin.write(json.dumps(call) + "\n")
        self.proc.stdin.flush()
        line = self.proc.stdout.readline()
        assert line, f"{self.name}: session ended"
        return json.loads(line)

    def close(self):
        if self.proc:
            self.proc.stdin.close()
            self.proc.wait(20)
            self.proc = None

    def tree(self, datasite=None):
        files = self("tree")["files"]
        return {k: v["sha256"] for k, v in files.items() if datasite is None or k.startswith(datasite + "/")}

    def box(self):
        return self.home / f"SyftBox_{self.email}"


class Program:
    """Our program for one account on one machine: one process a call, its environment nobody else's."""

    def __init__(self, home, email, environment=None):
        self.home, self.email, self.binary = Path(home), email, syft_binary()
        self.environment = {"PATH": os.environ["PATH"], **(environment or {}), "SYFT_HOME": str(self.home)}

    def __call__(self, *args):
        """Returns what it answers."""
        done = subprocess.run([self.binary, "--json", *map(str, args)], env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise AssertionError(f"{self.email}: syft {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def measure(self, *args):
        """Returns (wall, CPU, peak KiB) of one process."""
        start = time.monotonic()
        with subprocess.Popen([self.binary, "--json", *map(str, args)], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            error = child.stderr.read()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise AssertionError(f"{self.email}: syft {' '.join(map(str, args))}: {error.decode()}")
        return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def start(self, *args):
        """Starts it, and leaves it alone."""
        return subprocess.Popen([self.binary, *map(str, args)], env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def log_in(self, role, drive):
        return self(f"login-{role}", "--email", self.email, "--drive", drive.endpoint, "--token", token(self.email))

    def datasite(self, owner=None):
        return self.home / f"SyftBox_{self.email}" / (owner or self.email)


class World:
    """An owner and a scientist who work together, and a drive of ours between them."""

    def __init__(self, folder, environment=None):
        owner, scientist = "olga@example.org", "sam@example.org"
        self.drive = Drive.ours(folder, [owner, scientist])
        self.owner = Program(Path(folder) / "owner", owner, environment)
        self.scientist = Program(Path(folder) / "scientist", scientist, environment)
        self.owner.log_in("do", self.drive), self.scientist.log_in("ds", self.drive)
        self.scientist("peer", "add", owner)
        self.owner("sync")
        self.owner("peer", "approve", scientist)
        self.scientist("sync")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drive.stop()
