#!/usr/bin/env bash
# Makes the Python environment of the interop tests: the released Python client of one generation, unmodified, and uv,
# which its jobs call. `setup.sh` or `setup.sh 0.1`: syft-client 0.1.117; `setup.sh 0.10`: syft 0.10.0.
# Prints the path of its interpreter, which SYFT_PY, or SYFT_PY010, should hold. Exit 69: the package index cannot be
# reached.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}
case ${1:-0.1} in
  0.1)
    venv=${SYFT_INTEROP_VENV:-$cache/syft-interop}
    modules='syft_client, uv' packages=('syft-client==0.1.117')
    ;;
  0.10)
    venv=${SYFT010_INTEROP_VENV:-$cache/syft010-interop}
    modules='syft_rds, uv' packages=('syft==0.10.0' 'syft-rds==0.6.1')
    ;;
  *) echo "setup.sh [0.1|0.10]" >&2; exit 2 ;;
esac
if [ ! -x "$venv/bin/python" ]; then python3 -m venv "$venv" >&2; fi
if ! "$venv/bin/python" -c "import $modules" 2>/dev/null; then
  if ! "$venv/bin/python" -m pip install -q "${packages[@]}" 'syft-crypto-python==0.1.2b4' uv PySocks >&2; then
    # Told apart by one small package, so that a release that has gone is a failure and no network is not.
    probe=$(mktemp -d)
    trap 'rm -rf "$probe"' EXIT
    "$venv/bin/python" -m pip download -q --no-deps --no-cache-dir -d "$probe" six >&2 && exit 1
    exit 69
  fi
fi
echo "$venv/bin/python"
