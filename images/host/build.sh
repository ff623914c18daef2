#!/bin/bash
# build.sh [IMAGE]: a machine of the docker rig: Debian with systemd, what a router, a server or a client has, and the lab's own program.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/host:1}
inputs=$(hash_of "${HOST_INPUTS[@]}")
fresh "$name" "$inputs" && exit 0
say "building $name"
context=$CACHE/images/host
mkdir -p "$context"
tar=$(host_rootfs)
program=$(workload)
ln -f "$tar" "$context/rootfs.tar"
rm -rf "$context/overlay"
cp -r "$program" "$IMAGES/host/Dockerfile" "$IMAGES/host/overlay" "$context/"
image "$name" "$inputs" "$context"
