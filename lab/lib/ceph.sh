# The lab's Ceph: monitors a, b, ..., one manager and some OSDs, in the place `ceph`; with the pools and users that the
# agent works with. Made once, then only started; its data are in $LAB_DIR/ceph.

ceph_dir=$LAB_DIR/ceph
ceph_etc=$(place_dir ceph)/etc/ceph
ceph_pools=(images volumes backups vms hvagent)

mon_names() { printf '%s\n' a b c d e | head -n "$mons"; }
osd_ids() { seq 0 $((osds - 1)); }
mon_address() {
  local ip
  ip=$(mon_ip $((1 + $(printf '%d' "'$1") - $(printf '%d' "'a"))))
  echo "[v2:$ip:3300,v1:$ip:6789]"
}

# ceph_services: every daemon of the cluster, as lab/status and lab/fault call them.
ceph_services() {
  mon_names | sed 's/^/mon./'
  echo mgr.x
  osd_ids | sed 's/^/osd./'
}

# ceph_global: what every client and daemon of the cluster needs to find it.
ceph_global() {
  local name list=
  for name in $(mon_names); do list+=${list:+,}$(mon_address "$name"); done
  printf '[global]\nfsid = %s\nmon host = %s\n' "$(<"$ceph_dir/fsid")" "$list"
}

# ceph_client_conf: a node's ceph.conf, with the client section that the guide gives to nova's hosts.
ceph_client_conf() {
  ceph_global
  cat <<'CONF'

[client]
rbd cache = true
rbd cache writethrough until flush = true
admin socket = /var/run/ceph/guests/$cluster-$type.$id.$pid.$cctid.asok
log file = /var/log/qemu/qemu-guest-$pid.log
rbd concurrent management ops = 20
CONF
}

# ceph_daemon_conf: small and quick rather than safe; monitors that settle in milliseconds; an OSD that is believed dead
# when one other says so, since here all of them are on one host.
ceph_daemon_conf() {
  local size=$((osds < 3 ? osds : 3))
  ceph_global
  cat <<CONF
public addr = $ceph_ip
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = /etc/ceph/\$cluster.\$name.keyring
run dir = /run/ceph
log file = $ceph_dir/log/\$name.log
admin socket = /run/ceph/\$cluster-\$name.asok
osd pool default size = $size
osd pool default min size = $((size > 1 ? size - 1 : 1))
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon data avail warn = 2
mon data avail crit = 1
mon osd min down reporters = 1
mon osd reporter subtree level = osd
paxos propose interval = 0.1
paxos min wait = 0.02
mgr stats period = 1
[mon]
mon data = $ceph_dir/\$name
keyring = $ceph_dir/\$name/keyring
mgr initial modules =
$(for name in $(mon_names); do
    ip=$(mon_address "$name") && ip=${ip#*v2:}
    printf '[mon.%s]\npublic addr = %s\n' "$name" "${ip%%:*}"
  done)
[mgr]
mgr data = $ceph_dir/\$name
keyring = $ceph_dir/\$name/keyring
[osd]
osd data = $ceph_dir/\$name
keyring = $ceph_dir/\$name/keyring
bluestore block size = 10737418240
bluestore block create = true
osd memory target = 1073741824
# Told often that it was down (ceph_thaw), an OSD would end itself as a flapping one.
osd max markdown count = 1000
[client]
log file = /dev/null
admin socket =
CONF
}

# ceph_key NAME CAP...: makes a user, with a keyring file of its own; the monitors learn it when they are made.
ceph_key() {
  local keyring=$ceph_dir/keyrings/ceph.$1.keyring
  ceph-authtool --create-keyring "$keyring" --gen-key --name "$@" >>"$ceph_dir/log/create.log"
  cat "$keyring" >>"$ceph_dir/initial.keyring"
}

# ceph_users: the guide's three with the guide's caps, and the agents' own: it clones, grows and deletes in the four
# pools of disks, fences (profile rbd may add to the blocklist, not remove), keeps what all agents share in `hvagent`,
# which no guest's key can write, and may fetch the keys of guests' users, by their names, and no other.
ceph_users() {
  local id get_key='allow command "auth get-key"'
  ceph_key mon. --cap mon 'allow *'
  ceph_key client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph_key mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *'
  for id in $(osd_ids); do
    ceph_key "osd.$id" --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'
  done
  ceph_key client.glance --cap mon 'profile rbd' --cap osd 'profile rbd pool=images'
  ceph_key client.cinder --cap mon 'profile rbd' \
    --cap osd 'profile rbd pool=volumes, profile rbd pool=vms, profile rbd pool=images'
  ceph_key client.cinder-backup --cap mon 'profile rbd' --cap osd 'profile rbd pool=backups'
  ceph_key client.hvagent \
    --cap mon "profile rbd, $get_key with entity=client.cinder, $get_key with entity prefix client.vm." \
    --cap osd 'profile rbd pool=images, profile rbd pool=volumes, profile rbd pool=vms, profile rbd pool=backups, allow rwx pool=hvagent'
}

# ceph_create: everything that can be made before any daemon runs. What was left half-made is made again.
ceph_create() {
  local name monmap=()
  [ ! -e "$ceph_dir/created" ] || return 0
  rm -rf "$ceph_dir"
  mkdir -p "$ceph_dir/log" "$ceph_etc"
  (umask 077 && mkdir "$ceph_dir/keyrings")
  uuidgen >"$ceph_dir/fsid"
  ceph_daemon_conf >"$ceph_etc/ceph.conf"
  ceph_global >"$ceph_dir/client.conf"
  ceph_users
  cp -p "$ceph_dir/keyrings/ceph.client.admin.keyring" "$ceph_etc/"

  for name in $(mon_names); do monmap+=(--addv "$name" "$(mon_address "$name")"); done
  monmaptool --create --clobber --fsid "$(<"$ceph_dir/fsid")" "${monmap[@]}" "$ceph_dir/monmap"
  for name in $(mon_names); do
    CEPH_CONF=$ceph_etc/ceph.conf ceph-mon --mkfs --id "$name" --monmap "$ceph_dir/monmap" --keyring "$ceph_dir/initial.keyring"
  done
  rm "$ceph_dir/initial.keyring"
  for name in mgr.x $(osd_ids | sed 's/^/osd./'); do
    mkdir "$ceph_dir/$name"
    cp -p "$ceph_dir/keyrings/ceph.$name.keyring" "$ceph_dir/$name/keyring"
  done
  for name in $(osd_ids); do uuidgen >"$ceph_dir/osd.$name/lab-uuid"; done
  touch "$ceph_dir/created"
}

ceph_osd_mkfs() {
  [ -e "$ceph_dir/osd.$1/ready" ] ||
    ceph_admin ceph-osd --mkfs --no-mon-config --id "$1" --osd-uuid "$(<"$ceph_dir/osd.$1/lab-uuid")"
}

# ceph_service_up SERVICE: one daemon, by the name that ceph_services gives it.
ceph_service_up() { service_up ceph "$1" "$ceph_dir/log/$1.out" "ceph-${1%%.*}" -f --id "${1#*.}"; }

ceph_admin() { place_run ceph "$@"; }
ceph_answers() { ceph_admin timeout 5 ceph --connect-timeout 4 mon stat; }

# ceph_is_clean: every placement group can be read and written, whatever is trimmed or scrubbed meanwhile.
ceph_is_clean() {
  ceph_admin timeout 5 ceph pg stat --format json |
    jq -e '.pg_summary | .num_pgs > 0 and all(.num_pg_by_state[]; .name | test("^active[+]clean([+](snaptrim(_wait)?|scrubbing|deep))*$"))'
}

ceph_wait_clean() {
  until_true 60 ceph_is_clean && return
  ceph_admin timeout 10 ceph status >&2 || true
  die "the placement groups do not become clean: see lab/ceph ceph -s"
}

# ceph_thaw SERVICE: an OSD that stood still for longer than its read lease gets it back only from its peers, and a lone
# one never: told that it was down, it peers anew.
ceph_thaw() {
  [ "$(service_state ceph "$1")" = stopped ] || return 0
  service_signal ceph "$1" CONT
  case $1 in osd.*) ceph_admin timeout 20 ceph osd down "$1" || say "$1 may stay laggy: see lab/ceph ceph -s" ;; esac
}

