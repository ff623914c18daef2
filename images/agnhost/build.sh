#!/bin/bash
# build.sh [IMAGE]: the image that `lab diagnose --probe` makes its attempts from, for clusters that reach no registry:
# agnhost of Kubernetes' own network tests, with dig and curl. Where a registry is reached it is upstream's.
. "$(dirname "$0")/../lib.sh"
name=${1:-lab/agnhost:1}
package=k8s.io/kubernetes/test/images/agnhost
inputs=$(hash_of agnhost)
fresh "$name" "$inputs" && exit 0
say "building $name"
upstream "$name" "$inputs" registry.k8s.io/e2e-test-images/agnhost:2.52 && exit 0
need go golang
context=$CACHE/images/agnhost
mkdir -p "$context/mod"
if [ ! -x "$context/agnhost" ]; then
  # The module in which the node's own programs are built pins everything that belongs to the release.
  "$IMAGES/kind-node/build.sh"
  say "  agnhost (about 2 minutes the first time)"
  export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=mod'
  cp "$CACHE"/kind-node/*/mod/go.{mod,sum} "$context/mod/"
  (cd "$context/mod" && go mod edit -tool "$package" && quiet go mod tidy && go build -p 2 -trimpath -ldflags '-s -w' -o "$context/" "$package")
fi
ln -f "$(rootfs agnhost bind9-dnsutils,ca-certificates,curl)" "$context/rootfs.tar"
cp "$IMAGES/agnhost/Dockerfile" "$context/"
image "$name" "$inputs" "$context"
