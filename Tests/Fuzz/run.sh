#!/usr/bin/env bash
# Runs every fuzzer for some seconds, two at a time. With `planted`, each must instead find a crash that is planted in it:
# one that does not would find no other either. An input that found something belongs into Regressions/NAME, where every
# run begins with it.
# usage: Tests/Fuzz/run.sh SCRATCH-PATH SECONDS [planted]
set -euo pipefail
scratch=$(realpath "$1")
cd "$(dirname "$0")"
export binaries=$scratch/release seconds=$2 planted=${3:-}
# A backtrace of Swift's own would keep libFuzzer from saving the input.
export SWIFT_BACKTRACE=enable=no
[ -z "$planted" ] || export SCANSTEP_PLANTED_CRASH=1
export found="$scratch/${planted:-found}"

one() {
    local name=$1 folder="$found/$1" code=0 corpora=() options=(-timeout=20 -max_len=1024)
    local dictionary="Dictionaries/$name"
    if [ -n "$planted" ]; then rm -rf "$folder"; fi
    mkdir -p "$folder/corpus"
    # Found before, seeds, and what once was a finding; new inputs go to the first.
    for corpus in "$folder/corpus" "Seeds/$name" "Regressions/$name"; do
        if [ -d "$corpus" ]; then corpora+=("$corpus"); fi
    done
    if [ -f "$dictionary" ]; then options+=("-dict=$dictionary"); fi
    case $name in
    # A pointer in an enumeration with several payloads has its tag in it, and is none to the leak checker: what the
    # scheduler holds of its last work would be a leak. One that grows would meet the bound of memory.
    RequestBody)
        options+=(-detect_leaks=0)
        export ASAN_OPTIONS=detect_leaks=0
        ;;
    Checkpoint | StateFile) options+=(-max_len=4096) ;;
    esac
    "$binaries/Fuzz$name" "${options[@]}" -max_total_time="$seconds" -artifact_prefix="$folder/" "${corpora[@]}" \
        >"$folder/log" 2>&1 || code=$?
    if [ -n "$planted" ]; then
        if grep -q 'heap-buffer-overflow' "$folder/log" && grep -q 'readBehind' "$folder/log"; then
            echo "$name found the planted crash after $(grep -o '^#[0-9]*' "$folder/log" | tail -1 | tr -d '#') runs"
            return
        fi
        echo "$name has not found the planted crash in $seconds s; its words are in $folder/log" >&2
        return 1
    fi
    if [ "$code" -ne 0 ]; then
        tail -40 "$folder/log" >&2
        echo "$name has found something; repeat it with: SWIFT_BACKTRACE=enable=no $binaries/Fuzz$name" "$folder"/*-* >&2
        return 1
    fi
    sed -n "s/^Done \([0-9]*\) runs in \([0-9]*\) second.*/$name: \1 runs in \2 s, nothing found/p" "$folder/log"
}
export -f one

printf '%s\n' RequestHead ChunkedBody JSONText RequestBody Checkpoint StateFile |
    xargs -P 2 -I NAME bash -euc 'one NAME'
