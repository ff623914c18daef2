#!/bin/bash
# build.sh [IMAGE]: the lab's own workload program together with the tools that probes use.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/workload:1}
inputs=$(hash_of workload ../Cargo.lock)
fresh "$name" "$inputs" && exit 0
say "building $name"
context=$CACHE/images/workload
mkdir -p "$context"
tar=$(rootfs toolbox ca-certificates,conntrack,curl,dnsutils,iproute2,iptables,iputils-ping,netcat-openbsd,procps,tcpdump)
program=$(workload)
ln -f "$tar" "$context/rootfs.tar"
cp "$program" "$IMAGES/workload/Dockerfile" "$context/"
image "$name" "$inputs" "$context"
