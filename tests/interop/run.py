#!/usr/bin/env python3
"""Plays flow.py's story in several mixes of our program and the Python client, each on a fresh Drive, and sums up.

  run.py                                  ours/ours ours/python python/ours, on our own server
  run.py python/python --drive stand-in   the Python client alone, on the independent stand-in
  run.py ours/ours --no-job               needs no package index and no Python client

A mix is OWNER/SCIENTIST. Exit status 1: a step failed, or a story could not be played to its end.
"""
import argparse, shutil, sys, tempfile, time, traceback
from pathlib import Path

import flow
from sides import COMMANDS, Drive

MIXES = ("ours/ours", "ours/python", "python/ours")


def mix(text):
    sides = text.lower().split("/")
    if len(sides) != 2 or not set(sides) <= set(COMMANDS):
        raise argparse.ArgumentTypeError(f"{text}: a mix is OWNER/SCIENTIST, each one of {', '.join(COMMANDS)}")
    return "/".join(sides)


def play(name, a, work):
    """One story; returns its row of the summary and whether all went well."""
    work.mkdir(parents=True)
    owner, scientist = name.split("/")
    print(f"\n== {name} on {a.drive} drive", flush=True)
    started, drive = time.time(), None
    try:
        drive = Drive.ours(work, flow.accounts()) if a.drive == "our" else Drive.stand_in(work)
        options = ["--do", owner, "--ds", scientist, "--endpoint", drive.endpoint]
        options += ["--no-job"] if a.no_job else []
        options += ["--do-session", "--ds-session"] if a.sessions else []
        steps = flow.play(flow.arguments().parse_args(options), work)
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
    ap.add_argument("mixes", nargs="*", type=mix, metavar="MIX", help=f"OWNER/SCIENTIST (default: {' '.join(MIXES)})")
    ap.add_argument("--drive", choices=["our", "stand-in"], default="our")
    ap.add_argument("--no-job", action="store_true", help="do not run the job")
    ap.add_argument("--sessions", action="store_true", help="one long process a side instead of one a command")
    ap.add_argument("--work", help="a folder to keep logs in; default: a temporary one, kept if a step failed")
    a = ap.parse_args()
    work = Path(a.work or tempfile.mkdtemp(prefix="syft-interop-")).resolve()
    rows, all_good = [], True
    for name in a.mixes or MIXES:
        row, good = play(name, a, work / name.replace("/", "-"))
        rows.append(row)
        all_good &= good
    print(f"\n{'owner/scientist':20} {'passed':>7} {'failed':>10} {'known':>6} {'time':>7}")
    for name, passed, failed, known, took in rows:
        print(f"{name:20} {passed:>7} {failed:>10} {known:>6} {took:>7}")
    if all_good and not a.work:
        shutil.rmtree(work, ignore_errors=True)
    else:
        print(f"logs: {work}")
    sys.exit(0 if all_good else 1)


if __name__ == "__main__":
    main()
