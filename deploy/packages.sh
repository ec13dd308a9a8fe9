#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages named as arguments that are not installed yet.
# Asks apt only when something is missing; where it may not install, prints the one command to type and exits 1.
set -euo pipefail

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian or Ubuntu system: the equivalents of these packages are taken as installed: $*" >&2
    exit 0
fi

missing=()
for package in "$@"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null || true)
    grep -qx installed <<<"$status" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal nobody can type a password.
    if [ -t 0 ]; then sudo=(sudo); else sudo=(sudo --non-interactive); fi
fi

echo "Installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
if { [ ${#sudo[@]} -eq 0 ] || command -v sudo >/dev/null; } &&
    "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; then
    exit 0
fi

echo "These packages are missing and could not be installed here. As root, type:" >&2
echo "    apt-get update && apt-get install -y ${missing[*]}" >&2
exit 1
