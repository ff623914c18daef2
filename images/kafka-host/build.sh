#!/bin/bash
# build.sh [IMAGE]: a machine with Apache Kafka from Maven Central (pom.xml), as the unit `kafka`.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/kafka-host:1}
inputs=$(hash_of kafka-host "${HOST_INPUTS[@]}")
fresh "$name" "$inputs" && exit 0
say "building $name"
libs=$CACHE/images/kafka-libs-$(sha256sum <"$IMAGES/kafka-host/pom.xml" | cut -c1-8)
if [ ! -d "$libs" ]; then
  need mvn maven
  rm -rf "$libs.part"
  quiet mvn -B -q -Dmaven.repo.local="$CACHE/maven" -f "$IMAGES/kafka-host/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs.part"
  mv "$libs.part" "$libs"
fi
context=$(on_host kafka-host jre openjdk-21-jre-headless 'mkdir -p usr/share/man/man1')
rm -rf "$context/libs"
cp -rl "$libs" "$context/libs"
image "$name" "$inputs" "$context"
