# What the benchmarks of large files have in common: a drive, two people who know each other, and a look at a process while it runs.
# Sourced, with SIZE, FOLDER_OF_THE_DRIVE and FOLDER_OF_THE_CLIENTS as arguments; SYFT_BIN is the program.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
size=$(numfmt --from=iec "$1")
drive=$(mktemp -d "${2:-${TMPDIR:-/tmp}}/large-drive-XXXX")
here=$(mktemp -d "${3:-${TMPDIR:-/tmp}}/large-clients-XXXX")
bin=${SYFT_BIN:-target/release/syft}
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$drive" "$here"' EXIT

for who in do ds; do "$bin" drive account add "$who@example.org" --data "$drive" --token "token-of-$who" >/dev/null 2>&1; done
"$bin" drive serve --data "$drive" --listen 127.0.0.1:0 --admin --json >"$here/address" 2>/dev/null &
server=$!
until [ -s "$here/address" ]; do kill -0 "$server"; sleep 0.1; done
url=$(grep -o 'http://[0-9.:]*' "$here/address" | head -1)

client() { SYFT_HOME="$here/$1" SYFT_EMAIL="$1@example.org" PRE_SYNC=false exec "$bin" --json "${@:2}" >/dev/null 2>&1; }
run() { (client "$@"); }
# bodies DIRECTION: bytes of all bodies that went that way so far. The drive counts a request once it is over, one that was
# killed as soon as it notices: so of an upload both tries are counted together, and of a download the second alone.
bodies() { curl -s "$url/__admin/stats" | grep -o "\"$1_bytes\": *[0-9]*" | head -1 | grep -o '[0-9]*$'; }
start=0
# measured WHAT DIRECTION FILES HOW_MANY WHO ARGUMENTS…: runs it; kills it once files have so many bytes together, if that is not 0.
measured() {
  local what=$1 way=$2 files=$3 until=$4 began peak=0 pid now held status=0 bytes=-
  shift 4
  if [ "$until" != 0 ] || [ "$way" = resp ] || [ -n "${each:-}" ]; then start=$(bodies "$way"); fi
  began=$(date +%s.%N)
  (client "$@") & pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
    [ -z "$now" ] || peak=$now
    held=$(find $files -type f -size +1M -printf '%s\n' 2>/dev/null | sort -n | tail -1 || true)
    if [ "$until" != 0 ] && [ "${held:-0}" -ge "$until" ]; then kill -9 "$pid"; break; fi
    sleep 0.1
  done
  wait "$pid" 2>/dev/null || status=$?
  if [ "$until" = 0 ]; then bytes=$(($(bodies "$way") - start)); fi
  printf '| %s | %.1f s | %s | %.1f MiB | %d |\n' "$what" \
    "$(echo "$(date +%s.%N) - $began" | bc)" "$bytes" "$(echo "$peak / 1024" | bc -l)" "$status"
}

run do login-do --email do@example.org --drive "$url" --token token-of-do
run ds login-ds --email ds@example.org --drive "$url" --token token-of-ds
run ds peer add do@example.org
run do sync
run do peer approve ds@example.org
run ds sync
