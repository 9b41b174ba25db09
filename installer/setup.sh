#!/usr/bin/env bash
# Everything this machine needs, once: packages of the operating system, and .venv from the lock with its hashes.
#
#   installer/setup.sh run [DRIVER]  what `make up` needs: the tools to boot nodes, or the services' own where nodes cannot be booted
#   installer/setup.sh dev           what the tests and checks need: all of it
#
# A second run finds everything and takes no time. Without root or apt it says what is missing and goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-dev} driver=${2:-auto}
case $kind-$driver in run-auto|run-nspawn|run-process|dev-auto) ;;
    *) echo "usage: installer/setup.sh run [auto|nspawn|process] | dev" >&2; exit 2 ;;
esac

# command or file -> package
declare -A boot=(
    [systemd-nspawn]=systemd-container [mmdebstrap]=mmdebstrap [ip]=iproute2 [nft]=nftables [nsenter]=util-linux
    [xz]=xz-utils [tar]=tar [curl]=curl [git]=git
)
# builds the web interface into the package; nodes do not need it
declare -A build=([npm]=npm)
declare -A check=(
    [runc]=runc [skopeo]=skopeo [umoci]=umoci [dig]=dnsutils [jq]=jq [gcc]=gcc
    [ping]=iputils-ping [prometheus]=prometheus
    [/usr/lib/cni/bridge]=containernetworking-plugins [dockerd]=docker.io [docker-registry]=docker-registry [slapd]=slapd [xmlsec1]=xmlsec1
    [chromium]=chromium [redis-server]=redis-server [haproxy]=haproxy [prometheus-alertmanager]=prometheus-alertmanager [/usr/lib/postgresql]=postgresql
)

here() { if [[ $1 == /* ]]; then [[ -e $1 ]]; else PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; fi; }
can_boot() { [[ $(id -u) == 0 ]] && unshare --mount --net true 2>/dev/null; }

python=''
for candidate in python3.11 python3.12 python3.13 python3.14 python3; do
    if command -v $candidate >/dev/null && $candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[[ -n $python ]] || { echo "Python 3.11 or newer is needed: apt-get install python3" >&2; exit 1; }

missing=()
want() {
    local -n table=$1
    local proof
    for proof in "${!table[@]}"; do
        here "$proof" || missing+=("${table[$proof]}")
    done
}
if [[ $kind == dev ]]; then
    want boot; want build; want check
    # pymesos, a peer in the tests, is compiled.
    [[ -e $($python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || missing+=(python3-dev libc6-dev)
else
    want build
    if [[ $driver != process ]] && can_boot; then want boot; fi
fi
$python -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)

policy=/usr/sbin/policy-rc.d made=''
trap '[[ -z $made ]] || rm -f "$made"' EXIT

# provide PACKAGE...: by apt, as root; who cannot is told what is missing and goes on
provide() {
    local missing
    mapfile -t missing < <(printf '%s\n' "$@" | sort -u)
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        echo "installing ${missing[*]}"
        # Nothing may start by itself: nginx runs only below Admin Router.
        [[ -e $policy ]] || { made=$policy; printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; }
        export DEBIAN_FRONTEND=noninteractive
        options=(-y -qq --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Options::=--force-unsafe-io)
        apt-get install "${options[@]}" "${missing[@]}" >/dev/null 2>&1 || {
            apt-get update -qq
            apt-get install "${options[@]}" "${missing[@]}" >/dev/null
        }
    else
        echo "not installed, and only root with apt can: ${missing[*]}" >&2
    fi
}
((${#missing[@]} == 0)) || provide "${missing[@]}"

lock=requirements.txt
[[ $kind == run ]] || lock=requirements-dev.txt
digest=$({ $python --version; cat "$lock" pyproject.toml; pwd; } | sha256sum | cut -c1-16)
stamp=.venv/.made-$kind-$digest
# What the checks need holds all that running needs.
[[ $kind == run ]] && dev=$({ $python --version; cat requirements-dev.txt pyproject.toml; pwd; } | sha256sum | cut -c1-16) || dev=$digest
if [[ ! -e $stamp && ! -e .venv/.made-dev-$dev ]]; then
    [[ -x .venv/bin/python ]] || $python -m venv .venv
    echo "installing the locked libraries ($lock)"
    # The lock of the checks holds what builds the package as well.
    locks=(-r "$lock")
    [[ $kind == dev ]] || locks+=(-r requirements-build.txt)
    quiet=(-qq --disable-pip-version-check)
    .venv/bin/python -m pip install "${quiet[@]}" --require-hashes --no-deps --only-binary=:all: "${locks[@]}"
    .venv/bin/python -m pip install "${quiet[@]}" --no-deps --no-build-isolation -e .
    rm -f .venv/.made-"$kind"-*
    touch "$stamp"
fi

# What the services themselves need stands in one table (dcos/install/prereqs.py); tests start them as plain processes too.
[[ $kind == run ]] || driver=process
mapfile -t missing < <(.venv/bin/dcos-install local needs --driver="$driver")
((${#missing[@]} == 0)) || provide "${missing[@]}"
