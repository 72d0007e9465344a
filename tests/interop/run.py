#!/usr/bin/env python3
"""Plays the stories in several mixes of our program and the Python clients, each on a fresh Drive, and sums up.

  run.py                                  all mixes of ours with both generations, on our own server
  run.py python/python --drive stand-in   the Python client alone, on the independent stand-in
  run.py ours/ours --no-job               needs no package index and no Python client
  run.py --encrypted                      a shorter story with end-to-end encryption on both sides

A mix is OWNER/SCIENTIST and plays flow.py, the second generation always in long sessions; with several owners or
scientists, joined by +, it plays generations.py. Without SYFT_PY010 the second generation is left out. Exit status 1: a
step failed, or a story could not be played to its end.
"""
import argparse, os, shutil, sys, tempfile, time, traceback
from pathlib import Path

import encrypted, flow, generations
from sides import COMMANDS, Drive

MIXES = ("ours/ours", "ours/python", "python/ours")
MIXES010 = ("ours/python010", "python010/ours", "ours/python+python010", "python+python010/ours")


def mix(text):
    sides = text.lower().split("/")
    if len(sides) != 2 or not all(set(side.split("+")) <= set(COMMANDS) for side in sides):
        raise argparse.ArgumentTypeError(f"{text}: a mix is OWNER/SCIENTIST, each one of {', '.join(COMMANDS)}")
    return "/".join(sides)


def default_mixes():
    if os.environ.get("SYFT_PY010"):
        return MIXES + MIXES010
    print("!!!!!!!!!! NO SYFT_PY010: the second generation of the Python client is not tested", flush=True)
    return MIXES


def play(name, a, work):
    """One story; returns its row of the summary and whether all went well."""
    work.mkdir(parents=True)
    owner, scientist = name.split("/")
    several = "+" in name
    story = generations if several else flow
    print(f"\n== {name} on {a.drive} drive", flush=True)
    started, drive = time.time(), None
    try:
        drive = Drive.ours(work, story.accounts()) if a.drive == "our" else Drive.stand_in(work)
        options = ["--endpoint", drive.endpoint]
        if several:
            options += ["--owners", owner, "--scientists", scientist]
        else:
            options += ["--do", owner, "--ds", scientist]
            options += ["--no-job"] if a.no_job else []
            # A process a command is tried with the first generation; to start the second takes its time, too.
            options += ["--do-session", "--ds-session"] if a.sessions or "python010" in name else []
        if a.encrypted:
            steps = encrypted.play(owner, scientist, drive, work)
        else:
            steps = story.play(story.arguments().parse_args(options), work)
        counts, good = (steps.n - steps.fail - steps.known, steps.fail, steps.known), steps.fail == 0
    except Exception:
        traceback.print_exc()
        counts, good = ("-", "broke off", "-"), False
    finally:
        if drive:
            drive.stop()
    return (name, *counts, f"{time.time() - started:.0f} s"), good


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("mixes", nargs="*", type=mix, metavar="MIX",
                    help=f"OWNER/SCIENTIST (default: {' '.join(MIXES + MIXES010)})")
    ap.add_argument("--drive", choices=["our", "stand-in"], default="our")
    ap.add_argument("--no-job", action="store_true", help="do not run the job of flow.py")
    ap.add_argument("--encrypted", action="store_true", help="with end-to-end encryption: encrypted.py's story")
    ap.add_argument("--sessions", action="store_true", help="one long process a side instead of one a command in flow.py")
    ap.add_argument("--work", help="a folder to keep logs in; default: a temporary one, kept if a step failed")
    a = ap.parse_args()
    work = Path(a.work or tempfile.mkdtemp(prefix="syft-interop-")).resolve()
    rows, all_good = [], True
    mixes = a.mixes or default_mixes()
    for name in [name for name in mixes if not (a.encrypted and "+" in name)]:
        row, good = play(name, a, work / name.replace("/", "-"))
        rows.append(row)
        all_good &= good
    print(f"\n{'owner/scientist':24} {'passed':>7} {'failed':>10} {'known':>6} {'time':>7}")
    for name, passed, failed, known, took in rows:
        print(f"{name:24} {passed:>7} {failed:>10} {known:>6} {took:>7}")
    if all_good and not a.work:
        shutil.rmtree(work, ignore_errors=True)
    else:
        print(f"logs: {work}")
    sys.exit(0 if all_good else 1)


if __name__ == "__main__":
    main()
