#!/bin/bash
# build.sh [IMAGE]: a machine with PostgreSQL from Debian's packages, as the unit `postgresql`.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/postgres-host:1}
inputs=$(hash_of postgres-host "${HOST_INPUTS[@]}")
fresh "$name" "$inputs" && exit 0
say "building $name"
# Not in the image: a cluster and a key that the packages would make, and the compiler of queries (150 MB).
context=$(on_host postgres-host postgresql postgresql-17 \
  'mkdir -p etc/postgresql-common && echo "create_main_cluster = false" >etc/postgresql-common/createcluster.conf' \
  'rm -rf etc/ssl/private/* etc/ssl/certs/ssl-cert-snakeoil.pem usr/lib/postgresql/17/lib/{bitcode,llvmjit*} usr/lib/*/libLLVM*')
image "$name" "$inputs" "$context"
