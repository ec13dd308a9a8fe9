#!/usr/bin/env bash
# The release binary may link FoundationEssentials, never the full Foundation: that one brings 40 MB of ICU with it.
# usage: Tests/foundation.sh BINARY
set -euo pipefail
binary=${1:-.build-test/release/scanstep}
libraries=$(ldd "$binary")
# Direct entries first: they name the culprit even where the library itself is not installed.
needed=$(readelf --dynamic "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if found=$(printf '%s\n%s\n' "$needed" "$libraries" |
    grep -E 'libFoundation\.so|_FoundationICU|FoundationInternationalization|FoundationNetworking|FoundationXML'); then
    echo "$binary links more of Foundation than its Essentials:" >&2
    echo "$found" >&2
    exit 1
fi
echo "$binary links no full Foundation"
