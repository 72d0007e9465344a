#!/usr/bin/env bash
# One large file in a message, from a scientist to an owner and back, and then a mebibyte of it that changed:
# how long, how much memory, how many bytes.
# Usage: benches/message.sh [SIZE [FOLDER_OF_THE_DRIVE [FOLDER_OF_THE_CLIENTS]]]; SYFT_BIN is the program.
# Needs three times SIZE on the first place and eight times SIZE on the second for a while. The file is noise.
source "$(dirname "${BASH_SOURCE[0]}")/watched.sh" "${1:-1G}" "${2:-}" "${3:-}"

run do perm grant shared/ --user ds@example.org --level write
run do sync
run ds sync
there="$here/ds/SyftBox_ds@example.org/do@example.org/shared"
mkdir -p "$there"
head -c "$size" /dev/urandom >"$there/large.bin"

each=1 # The bodies of each row are counted for themselves.
echo '| what | wall | bytes of bodies | peak memory | exit |'
echo '| --- | ---: | ---: | ---: | ---: |'
measured 'the scientist proposes it' req "$drive/none" 0 ds sync
measured 'the owner takes it in, and tells of it' req "$drive/none" 0 do sync
measured 'the scientist reads the answer' resp "$drive/none" 0 ds sync
measured 'the owner makes a checkpoint' req "$drive/none" 0 do checkpoint create

change() { # change FILE AT: a mebibyte of noise in its place
  head -c 1M /dev/urandom | dd of="$1" bs=1M seek="$2" conv=notrunc status=none
}
change "$there/large.bin" $(($(stat -c %s "$there/large.bin") / 2097152))
measured 'the scientist proposes a mebibyte that changed' req "$drive/none" 0 ds sync
measured 'the owner takes it in, and tells of it' req "$drive/none" 0 do sync
measured 'the scientist reads the answer' resp "$drive/none" 0 ds sync
change "$here/do/SyftBox_do@example.org/do@example.org/shared/large.bin" 1
measured 'the owner tells of a mebibyte that changed' req "$drive/none" 0 do sync
measured 'the scientist reads it' resp "$drive/none" 0 ds sync
cmp "$there/large.bin" "$here/do/SyftBox_do@example.org/do@example.org/shared/large.bin" && echo 'The same bytes.'
