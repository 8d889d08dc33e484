# A compute node: a place with its own libvirtd, its own agentd and its own bridge br0, which has no way out.

node_log_dir() { echo "$(place_dir "$1")/var/log"; }
agentd_port=7443

# node_create NAME: its files. Configuration is written anew each time; what the node itself wrote is left alone.
node_create() {
  local root etc
  root=$(place_dir "$1") etc=$root/etc
  mkdir -p "$etc"/{ceph,libvirt/qemu/networks,libvirt/secrets,libvirt/hooks/qemu.d,hypervisor-agent/pki} \
    "$root"/var/{cache,lib/libvirt/{qemu,images,boot},log/{libvirt/qemu,qemu},spool,tmp/import}
  install -d -m 0700 "$root/var/lib/hypervisor-agent"
  ln -sfn /run "$root/var/run"
  ln -sfn /run/lock "$root/var/lock"

  libvirtd_conf "$1" >"$etc/libvirt/libvirtd.conf"
  qemu_conf >"$etc/libvirt/qemu.conf"
  install -m 0755 "$repo/packaging/libvirt/qemu-hook" "$etc/libvirt/hooks/qemu.d/hypervisor-agent"
  agentd_conf "$1" >"$etc/hypervisor-agent/agentd.yaml"
  pki_node "$1"
  install -m 0644 "$pki_dir/ca.crt" "$etc/hypervisor-agent/pki/ca.crt"
  install -m 0644 "$pki_dir/$1.crt" "$etc/hypervisor-agent/pki/node.crt"
  install -m 0600 "$pki_dir/$1.key" "$etc/hypervisor-agent/pki/node.key"
  mkdir -p "$LAB_DIR/nodes"
  ln -sfn "../places/$1" "$LAB_DIR/nodes/$1"
  ln -sfn var/log "$root/log"
}

# node_join_ceph NAME: ceph.conf and the agents' keyring. The guests' key is not among the files: that one is for
# libvirt's secret, which is the agent's work.
node_join_ceph() {
  local etc
  etc=$(place_dir "$1")/etc/ceph
  ceph_client_conf >"$etc/ceph.conf"
  install -m 0600 "$ceph_dir/keyrings/ceph.client.hvagent.keyring" "$etc/"
}

# Any node may migrate to any other: plain TCP inside the lab's closed network.
libvirtd_conf() {
  cat <<CONF
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
listen_addr = "$(node_ip "$1")"
host_uuid = "$(uuidgen --sha1 --namespace @dns --name "$1.$LAB_NAME")"
log_outputs = "2:stderr"
CONF
}

qemu_conf() {
  cat <<'CONF'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
CONF
}

agentd_conf() {
  cat <<CONF
node_name: $1
listen_address: "$(node_ip "$1"):$agentd_port"
unix_socket: /run/hypervisor-agent/agentd.sock
tls: {certificate_file: /etc/hypervisor-agent/pki/node.crt, private_key_file: /etc/hypervisor-agent/pki/node.key, ca_file: /etc/hypervisor-agent/pki/ca.crt}
state_dir: /var/lib/hypervisor-agent
libvirt: {uri: "qemu:///system"}
ceph: {config_file: /etc/ceph/ceph.conf, entity: client.hvagent, keyring_file: /etc/ceph/ceph.client.hvagent.keyring, guest_entity: client.cinder}
guests: {serial_log_dir: /var/log/libvirt/qemu}
imports: {folder: /var/tmp/import}
CONF
}

# node_up NAME: the machine and its libvirtd, which answers when this returns. Undoes every fault on the way.
node_up() {
  node_heal "$1"
  place_up "$1"
  place_run "$1" sh -c 'ip link show br0 >/dev/null 2>&1 || { ip link add br0 type bridge && ip link set br0 up; }'
  libvirtd_up "$1"
}

libvirtd_up() {
  service_up "$1" libvirtd "$(node_log_dir "$1")/libvirtd.log" libvirtd --listen
  until_true 30 place_run "$1" timeout 5 virsh version || die "libvirtd on $1 does not answer: see $(node_log_dir "$1")/libvirtd.log"
}

# agentd_up NAME: returns when it accepts connections and is READY, as far as the lab's faults allow. A file agentd.env beside its log folder (lines NAME=VALUE) sets its
# environment: that is how a test turns on failpoints or verbose logging.
agentd_up() {
  local log env=()
  log=$(node_log_dir "$1")/agentd.log
  [ -x "$build_dir/bin/agentd" ] || die "there is no $build_dir/bin/agentd: build first (tools/build), or use lab/up --no-agents"
  [ ! -f "$(place_dir "$1")/agentd.env" ] || mapfile -t env <"$(place_dir "$1")/agentd.env"
  agentd_is_current "$1" || fault_service "$1" agentd stop
  service_up "$1" agentd "$log" env "${env[@]}" "$build_dir/bin/agentd" --config /etc/hypervisor-agent/agentd.yaml
  until_true 15 agentd_accepts "$1" || { tail -n 20 "$log" >&2; die "agentd on $1 accepts no connection after 15 s: see $log"; }
  [ ! -x "$build_dir/bin/agentctl" ] || until_true 20 agentd_is_ready "$1" || say "agentd on $1 runs but is not READY: see $log"
}

# agentd_is_current NAME: none runs, or the one that the build made last.
agentd_is_current() {
  local identity
  identity=$(service_identity "$1" agentd) || return 0
  [ "/proc/$(place_init "$1")/root/proc/${identity% *}/exe" -ef "$build_dir/bin/agentd" ]
}

agentd_accepts() { place_run "$1" bash -c ": </dev/tcp/$(node_ip "$1")/$agentd_port"; }

# agentd_is_ready NAME: the agent itself says that it has libvirt and Ceph.
agentd_is_ready() {
  (operator_exec "$build_dir/bin/agentctl" --node "$1" --timeout 5s -o json node get "$1") |
    jq -e '.conditions[] | select(.type == "READY") | .status == "TRUE"'
}

# agentctl_conf: how the operator reaches every node.
agentctl_conf() {
  local name
  echo "nodes:"
  for name in $(node_names); do echo "- {name: $name, address: \"$(node_ip "$name"):$agentd_port\"}"; done
  echo "tls: {certificate_file: $pki_dir/operator.crt, private_key_file: $pki_dir/operator.key, ca_file: $pki_dir/ca.crt}"
}
