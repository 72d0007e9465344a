"""How long a job takes that does nothing: bare, with packages for the first time, and again.

Needs `SYFT_BIN` and bubblewrap. Packages come from a folder, so no network is timed: what is shown is what the sandbox,
the copy and the environment cost. `--times N` repeats each case and shows the median.

    cargo build --release
    SYFT_BIN=target/release/syft python3 tests/interop/job_start.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

OWNER, SCIENTIST = "olga@example.org", "sam@example.org"
PRINT = "import tinypkg\nprint(tinypkg.ANSWER)\n"


def make_wheel(folder):
    folder.mkdir(parents=True)
    info = "tinypkg-1.0.dist-info/"
    with zipfile.ZipFile(folder / "tinypkg-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypkg.py", "ANSWER = 42\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", f"tinypkg.py,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n")


class World:
    """Two people and a drive between them."""

    def __init__(self, folder):
        self.folder = folder
        wheels = folder / "wheels" / "of" / "owner"
        make_wheel(wheels)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PIP_NO_INDEX": "1",
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "PIP_FIND_LINKS": str(wheels),
            "UV_FIND_LINKS": str(wheels),
        }
        for email in (OWNER, SCIENTIST):
            self.syft("drive", "account", "add", email, "--data", str(folder / "drive"), "--token", f"token-of-{email}")
        command = [SYFT, "--json", "drive", "serve", "--data", str(folder / "drive"), "--listen", "127.0.0.1:0"]
        self.drive = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = json.loads(self.drive.stdout.readline())["url"]
        for home, login, email in (("owner", "login-do", OWNER), ("scientist", "login-ds", SCIENTIST)):
            self.syft(login, "--email", email, "--drive", url, "--token", f"token-of-{email}", home=home)
        self.syft("peer", "add", OWNER, home="scientist")
        self.syft("sync", home="owner")
        self.syft("peer", "approve", SCIENTIST, home="owner")
        self.syft("sync", home="scientist")

    def syft(self, *args, home="owner"):
        environment = {**self.environment, "SYFT_HOME": str(self.folder / home)}
        done = subprocess.run([SYFT, "--json", *args], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"syft {' '.join(args)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def approved(self, name, code, *args):
        path = self.folder / f"{name}.{'sh' if '--bash' in args else 'py'}"
        path.write_text(code)
        self.syft("job", "submit", str(path), "--to", OWNER, "--name", name, *args, home="scientist")
        self.syft("sync", home="owner")
        self.syft("job", "approve", name, home="owner")

    def run(self, name, *args):
        """Returns how long the command takes, and of it the run alone."""
        start = time.monotonic()
        ran = self.syft("job", "run", name, "--no-sync", *args)["jobs"][0]
        took = time.monotonic() - start
        if ran["return_code"] != 0:
            sys.exit(f"{name}: {ran}")
        return took, ran["duration_ms"] / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    rows = {"bash, nothing, without a sandbox": []}
    rows |= {"bash, nothing": [], "Python, no packages": [], "Python, first with its packages": [], "Python, again": []}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            for number in range(times):
                world.approved(f"open-{number}", "true\n", "--bash")
                rows["bash, nothing, without a sandbox"].append(world.run(f"open-{number}", "--no-sandbox"))
                world.approved(f"bash-{number}", "true\n", "--bash")
                rows["bash, nothing"].append(world.run(f"bash-{number}"))
                world.approved(f"bare-{number}", "print(42)\n")
                rows["Python, no packages"].append(world.run(f"bare-{number}"))
                # A wish that nobody had: it is worked out, and what it comes to is not there.
                world.syft("job", "environments", "--prune", "--unused-for", "0")
                world.approved(f"first-{number}", PRINT, "--dep", f"tinypkg>=0.{number}")
                rows["Python, first with its packages"].append(world.run(f"first-{number}"))
                world.approved(f"again-{number}", PRINT, "--dep", f"tinypkg>=0.{number}")
                rows["Python, again"].append(world.run(f"again-{number}"))
        finally:
            world.drive.kill()
            world.drive.wait()
    print("| job | whole command | of it the run |\n| --- | ---: | ---: |")
    for name, taken in rows.items():
        whole, run = (statistics.median(column) for column in zip(*taken))
        print(f"| {name} | {whole:.2f} s | {run:.2f} s |")


SYFT = os.environ.get("SYFT_BIN") or sys.exit("SYFT_BIN is not set")
if __name__ == "__main__":
    main()
