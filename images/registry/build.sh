#!/bin/bash
# build.sh [IMAGE]: an image registry from Debian's packages; where a registry is reached, registry:2.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/registry:1}
inputs=$(hash_of registry)
fresh "$name" "$inputs" && exit 0
say "building $name"
base=$name-base
if reached registry:2; then docker tag registry:2 "$base"; else
  context=$CACHE/images/registry
  mkdir -p "$context"
  tar=$(rootfs registry ca-certificates,docker-registry)
  docker import "$tar" "$base" >/dev/null
fi
context=$(mktemp -d)
cp "$IMAGES/registry/config.yml" "$context/"
printf 'FROM %s\nCOPY config.yml /etc/lab-registry.yml\nENTRYPOINT []\nCMD ["sh", "-c", "exec $(command -v docker-registry registry | head -1) serve /etc/lab-registry.yml"]\n' "$base" >"$context/Dockerfile"
image "$name" "$inputs" "$context"
rm -rf "$context"
