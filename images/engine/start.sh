#!/bin/bash
# start.sh: a Docker engine on a machine that has none running. Needs root and Debian's packages; does nothing where one answers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
docker info >/dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] || { echo "start.sh: no engine answers, and starting one needs root" >&2; exit 3; }
missing() { local c; for c in "$@"; do command -v "$c" >/dev/null || return 0; done; return 1; }
if missing dockerd iptables mmdebstrap; then
  echo "installing the engine's packages" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq docker.io containerd runc iptables nftables conntrack iproute2 mmdebstrap >/dev/null
fi
# Where the machine's capability bound lacks CAP_SYS_RESOURCE, `--privileged` needs a runtime that does not ask for it.
bound=$(awk '$1=="CapBnd:"{print $2}' /proc/self/status)
if ! ((0x$bound >> 24 & 1)) && [ ! -s /etc/docker/daemon.json ]; then
  install -m755 "$here/runc-without-sys-resource" /usr/local/sbin/runc-without-sys-resource
  mkdir -p /etc/docker
  echo '{"default-runtime":"lab","runtimes":{"lab":{"path":"/usr/local/sbin/runc-without-sys-resource"}}}' >/etc/docker/daemon.json
fi
# An engine that was killed leaves process ids behind; by now they may be somebody else's, and dockerd would wait for those.
if ! pgrep -r S,R,D -x dockerd >/dev/null; then # a zombie is none
  pkill -f '^containerd --config /var/run/docker/' || true
  rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
fi
echo "starting the engine" >&2
setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
for _ in $(seq 120); do docker info >/dev/null 2>&1 && exit 0; sleep .5; done
tail -20 /var/log/dockerd.log >&2
echo "start.sh: the engine did not answer within 60 s; its log is /var/log/dockerd.log" >&2
exit 1
