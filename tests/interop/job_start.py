"""How long a job takes that does nothing: bare, with packages for the first time, and again.

Needs `SYFT_BIN` and bubblewrap. Packages come from a folder, so no network is timed: what is shown is what the sandbox,
the copy and the environment cost. `--times N` repeats each case and shows the median.

    cargo build --release
    SYFT_BIN=target/release/syft python3 tests/interop/job_start.py
"""

import argparse
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from sides import World

PRINT = "import tinypkg\nprint(tinypkg.ANSWER)\n"


def make_wheel(folder):
    folder.mkdir(parents=True)
    info = "tinypkg-1.0.dist-info/"
    with zipfile.ZipFile(folder / "tinypkg-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypkg.py", "ANSWER = 42\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", f"tinypkg.py,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n")


class Jobs(World):
    """Two people, of whom one runs what the other sends."""

    def __init__(self, folder):
        self.folder, wheels = folder, folder / "wheels" / "of" / "owner"
        make_wheel(wheels)
        super().__init__(folder, {"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", "UV_OFFLINE": "1",
                                  "PIP_FIND_LINKS": str(wheels), "UV_FIND_LINKS": str(wheels)})

    def approved(self, name, code, *args):
        path = self.folder / f"{name}.{'sh' if '--bash' in args else 'py'}"
        path.write_text(code)
        self.scientist("job", "submit", path, "--to", self.owner.email, "--name", name, *args)
        self.owner("sync")
        self.owner("job", "approve", name)

    def run(self, name, *args):
        """Returns how long the command takes, and of it the run alone."""
        start = time.monotonic()
        ran = self.owner("job", "run", name, "--no-sync", *args)["jobs"][0]
        took = time.monotonic() - start
        if ran["return_code"] != 0:
            sys.exit(f"{name}: {ran}")
        return took, ran["duration_ms"] / 1000


def measure(times):
    """Returns, for each kind of job, how long the whole command took and the run alone, each time."""
    rows = {"bash, nothing, without a sandbox": []}
    rows |= {"bash, nothing": [], "Python, no packages": [], "Python, first with its packages": [], "Python, again": []}
    with tempfile.TemporaryDirectory() as folder, Jobs(Path(folder)) as world:
        for number in range(times):
            world.approved(f"open-{number}", "true\n", "--bash")
            rows["bash, nothing, without a sandbox"].append(world.run(f"open-{number}", "--no-sandbox"))
            world.approved(f"bash-{number}", "true\n", "--bash")
            rows["bash, nothing"].append(world.run(f"bash-{number}"))
            world.approved(f"bare-{number}", "print(42)\n")
            rows["Python, no packages"].append(world.run(f"bare-{number}"))
            # A wish that nobody had: it is worked out, and what it comes to is not there.
            world.owner("job", "environments", "--prune", "--unused-for", "0")
            world.approved(f"first-{number}", PRINT, "--dep", f"tinypkg>=0.{number}")
            rows["Python, first with its packages"].append(world.run(f"first-{number}"))
            world.approved(f"again-{number}", PRINT, "--dep", f"tinypkg>=0.{number}")
            rows["Python, again"].append(world.run(f"again-{number}"))
    return rows


def table(rows):
    lines = ["| job | whole command | of it the run |", "| --- | ---: | ---: |"]
    for name, taken in rows.items():
        whole, run = (statistics.median(column) for column in zip(*taken))
        lines.append(f"| {name} | {whole:.2f} s | {run:.2f} s |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    print(table(measure(parser.parse_args().times)), end="")


if __name__ == "__main__":
    main()
