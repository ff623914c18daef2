#!/bin/bash
# build.sh [IMAGE]: a machine with Elasticsearch 8.7.1, the distribution for tests from Maven Central, as the unit `elasticsearch`.
. "$(dirname "$0")/../lib.sh"
version=8.7.1
name=${1:-lab/elasticsearch-host:1}
inputs=$(hash_of elasticsearch-host "${HOST_INPUTS[@]}")
fresh "$name" "$inputs" && exit 0
say "building $name"
home=$CACHE/images/elasticsearch-$version
if [ ! -d "$home" ]; then
  need mvn maven; need unzip unzip
  artifact=org/elasticsearch/distribution/integ-test-zip/elasticsearch/$version/elasticsearch-$version.zip
  [ -f "$CACHE/maven/$artifact" ] || quiet mvn -B -q -Dmaven.repo.local="$CACHE/maven" dependency:get -Dtransitive=false \
    -Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip"
  unzip -qo -d "$CACHE/images" "$CACHE/maven/$artifact" -x '*.bat' '*.exe'
fi
context=$(on_host elasticsearch-host jre openjdk-21-jre-headless 'mkdir -p usr/share/man/man1')
rm -rf "$context/home"
cp -rl "$home" "$context/home"
need gcc gcc
gcc -O2 -shared -fPIC -o "$context/nofile.so" "$IMAGES/elasticsearch-host/nofile.c"
image "$name" "$inputs" "$context"
