#!/bin/bash
# build.sh [IMAGE]: a node image for kind. Where a registry is reached it is upstream's kindest/node, held off the machine's
# settings; else it is made from package registries alone: Kubernetes' own programs as Go modules, Debian for the rest. The
# programs (kind, kubectl, ...) stay in the cache under bin/. From packages: about 14 minutes on 2 cores, then one minute.
. "$(dirname "$0")/../lib.sh"
version=1.34.10
name=${1:-lab/kind-node:v$version}
here=$IMAGES/kind-node
out=$CACHE/kind-node/$version
bin=$out/bin
inputs=$(hash_of kind-node)
has_kind() { [ -x "$bin/kind" ] || command -v kind >/dev/null; }
fresh "$name" "$inputs" && has_kind && exit 0
say "building $name"
mkdir -p "$bin" "$out"/{mod,etcd,img,ctx}
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-buildvcs=false

go_install() { [ -x "$bin/$1" ] || { need go golang; say "  $1"; GOBIN=$bin quiet go install -ldflags '-s -w' "$2"; }; }
go_install_kind() { go_install kind sigs.k8s.io/kind@v0.33.0; }

if reached "kindest/node:v$version"; then
  has_kind || go_install_kind
  context=$out/upstream
  mkdir -p "$context"
  cp "$here/overlay/usr/local/bin/spare-the-machine" "$context/"
  cp "$here/upstream.Dockerfile" "$context/Dockerfile"
  image "$name" "$inputs" "$context" --build-arg "UPSTREAM=kindest/node:v$version"
  exit 0
fi
need go golang; need gcc gcc; need python3 python3

# 1. Kubernetes' own programs, from a module that pins the staging modules to the same release.
kubernetes() {
  local commands=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm kubectl) c gomod staging flags
  for c in "${commands[@]}"; do [ -x "$bin/$c" ] || break; c=; done
  [ -z "$c" ] && return
  say "  kubernetes $version (about 12 minutes the first time)"
  cd "$out/mod" || return
  export GOFLAGS="$GOFLAGS -mod=mod"
  staging=v0.${version#1.}
  gomod=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -nE 's/^\s*"GoMod": "(.*)",?$/\1/p')
  {
    echo "module local/k8s"
    grep -E '^(go|godebug) ' "$gomod"
    echo "require k8s.io/kubernetes v$version"
    echo "replace ("
    sed -nE "s#^\s*(k8s\.io/[a-z0-9-]+) => \./staging/.*#\t\1 => \1 $staging#p" "$gomod"
    echo ")"
    echo "tool ("
    printf '\tk8s.io/kubernetes/cmd/%s\n' "${commands[@]}"
    echo ")"
  } >go.mod
  quiet go mod tidy
  flags="-s -w"
  for c in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $c.gitVersion=v$version -X $c.gitMajor=1 -X $c.gitMinor=$(cut -d. -f2 <<<"$version") -X $c.gitTreeState=archive"
    flags+=" -X $c.gitCommit=$(printf '0%.0s' {1..40}) -X $c.buildDate=2026-01-01T00:00:00Z"
  done
  go build -p 2 -trimpath -ldflags "$flags" -o "$bin/" tool
}

etcd() {
  [ -x "$bin/etcd" ] && return
  say "  etcd"
  cd "$out/etcd" || return
  printf 'module local/etcd\ngo 1.25.0\nrequire go.etcd.io/etcd/server/v3 v3.6.5\ntool go.etcd.io/etcd/server/v3\n' >go.mod
  GOFLAGS="$GOFLAGS -mod=mod" quiet go mod tidy
  GOFLAGS="$GOFLAGS -mod=mod" go build -ldflags '-s -w' -o "$bin/etcd" go.etcd.io/etcd/server/v3
}

