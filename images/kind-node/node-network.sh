#!/bin/bash
# The node-network agent of the lab's own node image, for kernels without nft queue (which kind's own agent needs):
# the CNI configuration of this node, routes to the other nodes, masquerading, and NetworkPolicy (netpol.jq -> iptables).
# It polls once a second; meant for labs of a few nodes.
set -u
account=/var/run/secrets/kubernetes.io/serviceaccount
server=${CONTROL_PLANE_ENDPOINT:-$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT}
mtu=$(cat /sys/class/net/eth0/mtu)
rules_of() { ("$1-save" 2>/dev/null || true) | grep -c '^-'; }
ipt=iptables-nft
[ "$(rules_of iptables-legacy)" -gt "$(rules_of iptables-nft)" ] && ipt=iptables-legacy

api() {
  curl -sS --fail --max-time 10 --cacert $account/ca.crt -H "Authorization: Bearer $(<$account/token)" "https://$server$1"
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
NONE='"items":[]'
policy_rules() {
  local policies
  policies=$(api /apis/networking.k8s.io/v1/networkpolicies) || return
  { if [[ $policies == *"$NONE"* ]]; then echo "{$NONE}{$NONE}"; else api /api/v1/pods && api /api/v1/namespaces; fi && echo "$policies"; } |
    jq -s --arg node "$NODE_NAME" '{node:$node,pods:.[0],namespaces:.[1],policies:.[2]}' | jq -rf /usr/local/lib/netpol.jq
}

subnet="" applied=""
while :; do
  nodes=$(api /api/v1/nodes) || { sleep 2; continue; }
  mine=$(jq -r --arg n "$NODE_NAME" '.items[]|select(.metadata.name==$n)|.spec.podCIDR // empty' <<<"$nodes")
  if [ -n "$mine" ] && [ "$mine" != "$subnet" ]; then
    write_cni_config "$mine" && subnet=$mine
    base_rules
  fi
  jq -r --arg n "$NODE_NAME" '.items[]|select(.metadata.name!=$n)|select(.spec.podCIDR)
    |[.spec.podCIDR,([.status.addresses[]|select(.type=="InternalIP")|.address][0])]|@tsv' <<<"$nodes" |
    while read -r cidr via; do ip route replace "$cidr" via "$via"; done
  for _ in 1 2 3 4 5; do
    rules=$(policy_rules) || { sleep 1; continue; }
    if [ "$rules" != "$applied" ]; then
      $ipt-restore --noflush <<<"$rules" && applied=$rules && echo "policy rules: $(grep -c ^-A <<<"$rules")"
    fi
    sleep 1
  done
done
