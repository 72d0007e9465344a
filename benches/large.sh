#!/usr/bin/env bash
# One large dataset file up and down, each killed in the middle: how long, how many bytes, how much memory.
# Usage: benches/large.sh [SIZE [FOLDER_OF_THE_DRIVE [FOLDER_OF_THE_CLIENTS]]]; SYFT_BIN is the program.
# Needs SIZE on the first place and twice SIZE on the second for a while. The file is sparse where it comes from.
source "$(dirname "${BASH_SOURCE[0]}")/watched.sh" "${1:-5G}" "${2:-}" "${3:-}"

truncate -s "$size" "$here/big.bin"
# Not all zeros: its ends and its middle differ.
for at in 0 $((size / 2)) $((size - 4096)); do head -c 4096 /dev/urandom | dd of="$here/big.bin" bs=1 seek="$at" conv=notrunc status=none; done
echo real >"$here/real.csv"

echo '| what | wall | bytes of bodies | peak memory | exit |'
echo '| --- | ---: | ---: | ---: | ---: |'
measured 'create, killed in the middle' req "$drive/partial" $((size / 2)) do dataset create big --mock "$here/big.bin" --private "$here/real.csv" --users any
printf '| the drive holds | | %d | | |\n' "$(find "$drive/partial" -type f -printf '%s\n' | sort -n | tail -1)"
measured 'sync of the owner, goes on (both together)' req "$drive/none" 0 do sync
cmp "$here/big.bin" "$here/do/SyftBox_do@example.org/do@example.org/public/syft_datasets/big/big.bin"
# Room for the copy of the scientist.
rm -rf "$here/do"
downloads="$here/ds/SyftBox_ds@example.org/.syft-tmp/downloads"
measured 'sync of the scientist, killed in the middle' resp "$downloads" $((size / 2)) ds sync
printf '| the scientist holds | | %d | | |\n' "$(find "$downloads" -type f -printf '%s\n' | sort -n | tail -1)"
measured 'sync of the scientist, goes on' resp "$drive/none" 0 ds sync
cmp "$here/big.bin" "$here/ds/SyftBox_ds@example.org/do@example.org/public/syft_datasets/big/big.bin" && echo 'The same bytes.'