# 2. The component images as archives, under the names that kubeadm expects.
components() {
  local b=/usr/local/bin i=$out/img base c list
  base=$(rootfs component ca-certificates,conntrack,curl,iproute2,iptables,jq,kmod,nftables)
  list=$("$bin/kubeadm" config images list --kubernetes-version "v$version" 2>/dev/null)
  ref() { grep -E "/$1:" <<<"$list" | head -1; }
  archive() { python3 "$here/mkimg.py" "$@"; }
  [ -x "$out/pause" ] || gcc -O2 -static -o "$out/pause" "$here/pause.c"
  for c in kube-apiserver kube-controller-manager kube-scheduler; do
    archive "$i/$c.tar" "$(ref $c)" --add "$bin/$c:$b/$c"
  done
  archive "$i/kube-proxy.tar" "$(ref kube-proxy)" --layer "$base" --add "$bin/kube-proxy:$b/kube-proxy"
  archive "$i/etcd.tar" "$(ref etcd)" --add "$bin/etcd:$b/etcd"
  archive "$i/coredns.tar" "$(ref coredns)" --layer "$base" --add "$bin/coredns:/coredns" --entrypoint /coredns
  archive "$i/pause.tar" "$(ref pause)" --add "$out/pause:/pause" --entrypoint /pause
  archive "$i/node-network.tar" docker.io/local/node-network:1 --layer "$base" --entrypoint "$b/node-network" \
    --add "$here/node-network.sh:$b/node-network" --add "$here/netpol.jq:/usr/local/lib/netpol.jq:644"
  pause_image=$(ref pause)
}

# 3. The node image: root file system, overlay, and the component images in its containerd.
node() {
  local o=$out/overlay c=kind-node-build-$$ base t
  base=$(rootfs node bash,ca-certificates,conntrack,containerd,containernetworking-plugins,curl,dbus,e2fsprogs,ethtool,iproute2,ipset,iptables,jq,kmod,libseccomp2,mount,nftables,procps,runc,socat,systemd,systemd-sysv,tcpdump,util-linux)
  rm -rf "$o"
  cp -a "$here/overlay" "$o"
  mkdir -p "$o/usr/bin"
  cp "$bin"/{kubeadm,kubelet,kubectl} "$o/usr/bin/"
  printf 'v%s' "$version" >"$o/kind/version"
  sed -i "s#sandbox_image = .*#sandbox_image = \"$pause_image\"#" "$o/etc/containerd/config.toml"
  tar -C "$o" --owner=0 --group=0 -cf "$out/ctx/overlay.tar" .
  ln -f "$base" "$out/ctx/node.tar"
  cp "$here/Dockerfile" "$out/ctx/"
  quiet docker build -q -t lab/node-base:build "$out/ctx"
  docker run -d --name "$c" --entrypoint sleep --security-opt seccomp=unconfined lab/node-base:build infinity >/dev/null
  # The name of the base goes too; its layers are the node image's.
  # shellcheck disable=SC2064
  trap "docker rm -f -v $c >/dev/null; docker rmi --no-prune lab/node-base:build >/dev/null" EXIT
  docker exec "$c" bash -c 'nohup containerd >/tmp/c.log 2>&1 & for i in $(seq 40); do [ -S /run/containerd/containerd.sock ] && exit 0; sleep .5; done; cat /tmp/c.log; exit 1'
  for t in "$out"/img/*.tar; do docker exec -i "$c" ctr -n k8s.io images import --no-unpack - <"$t" >/dev/null; done
  docker exec "$c" bash -c 'for i in $(ctr -n k8s.io images ls -q | grep -v ^sha256); do ctr -n k8s.io images label $i io.cri-containerd.pinned=pinned; done >/dev/null; pkill -x containerd; while pgrep -r S,R,D -x containerd >/dev/null; do sleep .1; done; rm -rf /run/containerd /tmp/c.log'
  docker commit --change 'ENTRYPOINT ["/usr/local/bin/spare-the-machine","/usr/local/bin/entrypoint","/sbin/init"]' --change "LABEL lab.inputs=$inputs" "$c" "$name" >/dev/null
}

(kubernetes)
(etcd)
go_install_kind
go_install coredns github.com/coredns/coredns@v1.12.1
rm -f "$out"/img/*
components
node