# ceph_service_serves SERVICE: a monitor in the quorum, an OSD that is up.
ceph_service_serves() {
  case $1 in
    mon.*) ceph_admin timeout 5 ceph quorum_status --format json | jq -e --arg name "${1#mon.}" '.quorum_names | index($name)' ;;
    osd.*) ceph_admin timeout 5 ceph osd dump --format json | jq -e --argjson id "${1#osd.}" '.osds[] | select(.osd == $id) | .up == 1' ;;
  esac
}

ceph_pool_create() {
  ceph_admin ceph osd pool create "$1"
  case $1 in hvagent) ceph_admin ceph osd pool application enable hvagent hvagent ;; *) ceph_admin rbd pool init "$1" ;; esac
}

# ceph_up: makes the cluster where there is none, and starts what does not run. Returns when it serves.
ceph_up() {
  local name id pids=()
  ceph_create
  place_up ceph
  for id in $(osd_ids); do ceph_osd_mkfs "$id" & pids+=($!); done
  for name in $(mon_names); do ceph_service_up "mon.$name"; done
  until_true 30 ceph_answers || die "the monitors do not answer: see $ceph_dir/log/mon.a.log"
  ceph_service_up mgr.x
  wait_all "${pids[@]}"
  for id in $(osd_ids); do
    [ -e "$ceph_dir/pools-made" ] || ceph_admin ceph osd new "$(<"$ceph_dir/osd.$id/lab-uuid")" "$id"
    ceph_service_up "osd.$id"
  done
  for id in $(osd_ids); do
    until_true 30 ceph_service_serves "osd.$id" || die "osd.$id does not come up: see $ceph_dir/log/osd.$id.log"
  done
  if [ ! -e "$ceph_dir/pools-made" ]; then
    pids=()
    for name in "${ceph_pools[@]}"; do ceph_pool_create "$name" & pids+=($!); done
    wait_all "${pids[@]}"
    touch "$ceph_dir/pools-made"
  fi
  ceph_wait_clean
}
