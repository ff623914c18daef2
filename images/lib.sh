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

# rootfs NAME PACKAGES: the path of a tar of a minimal Debian with these packages (comma-separated), made once. What belongs to
# the machine that makes it, or to no image at all, is left out: sources of apt, keys of sshd.
rootfs() {
  local tar
  tar=$CACHE/rootfs/$1-$(sha256sum <<<"$SUITE $2" | cut -c1-8).tar
  if [ ! -f "$tar" ]; then
    need mmdebstrap mmdebstrap
    say "  debian $SUITE with $2"
    mkdir -p "$CACHE/rootfs"
    quiet mmdebstrap --format=tar --variant=minbase --mode=root --aptopt='Acquire::Languages none' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
      --customize-hook='rm -rf "$1"/etc/apt/sources.list* "$1"/etc/ssh/ssh_host_*' \
      --include="$2" "$SUITE" "$tar.part" "deb $(mirror) $SUITE main"
    mv "$tar.part" "$tar"
  fi
  echo "$tar"
}

# host_rootfs: the root file system of lab/host, on which the servers' images are built
host_rootfs() { rootfs host bind9-dnsutils,ca-certificates,conntrack,curl,dnsmasq,e2fsprogs,haproxy,iproute2,iptables,iputils-ping,netcat-openbsd,nftables,nginx-light,openssh-client,openssh-server,openvpn,procps,systemd,systemd-sysv,tcpdump; }

# layer NAME BASE PACKAGES [BEFORE [AFTER]]: the path of a tar of what these packages add to a tar of rootfs, made once; BEFORE and
# AFTER are commands in the root's folder, around the installation
layer() {
  local tar root
  tar=$CACHE/rootfs/$1-$(sha256sum <<<"${*:2}" | cut -c1-8).tar
  if [ ! -f "$tar" ]; then
    say "  debian $SUITE adding $3"
    root=$(mktemp -d "$CACHE/rootfs/$1-XXXX")
    # shellcheck disable=SC2064 # this root, in the subshell that this function is called in
    trap "rm -rf '$root' '$root.begun'" EXIT
    tar -C "$root" -xf "$2"
    touch "$root.begun"
    # A mount namespace of its own: what is mounted ends with it. The single quotes are meant: the inner shell expands.
    # shellcheck disable=SC2016
    need unshare util-linux
    quiet unshare --mount bash -euc 'cd "$1"
      mount -t proc proc proc
      cp --remove-destination /etc/resolv.conf etc/
      echo "deb $2 $3 main" >etc/apt/sources.list
      printf "#!/bin/sh\nexit 101\n" >usr/sbin/policy-rc.d && chmod 755 usr/sbin/policy-rc.d
      export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
      apt() { chroot . apt-get -qq -o Acquire::Languages=none "$@" </dev/null; }
      eval "${5:-}"
      apt update
      apt install -y --no-install-recommends ${4//,/ }
      apt clean
      eval "${6:-}"' layer "$root" "$(mirror)" "$SUITE" "${@:3}"
    rm -rf "$root"/{etc/apt/sources.list,etc/resolv.conf,usr/sbin/policy-rc.d,var/lib/apt/lists/*,var/log/{apt,dpkg.log}}
    find "$root" -mindepth 1 -cnewer "$root.begun" -printf '%P\0' | tar -C "$root" --null --no-recursion -T - -cf "$tar.part"
    mv "$tar.part" "$tar"
  fi
  echo "$tar"
}

# The inputs of lab/host, and so of every image that is made from it.
HOST_INPUTS=(host workload ../Cargo.lock)

# on_host NAME LAYER PACKAGES [BEFORE [AFTER]]: the folder from which a server's image is built FROM lab/host:1: what its packages add
# (layer.tar), its Dockerfile and its overlay
on_host() {
  local context=$CACHE/images/$1 tar
  "$IMAGES/host/build.sh"
  mkdir -p "$context"
  tar=$(layer "$2" "$(host_rootfs)" "${@:3}")
  rm -rf "$context/overlay"
  ln -f "$tar" "$context/layer.tar"
  cp -r "$IMAGES/$1/Dockerfile" "$IMAGES/$1/overlay" "$context/"
  echo "$context"
}

# workload: the path of the lab's own program, statically linked so that a machine with a newer C library than an image's can build it
workload() {
  local host
  need cargo cargo
  host=$(rustc -vV | sed -n 's/^host: //p')
  (cd "$IMAGES/.." && RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet --release -p workload --target "$host" --target-dir "$CACHE/images/workload-target")
  echo "$CACHE/images/workload-target/$host/release/workload"
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
