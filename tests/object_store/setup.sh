#!/usr/bin/env bash
# Makes the Python environment of the S3 server that the tests of tests/object_store run against: moto, unmodified.
# Prints the path of its program, which SYFT_MOTO should hold. Exit 69: the package index cannot be reached.
set -euo pipefail
venv=${SYFT_MOTO_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/syft-moto}
if [ ! -x "$venv/bin/python" ]; then python3 -m venv "$venv" >&2; fi
if [ ! -x "$venv/bin/moto_server" ]; then
  if ! "$venv/bin/python" -m pip install -q 'moto[server]==5.2.5' >&2; then
    # Told apart by one small package, so that a release that has gone is a failure and no network is not.
    probe=$(mktemp -d)
    trap 'rm -rf "$probe"' EXIT
    "$venv/bin/python" -m pip download -q --no-deps --no-cache-dir -d "$probe" six >&2 && exit 1
    exit 69
  fi
fi
echo "$venv/bin/moto_server"
