#!/bin/bash
# build.sh [IMAGE]: PostgreSQL from Debian's packages; where a registry is reached, postgres:17.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/postgres:1}
inputs=$(hash_of postgres)
fresh "$name" "$inputs" && exit 0
say "building $name"
upstream "$name" "$inputs" postgres:17 && exit 0
context=$CACHE/images/postgres
mkdir -p "$context"
tar=$(rootfs postgres ca-certificates,postgresql-17)
ln -f "$tar" "$context/rootfs.tar"
cp "$IMAGES/postgres/Dockerfile" "$IMAGES/postgres/entrypoint.sh" "$context/"
image "$name" "$inputs" "$context"
