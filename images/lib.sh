# Shared by the build scripts of the images; sourced, never run. shellcheck shell=bash
set -euo pipefail
IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chaos-replay-lab}
SUITE=trixie
export DOCKER_BUILDKIT=0

say() { printf '%s\n' "$*" >&2; }

# hash_of FILE...: one hash over the names and contents of files and folders, and of this library
hash_of() { (cd "$IMAGES" && find lib.sh "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16); }

# fresh IMAGE HASH: whether the engine has the image, built from the same inputs
fresh() { [ "$(docker image inspect -f '{{index .Config.Labels "lab.inputs"}}' "$1" 2>/dev/null)" = "$2" ]; }

# The Debian mirror that this machine's apt uses already.
mirror() {
  local uri
  uri=$(grep -hE '^URIs:' /etc/apt/sources.list.d/*.sources 2>/dev/null | awk 'NR==1{print $2}')
  [ -n "$uri" ] || uri=$(awk '$1=="deb"{print $2; exit}' /etc/apt/sources.list)
  [ -n "$uri" ] || { say "no Debian mirror in this machine's apt sources"; exit 3; }
  echo "$uri"
}

# rootfs TAR PACKAGES: a minimal Debian with these packages (comma-separated), kept in the cache
rootfs() {
  [ -f "$1" ] && return
  command -v mmdebstrap >/dev/null || { say "mmdebstrap is missing: apt-get install mmdebstrap"; exit 3; }
  say "  debian $SUITE with $2"
  mmdebstrap --quiet --format=tar --variant=minbase --mode=root --aptopt='Acquire::Languages none' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --include="$2" "$SUITE" "$1.part" "deb $(mirror) $SUITE main" && mv "$1.part" "$1"
}

# build NAME CONTEXT [OPTION...]: docker build, silent unless it fails (the legacy builder announces its own retirement)
build() {
  local log=$CACHE/images/build.log
  mkdir -p "$CACHE/images"
  docker build -q -t "$1" "${@:3}" "$2" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

# image NAME HASH CONTEXT: build with the label that fresh() reads
image() { build "$1" "$3" --label "lab.inputs=$2"; }
