#!/usr/bin/env bash
# Makes the Python environment of the interop tests: the released Python client, unmodified, and uv, which jobs call.
# Prints the path of its interpreter, which SYFT_PY should hold. Exit 69: the package index cannot be reached.
set -euo pipefail
venv=${SYFT_INTEROP_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/syft-interop}
if [ ! -x "$venv/bin/python" ]; then python3 -m venv "$venv" >&2; fi
if ! "$venv/bin/python" -c 'import syft_client, uv' 2>/dev/null; then
  if ! "$venv/bin/python" -m pip install -q 'syft-client==0.1.117' 'syft-crypto-python==0.1.2b4' uv PySocks >&2; then
    # Told apart by one small package, so that a release that has gone is a failure and no network is not.
    probe=$(mktemp -d)
    trap 'rm -rf "$probe"' EXIT
    "$venv/bin/python" -m pip download -q --no-deps --no-cache-dir -d "$probe" six >&2 && exit 1
    exit 69
  fi
fi
echo "$venv/bin/python"
