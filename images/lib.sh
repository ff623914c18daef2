# Shared by the build scripts of the images; sourced, never run.
# shellcheck shell=bash
set -euo pipefail
shopt -s inherit_errexit
IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chaos-replay-lab}
SUITE=trixie
export DOCKER_BUILDKIT=0 # the old builder is in every engine; the new one is an addition

say() { printf '%s\n' "$*" >&2; }

# need PROGRAM PACKAGE: ends with the lab's exit code for a machine that lacks something
need() { command -v "$1" >/dev/null || { say "$1 is missing; install it with: apt-get install $2"; exit 3; }; }

# quiet COMMAND...: its output is shown only if it fails
quiet() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || { status=$?; cat "$log" >&2; }
  rm -f "$log"
  return "$status"
}

# hash_of FILE...: one hash over the names and contents of files and folders, and of this library
hash_of() { (cd "$IMAGES" && find lib.sh "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16); }

# fresh IMAGE HASH: whether the engine has the image, built from the same inputs
fresh() {
  need docker docker.io
  [ "$(docker image inspect -f '{{index .Config.Labels "lab.inputs"}}' "$1" 2>/dev/null)" = "$2" ]
}

# The Debian mirror that this machine's apt uses already.
mirror() {
  local uri
  uri=$(grep -hE '^URIs:' /etc/apt/sources.list.d/*.sources 2>/dev/null | awk 'NR==1{print $2}')
  [ -n "$uri" ] || uri=$(awk '$1=="deb"{print $2; exit}' /etc/apt/sources.list 2>/dev/null)
  [ -n "$uri" ] || { say "no Debian mirror in this machine's apt sources"; exit 3; }
  echo "$uri"
}

# rootfs NAME PACKAGES: the path of a tar of a minimal Debian with these packages (comma-separated), made once
rootfs() {
  local tar
  tar=$CACHE/rootfs/$1-$(sha256sum <<<"$SUITE $2" | cut -c1-8).tar
  if [ ! -f "$tar" ]; then
    need mmdebstrap mmdebstrap
    say "  debian $SUITE with $2"
    mkdir -p "$CACHE/rootfs"
    quiet mmdebstrap --format=tar --variant=minbase --mode=root --aptopt='Acquire::Languages none' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
      --include="$2" "$SUITE" "$tar.part" "deb $(mirror) $SUITE main"
    mv "$tar.part" "$tar"
  fi
  echo "$tar"
}

# image NAME HASH CONTEXT [OPTION...]: docker build, with the label that fresh() reads
image() { quiet docker build -q -t "$1" --label "lab.inputs=$2" "${@:4}" "$3"; }

# reached UPSTREAM: pulls an image where its registry is reached; LAB_IMAGES=build says not to try
reached() {
  [ "${LAB_IMAGES:-}" != build ] && timeout 20 docker manifest inspect "$1" >/dev/null 2>&1 || return 1
  say "  pulling $1"
  quiet docker pull -q "$1"
}

# upstream NAME HASH UPSTREAM: upstream's image as it is, under the lab's name
upstream() {
  local context
  reached "$3" || return 1
  context=$(mktemp -d)
  echo "FROM $3" >"$context/Dockerfile"
  image "$1" "$2" "$context"
  rm -rf "$context"
}
