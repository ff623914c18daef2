#!/bin/bash
# build.sh [IMAGE]: nginx from Debian's packages; where a registry is reached, nginx:1.29.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/nginx:1}
inputs=$(hash_of nginx)
fresh "$name" "$inputs" && exit 0
say "building $name"
upstream "$name" "$inputs" nginx:1.29 && exit 0
context=$CACHE/images/nginx
mkdir -p "$context"
tar=$(rootfs nginx ca-certificates,nginx-light)
ln -f "$tar" "$context/rootfs.tar"
cp "$IMAGES/nginx/Dockerfile" "$context/"
image "$name" "$inputs" "$context"
