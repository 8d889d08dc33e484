# Faults and their repair. A kill returns when the process is gone, a freeze when it has stopped.

# guest_pids NODE [VM]: name and PID (in the node) of each QEMU that libvirt started there, from libvirt's own run folder,
# since libvirtd may be the one that does not answer.
guest_pids() {
  local init file pid
  init=$(place_init "$1") || return 0
  for file in "/proc/$init/root/run/libvirt/qemu"/*.pid; do
    [ -f "$file" ] || continue
    read -r pid <"$file" || true
    [ -d "/proc/$init/root/proc/${pid:-none}" ] || continue
    file=$(basename "$file" .pid)
    [ "$file" = driver ] || [ "${2:-$file}" != "$file" ] || echo "$file $pid"
  done
}

# guests_signal NODE SIGNAL [VM]: fails when there is none.
guests_signal() {
  local pids
  pids=$(guest_pids "$1" "${3:-}" | awk '{ print $2 }')
  # shellcheck disable=SC2086
  [ -n "$pids" ] && place_run "$1" kill "-$2" $pids
}

no_guests() { [ -z "$(guest_pids "$@")" ]; }
service_is() { [ "$(service_state "$1" "$2")" = "$3" ]; }

# fault_service PLACE SERVICE kill|stop|freeze|thaw
fault_service() {
  local signal want
  case $3 in
    kill) signal=KILL want=dead ;;
    stop) signal=TERM want=dead ;;
    freeze) signal=STOP want=stopped ;;
    thaw) signal=CONT want=running ;;
  esac
  service_signal "$1" "$2" "$signal" || die "$2 is not running"
  until_true 60 service_is "$1" "$2" "$want" || die "$2 is not $want a minute after SIG$signal"
}

# fault_guests NODE kill|stop|freeze|thaw [VM]
fault_guests() {
  local signal
  case $2 in kill) signal=KILL ;; stop) signal=TERM ;; freeze) signal=STOP ;; thaw) signal=CONT ;; esac
  guests_signal "$1" "$signal" "${3:-}" || die "no guest ${3:+$3 }runs on $1"
  case $2 in kill | stop) until_true 30 no_guests "$1" "${3:-}" || die "a guest on $1 is still there" ;; esac
}

# fault_node NODE kill|freeze|thaw: the whole machine. Killed, it falls silent first: nobody is told that it died.
fault_node() {
  case $2 in
    kill)
      place_is_up "$1" || die "$1 is not running"
      ip -n "$(netns "$1")" link set eth0 down
      place_kill "$1"
      ;;
    freeze) freezer_set "$1" FROZEN ;;
    thaw) freezer_set "$1" THAWED ;;
  esac
}

# cut_peers ceph|operator|nodes|all|NODE: the addresses at the other end.
cut_peers() {
  case $1 in
    ceph) echo "$lab_net.1-$ceph_ip" ;;
    operator) echo "$operator_ip" ;;
    nodes) echo "$(node_ip compute-1)-$lab_net.254" ;;
    all) echo "$lab_net.0/24" ;;
    *) node_ip "$1" ;;
  esac
}

in_node_net() { ip netns exec "$(netns "$1")" "${@:2}"; }

# fault_cut NODE PEER: drops every packet between them, in both directions, without a word to either. Cuts add up.
fault_cut() {
  local peers
  peers=$(cut_peers "$2")
  in_node_net "$1" nft -f - <<NFT
table ip hv-cut {
  chain in { type filter hook input priority 0; }
  chain out { type filter hook output priority 0; }
}
add rule ip hv-cut in iifname "eth0" ip saddr $peers drop comment "$2"
add rule ip hv-cut out oifname "eth0" ip daddr $peers drop comment "$2"
NFT
}

# node_cuts NODE: what it is cut from, in one word.
node_cuts() {
  in_node_net "$1" nft -j list table ip hv-cut 2>/dev/null |
    jq -r '[.nftables[].rule.comment // empty] | unique | join(",")' || true
}

# node_heal NODE: undoes cuts and freezes. What died is started by those who call this.
node_heal() {
  in_node_net "$1" nft delete table ip hv-cut 2>/dev/null || true
  ip -n "$(netns "$1")" link set eth0 up
  ! freezer_is "$1" FROZEN || freezer_set "$1" THAWED
  place_is_up "$1" || return 0
  local service
  for service in libvirtd agentd; do service_signal "$1" "$service" CONT || true; done
  guests_signal "$1" CONT || true
}
