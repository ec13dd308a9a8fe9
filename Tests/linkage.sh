#!/usr/bin/env bash
# What the release binary may not link:
# - the full Foundation, which brings 40 MB of ICU with it; FoundationEssentials is welcome;
# - libm's fused multiply-adds: a module that calls them was compiled without the processor's own, and its arithmetic is
#   some fifty times slower.
# usage: Tests/linkage.sh BINARY
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
if found=$(readelf --dyn-syms --wide "$binary" | grep -E ' fmaf?(@|$)'); then
    echo "$binary calls libm for multiply-adds, which belong into Sources/Kernels:" >&2
    echo "$found" >&2
    exit 1
fi
echo "$binary links no full Foundation and no multiply-adds of libm"
