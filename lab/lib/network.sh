# The lab's network: one bridge in a namespace of its own, and a veth from it into each place. Nothing is linked to the
# machine's own network, so that every lab can have the same addresses, and two labs never meet.
#
#   10.77.0.1-5    the monitors        10.77.0.9    the other Ceph daemons
#   10.77.0.10     the operator        10.77.0.11-  compute-1, compute-2, ...

lab_net=10.77.0
ceph_ip=$lab_net.9
operator_ip=$lab_net.10

mon_ip() { echo "$lab_net.$1"; }                  # the Nth monitor, from 1
node_ip() { echo "$lab_net.$((10 + ${1#compute-}))"; }

netns() { echo "$lab_prefix-$1"; }
netns_exists() { [ -e "/run/netns/$(netns "$1")" ]; }

# lab_netns_list: the full names of this lab's network namespaces.
lab_netns_list() { ip netns list 2>/dev/null | awk -v prefix="$lab_prefix-" 'index($1, prefix) == 1 { print $1 }'; }

network_up_switch() {
  netns_exists switch && return
  ip netns add "$(netns switch)"
  ip -n "$(netns switch)" link add br0 type bridge
  ip -n "$(netns switch)" link set br0 up
}

# network_up_place PLACE IP...: a namespace with eth0 on the lab's bridge. IPv6 stays off: it only adds noise here.
network_up_place() {
  local place=$1 port=p-$1 ip
  shift
  netns_exists "$place" && return
  ip netns add "$(netns "$place")"
  ip netns exec "$(netns "$place")" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || true
  ip -n "$(netns switch)" link add "$port" type veth peer name eth0 netns "$(netns "$place")"
  ip -n "$(netns switch)" link set "$port" master br0 up
  for ip in "$@"; do ip -n "$(netns "$place")" addr add "$ip/24" dev eth0; done
  ip -n "$(netns "$place")" link set lo up
  ip -n "$(netns "$place")" link set eth0 up
}

# network_down: ends whatever still runs in this lab's namespaces, save us and those who called us, and removes them.
network_down() {
  local name pid
  local -A ours=()
  for ((pid = $$; pid > 1; pid = $(awk '/^PPid:/ { print $2 }' "/proc/$pid/status"))); do ours[$pid]=1; done
  for name in $(lab_netns_list); do
    for pid in $(ip netns pids "$name"); do
      [ -n "${ours[$pid]:-}" ] || kill -KILL "$pid" 2>/dev/null || true
    done
    ip netns del "$name"
  done
}

# hosts_file: libvirt resolves every node's name on each migration; without this it would wait for DNS.
hosts_file() {
  local name
  echo "127.0.0.1 localhost"
  echo "$ceph_ip ceph"
  echo "$operator_ip operator"
  for name in $(node_names); do echo "$(node_ip "$name") $name"; done
}
