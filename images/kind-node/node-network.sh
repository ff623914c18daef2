#!/bin/bash
# The node-network agent of the lab's own node image, for kernels without nft queue (which kind's own agent needs):
# the CNI configuration of this node, routes to the other nodes, masquerading, and NetworkPolicy (netpol.jq -> iptables).
# It follows what changes, and computes a node's rules as a whole; meant for labs of a few nodes.
set -u
account=/var/run/secrets/kubernetes.io/serviceaccount
server=${CONTROL_PLANE_ENDPOINT:-$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT}
mtu=$(cat /sys/class/net/eth0/mtu)
rules_of() { ("$1-save" 2>/dev/null || true) | grep -c '^-'; }
ipt=iptables-nft
[ "$(rules_of iptables-legacy)" -gt "$(rules_of iptables-nft)" ] && ipt=iptables-legacy

api() { # PATH [CURL OPTION...]
  curl -sS --fail --max-time 10 --cacert $account/ca.crt -H "Authorization: Bearer $(<$account/token)" "${@:2}" "https://$server$1"
}

write_cni_config() {
  cat >/etc/cni/net.d/.new <<J
{"cniVersion":"0.3.1","name":"lab","plugins":[
 {"type":"ptp","ipMasq":false,"mtu":$mtu,"ipam":{"type":"host-local","dataDir":"/run/cni-ipam-state",
  "routes":[{"dst":"0.0.0.0/0"}],"ranges":[[{"subnet":"$1"}]]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
J
  mv /etc/cni/net.d/.new /etc/cni/net.d/10-lab.conflist && echo "wrote CNI config for $1 mtu $mtu ($ipt)"
}

base_rules() {
  $ipt -t nat -N LAB-MASQ 2>/dev/null && {
    $ipt -t nat -A LAB-MASQ -d "$POD_SUBNET" -j RETURN
    $ipt -t nat -A LAB-MASQ -j MASQUERADE
  }
  $ipt -t nat -C POSTROUTING -m addrtype ! --dst-type LOCAL -j LAB-MASQ 2>/dev/null ||
    $ipt -t nat -A POSTROUTING -m addrtype ! --dst-type LOCAL -j LAB-MASQ
  $ipt -N NETPOL 2>/dev/null
  $ipt -C FORWARD -j NETPOL 2>/dev/null || $ipt -I FORWARD -j NETPOL
}

# Without a policy there is nothing to compute, and the pods need not be listed.
none='"items":[]' some="" applied=""
policies() {
  local list rules
  list=$(api /apis/networking.k8s.io/v1/networkpolicies) || return
  if [[ $list == *"$none"* ]]; then some=""; else some=1; fi
  rules=$({ if [ "$some" ]; then api /api/v1/pods && api /api/v1/namespaces; else echo "{$none}{$none}"; fi && echo "$list"; } |
    jq -s --arg node "$NODE_NAME" '{node:$node,pods:.[0],namespaces:.[1],policies:.[2]}' | jq -rf /usr/local/lib/netpol.jq) || return
  [ "$rules" = "$applied" ] && return
  $ipt-restore --noflush <<<"$rules" && applied=$rules && echo "policy rules: $(grep -c ^-A <<<"$rules")"
}

subnet=""
nodes() {
  local all mine
  all=$(api /api/v1/nodes) || return
  mine=$(jq -r --arg n "$NODE_NAME" '.items[]|select(.metadata.name==$n)|.spec.podCIDR // empty' <<<"$all")
  [ -n "$mine" ] || return
  if [ "$mine" != "$subnet" ]; then
    write_cni_config "$mine" && subnet=$mine
    base_rules
  fi
  jq -r --arg n "$NODE_NAME" '.items[]|select(.metadata.name!=$n)|select(.spec.podCIDR)
    |[.spec.podCIDR,([.status.addresses[]|select(.type=="InternalIP")|.address][0])]|@tsv' <<<"$all" |
    while read -r cidr via; do ip route replace "$cidr" via "$via"; done
}

# One word for each change of what stands at a path of the API, first of all for everything that is there already. That there is
# a change is told by the metadata alone, which are a tenth of a pod.
metadata='Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
changes() {
  while :; do
    api "$2?watch=1" -N --max-time 0 -H "$metadata" | sed -u "s/.*/$1/"
    sleep 1
  done
}
exec 3< <(
  changes nodes /api/v1/nodes &
  changes policies /apis/networking.k8s.io/v1/networkpolicies &
  changes pods /api/v1/pods &
  changes pods /api/v1/namespaces &
  wait
)

# Waits for a change, no longer than $1 seconds where given; what changes within half a second is done in one go. Pods matter
# to policies alone.
declare -A due=([nodes]=1 [policies]=1)
follow() {
  local what end
  read -r ${1:+-t "$1"} what <&3 || return
  end=$((${EPOCHREALTIME/./} + 500000))
  while :; do
    case $what in
      pods) [ "$some" ] && due[policies]=1 ;;
      *) due[$what]=1 ;;
    esac
    [ "${EPOCHREALTIME/./}" -lt $end ] && read -r -t 0.2 what <&3 || return
  done
}

while :; do
  for what in nodes policies; do
    [ -v "due[$what]" ] && $what && unset "due[$what]"
  done
  # What failed is tried again.
  follow ${due[*]:+1}
done
